"""Predictions that Label Studio imports, for people to review and correct.

Each kind of media has its labelling configuration, which docs/formats.md gives. The layout is
that of https://labelstud.io/guide/predictions and of the tags Labels, TimelineLabels and Choices.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lddu_pipe.annotation import Annotation, SourceInfo
from lddu_pipe.predictions import Prediction
from lddu_pipe.writers.people import Names
from lddu_pipe.writers.wording import absence, least_confidence

FRAME_RATE = 25
"""Frames a second in which Label Studio is told to count the time of a silent video."""


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return one task for sound or video, and one an utterance for plain text and pictures.

    An utterance without a present label gets the label ``no emotion`` or ``undecided``. Whose it
    is and what was said are a note on it.
    """
    media, everything = annotation.media, annotation.utterances
    names = Names.in_annotation(annotation)
    model = f"{annotation.model.name} {annotation.model.version}"
    link = _local_file(media.path)
    if media.duration and media.has_audio:
        data = {"video" if media.has_video else "audio": link}
        tasks = [_task(data, everything, model, names, _sound_regions)]
    elif media.duration and media.has_video:
        tasks = [_task({"video": link}, everything, model, names, _frame_ranges)]
    else:
        tasks = [
            _task(_still(media, link, item), [item], model, names, _choices(media))
            for item in everything
        ]
    text = json.dumps(tasks, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def _task(
    data: dict[str, str],
    predictions: Sequence[Prediction],
    model: str,
    names: Names,
    describe: Callable[[Prediction], Iterable[dict[str, Any]]],
) -> dict[str, Any]:
    """Return a task whose score, by which it can be sorted, is that of its least sure decision."""
    least = min(map(least_confidence, predictions), default=1.0)
    result = [
        region | _note(prediction, names)
        for prediction in predictions
        for region in describe(prediction)
    ]
    prediction = {"model_version": model, "score": round(least, 4), "result": result}
    return {"data": data, "predictions": [prediction]}


def _local_file(path: str) -> str:
    """The address under which Label Studio serves a file, its document root being ``/``."""
    return f"/data/local-files/?d={quote(Path(path).absolute().as_posix()[1:], errors='replace')}"


def _still(media: SourceInfo, link: str, prediction: Prediction) -> dict[str, str]:
    known = {"image": link} if media.has_video else {}
    return known | {"text": prediction.text, "utterance": prediction.id}


def _labels(prediction: Prediction) -> list[tuple[str, float]]:
    """Present labels with their probability, or why there is none with its confidence."""
    present = [(score.label, score.probability) for score in prediction.present]
    return present or [(absence(prediction), least_confidence(prediction))]


def _sound_regions(prediction: Prediction) -> Iterable[dict[str, Any]]:
    """A region a label, so that each has its own score."""
    for label, score in _labels(prediction):
        yield _result(prediction, label, score, "labels", "audio") | {
            "value": {
                "start": round(prediction.start, 3),
                "end": round(prediction.end, 3),
                "channel": 0,
                "labels": [label],
            }
        }


def _frame_ranges(prediction: Prediction) -> Iterable[dict[str, Any]]:
    """A range a label, in frames counted from 1, the last one included."""
    first = int(prediction.start * FRAME_RATE) + 1
    last = max(first, round(prediction.end * FRAME_RATE))
    for label, score in _labels(prediction):
        yield _result(prediction, label, score, "timelinelabels", "video") | {
            "value": {"ranges": [{"start": first, "end": last}], "timelinelabels": [label]}
        }


def _choices(media: SourceInfo) -> Callable[[Prediction], Iterable[dict[str, Any]]]:
    """Make all choices of a task one result, whose score is that of the least probable one."""

    def describe(prediction: Prediction) -> Iterable[dict[str, Any]]:
        labels = _labels(prediction)
        score = min(score for _, score in labels)
        to_name = "image" if media.has_video else "text"
        result = _result(prediction, "choices", score, "choices", to_name)
        return [result | {"value": {"choices": [label for label, _ in labels]}}]

    return describe


def _result(
    prediction: Prediction, name: str, score: float, kind: str, to_name: str
) -> dict[str, Any]:
    """What every result has."""
    return {
        "id": f"{prediction.id}-{name}",
        "type": kind,
        "from_name": "emotion",
        "to_name": to_name,
        "score": round(score, 4),
    }


def _note(prediction: Prediction, names: Names) -> dict[str, Any]:
    """Whose a result is, and the words, which the labelling page shows beside it."""
    words = ": ".join(part for part in (names.of(prediction), prediction.text) if part)
    return {"meta": {"text": [words]}} if words else {}
