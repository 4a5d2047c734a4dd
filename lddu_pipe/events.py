"""What happens in a stream, in order: what is heard and seen, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.annotation import Annotation, Face, ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.evidence import Absent, ModalitySequence
from lddu_pipe.predictions import Prediction
from lddu_pipe.types import Box, Cue, Modality, TimeSpan, Turn, Utterance


@dataclass(frozen=True)
class StreamOpened:
    """What is annotated, and by which model; always the first event."""

    media: SourceInfo
    model: ModelInfo
    missing: Mapping[Modality, Absent]
    """Modalities that all utterances lack, as is known before any is judged, and why."""


@dataclass(frozen=True)
class WordsHeard:
    """What was said since the event before."""

    cues: tuple[Cue, ...] = ()
    """With words."""
    unrecognised: tuple[Cue, ...] = ()
    """Where somebody laughs, sobs or screams, or speaks and the words were not recognised."""
    voices: tuple[TimeSpan, ...] = ()
    """Where a voice is heard between words, however briefly."""
    until: float = 0.0
    """Seconds of the media up to which everything that was said has been told."""
    language: str | None = None
    """Of the words, ISO 639-1, where known."""
    turns: tuple[Turn, ...] = ()
    """Who speaks when, in order of start, in the stretch that this tells of; a turn that goes on
    is told in parts. Empty where voices are not told apart."""
    ended: bool = False
    """A sentence ends with these words, though no pause follows."""
    goes_on: float | None = None
    """Seconds at which somebody speaks on whose words are not told yet, in a live session."""


class FollowedFace(NamedTuple):
    """One face in some frames of a video, one after the other."""

    track: int
    """Its number, from 0 in order of appearance; never another face's."""
    steps: ModalitySequence
    """A row a frame that was looked at, valid where an expression can be read."""
    boxes: tuple[Box | None, ...] = ()
    """Where it is at each step, also where no expression can be read; None where it was lost;
    empty where nobody tells."""
    still: bool = False
    """It has not moved so far: a drawing, a poster, a picture in the picture."""
    identity: NDArray[np.float32] | None = None
    """(features,) float32 of length 1, alike for faces of one person; None where not computed."""
    person: str | None = None
    """The id of whose face it is, as utterances name people, where that is known already."""


@dataclass(frozen=True)
class FacesSeen:
    """Who was seen since the event before."""

    faces: tuple[FollowedFace, ...]
    until: float
    """Seconds of the media up to which everything that was seen has been told."""
    cuts: tuple[float, ...] = ()
    """Seconds at which the whole picture changes."""
    shown: TimeSpan | None = None
    """From the first of the pictures that were looked at for this to the end of the last."""


@dataclass(frozen=True)
class UnitClosed:
    """The words and the limits of an utterance are final; what it shows is not known yet."""

    utterance: Utterance


@dataclass(frozen=True)
class UnitJudged:
    """The emotions of an utterance; those that are final come in order of start."""

    prediction: Prediction
    final: bool = True
    """False while it lasts, in a live session: what is said of it so far, under an id that begins
    with "~"."""
    replaces: str | None = None
    """The id of the running result of the same person and moment that this one takes the place of;
    None where there was none."""


@dataclass(frozen=True)
class StreamEnded:
    """Everything has been judged; always the last event."""

    provenance: Provenance
    people: tuple[Person, ...] = ()
    faces: tuple[Face, ...] = ()
    duration: float | None = None
    """Seconds of a live session, of which nobody knew before how long it would last."""


Event = StreamOpened | WordsHeard | FacesSeen | UnitClosed | UnitJudged | StreamEnded


def annotation_of(events: Iterable[Event]) -> Annotation:
    """What all events of a stream come to; of running results nothing is kept."""
    opened: StreamOpened | None = None
    ended: StreamEnded | None = None
    predictions: list[Prediction] = []
    for event in events:
        if isinstance(event, StreamOpened):
            opened = event
        elif isinstance(event, UnitJudged):
            if event.final:
                predictions.append(event.prediction)
        elif isinstance(event, StreamEnded):
            ended = event
    if opened is None or ended is None:
        raise ValueError("the events are of no whole stream")
    media = opened.media
    if ended.duration is not None:
        media = replace(media, duration=ended.duration)
    return Annotation(
        *(media, opened.model, predictions, ended.provenance, ended.people, ended.faces)
    )
