"""The utterances that can be reviewed, read from annotations and kept until those change."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lddu_pipe.annotation import Annotation, Person
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.predictions import Decision
from lddu_pipe.review.matching import Anchor, anchors_of, whole_characters
from lddu_pipe.review.queue import Doubt, lot
from lddu_pipe.review.repository import ReviewItem
from lddu_pipe.review.sightings import PersonAnchor, Presence
from lddu_pipe.writers.page import kind_of
from lddu_pipe.writers.viewer import MediaKind

Key = tuple[str, str]
"""Ids of item and utterance."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One utterance."""

    item: str
    anchor: Anchor
    labels: tuple[str, ...]
    decisions: tuple[Decision, ...]
    """In the order of `labels`; so are the confidences."""
    confidences: tuple[float, ...]
    doubt: Doubt
    lot: int
    person: str | None
    """The id of whose it is, as the model has it."""

    @property
    def key(self) -> Key:
        """Tells it from every other."""
        return self.item, self.anchor.utterance


@dataclass(frozen=True, eq=False)
class Opened:
    """What is kept of an annotation that was read; reading it again makes another one."""

    media: str
    """sha256 of what was annotated, or what stands for it."""
    duration: float
    """Seconds; 0 where there is no time."""
    kind: MediaKind
    """What can be shown or played of it."""
    labels: tuple[str, ...]
    candidates: Mapping[str, Candidate]
    """By utterance, in order."""
    people: tuple[Person, ...]
    """Whom the model found."""
    appearances: tuple[PersonAnchor, ...]
    """Of the same people."""

    @property
    def anchors(self) -> list[Anchor]:
        """Of all utterances, in order."""
        return [candidate.anchor for candidate in self.candidates.values()]


class Reading:
    """Annotations that were read, each kept until its file changes. Threads may share it."""

    def __init__(self) -> None:
        """Read nothing yet."""
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[tuple[int, int], Opened]] = {}

    def open(self, item: ReviewItem, path: Path) -> Opened:
        """What an annotation holds.

        Args:
            item: that it is of.
            path: where it stands.

        Raises:
            UnusableInputError: it is gone or damaged.
        """
        try:
            found = path.stat()
        except OSError as error:
            raise UnusableInputError(f"{item.name}: {error.strerror}") from None
        stamp = (found.st_mtime_ns, found.st_size)
        with self._lock:
            kept = self._kept.get(item.id)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        opened = open_annotation(item.id, Annotation.load(path))
        with self._lock:
            self._kept[item.id] = (stamp, opened)
        return opened

    def forget(self, item_id: str) -> None:
        """Forget an annotation."""
        with self._lock:
            self._kept.pop(item_id, None)


def open_annotation(item_id: str, annotation: Annotation) -> Opened:
    """What is kept of an annotation."""
    media = annotation.media
    # Data from memory have no sha256; each such annotation counts as media of its own.
    name = media.sha256 or f"item:{item_id}"
    labels = annotation.model.labels
    candidates = {
        anchor.utterance: Candidate(
            item_id,
            anchor,
            labels,
            tuple(score.decision for score in prediction.emotions),
            tuple(score.confidence for score in prediction.emotions),
            Doubt.of(prediction),
            lot(name, anchor),
            None if prediction.person is None else whole_characters(prediction.person),
        )
        for anchor, prediction in zip(anchors_of(annotation), annotation.utterances, strict=True)
    }
    people = tuple(
        replace(
            person,
            id=whole_characters(person.id),
            name=None if person.name is None else whole_characters(person.name),
        )
        for person in annotation.people
    )
    appearances = tuple(
        replace(anchor, person=person.id)
        for person, anchor in zip(people, Presence(annotation).anchors(), strict=True)
    )
    return Opened(name, media.duration, kind_of(media), labels, candidates, people, appearances)
