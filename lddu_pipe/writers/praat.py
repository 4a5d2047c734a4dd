"""Praat's TextGrid: interval tiers of text, emotion and confidence for each person.

Intervals of a tier may not overlap, so what somebody says over themselves stands on further tiers,
``text2@Ana`` and so on. The file is in Praat's long text form, in UTF-8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from praatio.data_classes.interval_tier import IntervalTier
from praatio.data_classes.textgrid import Textgrid

from lddu_pipe.annotation import Annotation
from lddu_pipe.predictions import Prediction
from lddu_pipe.writers.escaping import xml_text
from lddu_pipe.writers.lanes import Lane, Placed, lanes
from lddu_pipe.writers.people import Names
from lddu_pipe.writers.wording import confidence, emotion

_DIGITS = 4
"""Of a second's fraction: finer times could get an exponent, which many readers do not know."""
_SHORTEST = 0.001  # seconds: Praat knows no interval without length


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the TextGrid. Times are those of the annotation, to a tenth of a millisecond."""
    places = [_placed(item) for item in annotation.utterances]
    end = max([annotation.media.duration, *(place.end for place in places)])
    end = round(end, _DIGITS) or 1.0  # a grid has some length, though nothing may be in it
    grid = Textgrid(0.0, end)
    contents: dict[str, Callable[[Prediction], str]] = {
        "text": _text,
        "emotion": emotion,
        "confidence": confidence,
    }
    for lane in lanes(places, Names.in_annotation(annotation)):
        for name, describe in contents.items():
            grid.addTier(_tier(lane, name, describe, end))
    with tempfile.TemporaryDirectory() as scratch:
        # praatio writes to files only.
        file = Path(scratch) / "grid.TextGrid"
        grid.save(str(file), "long_textgrid", includeBlankSpaces=True)
        return file.read_bytes()


def _placed(prediction: Prediction) -> Placed:
    start = round(max(prediction.start, 0.0), _DIGITS)
    return Placed(start, round(max(prediction.end, start + _SHORTEST), _DIGITS), prediction)


def _tier(
    lane: Lane, name: str, describe: Callable[[Prediction], str], end: float
) -> IntervalTier:
    entries = [(place.start, place.end, describe(place.prediction)) for place in lane.places]
    return IntervalTier(lane.name(name), entries, 0.0, end)


def _text(prediction: Prediction) -> str:
    """A line of text: few tools read a label of several lines."""
    return xml_text(" ".join(prediction.text.split()))
