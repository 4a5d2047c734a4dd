"""Events of a stream as plain values, for programs that read them while they happen."""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import Any

from lddu_pipe.annotation import utterance_values
from lddu_pipe.events import (
    Event,
    FacesSeen,
    FollowedFace,
    StreamEnded,
    StreamOpened,
    UnitClosed,
    UnitJudged,
    WordsHeard,
)
from lddu_pipe.types import Cue, Utterance


def event_values(event: Event) -> dict[str, Any] | None:
    """An event, fit for JSON, with its kind under "type"; None where it tells of nothing.

    Times are seconds, boxes shares of the picture; never NaN or Infinity.
    """
    match event:
        case StreamOpened():
            return {
                "type": "opened",
                "model": asdict(event.model),
                "missing": {name: str(absent) for name, absent in event.missing.items()},
            }
        case WordsHeard():
            return _words(event)
        case FacesSeen():
            faces = [_face(face) for face in event.faces if face.boxes]
            values = {"type": "faces", "faces": faces, "until": _until(event.until)}
            return values if faces else None
        case UnitClosed():
            return {"type": "closed", "utterance": _unit(event.utterance)}
        case UnitJudged():
            return {
                "type": "judged",
                "final": event.final,
                "replaces": event.replaces,
                "utterance": utterance_values(event.prediction),
            }
        case StreamEnded():
            return end_values(event)


def end_values(event: StreamEnded) -> dict[str, Any]:
    """The same of the end, which always tells of something."""
    return {
        "type": "ended",
        "duration": None if event.duration is None else round(event.duration, 3),
        "people": [asdict(person) for person in event.people],
        "provenance": asdict(event.provenance),
    }


def _words(event: WordsHeard) -> dict[str, Any] | None:
    words = [word for cue in event.cues for word in _of_cue(cue)]
    voices = [[round(span.start, 3), round(span.end, 3)] for span in event.voices]
    if not words and not voices:
        return None
    return {"type": "words", "words": words, "voices": voices, "until": _until(event.until)}


def _until(seconds: float) -> float | None:
    """None where there is nothing more to come."""
    return round(seconds, 3) if isfinite(seconds) else None


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
