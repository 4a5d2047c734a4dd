"""What a session finds, as messages for its client."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lddu_pipe.annotation import utterance_values
from lddu_pipe.events import (
    Event,
    FacesSeen,
    FollowedFace,
    StreamOpened,
    UnitClosed,
    UnitJudged,
    WordsHeard,
)
from lddu_pipe.types import Cue, Utterance


def message_of(event: Event) -> tuple[str, bool] | None:
    """A message, and whether its client can do without it once there are newer ones.

    None for what is no news, and for the end, of which more is to be said.
    """
    values = _values(event)
    if values is None:
        return None
    running = isinstance(event, UnitJudged) and not event.final
    return text_of(values), running or isinstance(event, FacesSeen)


def text_of(values: Mapping[str, Any]) -> str:
    """The text of a message."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _values(event: Event) -> dict[str, Any] | None:
    if isinstance(event, StreamOpened):
        return {
            "type": "opened",
            "model": asdict(event.model),
            "missing": {name: str(absent) for name, absent in event.missing.items()},
        }
    if isinstance(event, WordsHeard):
        return _words(event)
    if isinstance(event, FacesSeen):
        faces = [_face(face) for face in event.faces if face.boxes]
        return {"type": "faces", "faces": faces, "until": round(event.until, 3)}
    if isinstance(event, UnitClosed):
        return {"type": "closed", "utterance": _unit(event.utterance)}
    if isinstance(event, UnitJudged):
        return {
            "type": "judged",
            "final": event.final,
            "replaces": event.replaces,
            "utterance": utterance_values(event.prediction),
        }
    return None


def _words(event: WordsHeard) -> dict[str, Any] | None:
    words = [word for cue in event.cues for word in _of_cue(cue)]
    voices = [[round(span.start, 3), round(span.end, 3)] for span in event.voices]
    if not words and not voices:
        return None
    return {"type": "words", "words": words, "voices": voices, "until": round(event.until, 3)}


def _of_cue(cue: Cue) -> list[dict[str, Any]]:
    return [
        {
            "text": word.text,
            "start": round(word.span.start, 3),
            "end": round(word.span.end, 3),
            "speaker": word.speaker or cue.speaker,
        }
        for word in cue.words
    ]


def _face(face: FollowedFace) -> dict[str, Any]:
    return {
        "track": face.track,
        "person": face.person,
        "still": face.still,
        "times": [round(float(start), 3) for start in face.steps.spans[:, 0]],
        "boxes": [
            None if box is None else [round(min(max(float(edge), 0.0), 1.0), 4) for edge in box]
            for box in face.boxes
        ],
    }


def _unit(utterance: Utterance) -> dict[str, Any]:
    return {
        "id": utterance.id,
        "kind": utterance.kind,
        "person": utterance.person,
        "start": round(utterance.span.start, 3),
        "end": round(utterance.span.end, 3),
        "text": utterance.text,
        "language": utterance.language,
        "speaker": utterance.speaker,
    }
