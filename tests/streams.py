"""Streams without a pipeline."""

from __future__ import annotations

from collections.abc import Iterator

from lddu_pipe.annotation import Annotation
from lddu_pipe.events import Event, StreamEnded, StreamOpened, UnitJudged


def events_of(annotation: Annotation) -> Iterator[Event]:
    """A stream that comes to an annotation."""
    yield StreamOpened(annotation.media, annotation.model, {})
    for prediction in annotation.utterances:
        yield UnitJudged(prediction)
    yield StreamEnded(annotation.provenance)
