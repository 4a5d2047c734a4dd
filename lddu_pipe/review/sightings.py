"""Where the people of an annotation are, so that they are found again in another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, TypeAlias, TypeVar

from lddu_pipe.annotation import Annotation, Face

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")
Box: TypeAlias = tuple[float, float, float, float]

VOICED = ("speech", "sound")
"""Kinds of utterances in which somebody is heard."""

MOST_SIGHTINGS = 16
"""Of a person, so many moments in which the face is seen, and so many in which the voice is heard,
spread evenly over all: enough to tell people apart, and little to keep."""
LEAST_SHARED = 0.5
"""Of a person's sightings; only above it may somebody in another annotation be the same person."""
LEAST_OVERLAP = 0.3
"""Of two boxes, intersection over union; only above it do they show the same face."""


class Sighting(NamedTuple):
    """A moment in which somebody is known to be there."""

    moment: float
    """Seconds."""
    box: Box | None
    """Where the face is: left, top, right, bottom as shares of the picture; None: heard."""


@dataclass(frozen=True, slots=True)
class PersonAnchor:
    """A person as the model found them: what an identity holds on to."""

    person: str
    """The id, unique in the annotation."""
    sightings: tuple[Sighting, ...]
    """Empty for somebody without a face or an utterance with a voice."""

    @property
    def key(self) -> str:
        """The same for the same person of the same annotation."""
        return sha256(repr((self.person, self.sightings)).encode()).hexdigest()[:32]


class Presence:
    """Where the people of an annotation are seen and heard."""

    def __init__(self, annotation: Annotation) -> None:
        """Take them from an annotation."""
        self._people = [person.id for person in annotation.people]
        self._faces: dict[str, list[Face]] = defaultdict(list)
        self._heard: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for face in annotation.faces:
            self._faces[face.person].append(face)
        for item in annotation.utterances:
            if item.person is not None and item.kind in VOICED:
                self._heard[item.person].append((item.start, item.end))

    def anchors(self) -> list[PersonAnchor]:
        """Of everybody, in order."""
        return [
            PersonAnchor(person, (*self._seen(person), *self._listened(person)))
            for person in self._people
        ]

    def shares(self, sightings: Sequence[Sighting]) -> dict[str, float]:
        """Of the people of this annotation, the part of these sightings that are theirs, 0..1."""
        return {
            person: sum(self._has(person, each) for each in sightings) / len(sightings)
            for person in self._people
            if sightings
        }

    def _seen(self, person: str) -> Iterator[Sighting]:
        places = [
            (face, index)
            for face in self._faces[person]
            for index, box in enumerate(face.boxes)
            if box is not None
        ]
        for face, index in _spread(places):
            moment = face.start + (index / face.fps if face.fps else 0.0)
            yield Sighting(round(moment, 3), face.boxes[index])

    def _listened(self, person: str) -> Iterator[Sighting]:
        for start, end in _spread(self._heard[person]):
            yield Sighting(round((start + end) / 2, 3), None)

    def _has(self, person: str, sighting: Sighting) -> bool:
        moment, box = sighting
        if box is None:
            return any(start <= moment <= end for start, end in self._heard[person])
        for face in self._faces[person]:
            nearest = round((moment - face.start) * face.fps)
            # A step to either side: in another annotation the face may have been found later.
            for other in face.boxes[max(0, nearest - 1) : max(0, nearest + 2)]:
                if other is not None and _overlap(box, other) > LEAST_OVERLAP:
                    return True
        return False


def match_people(
    known: Mapping[Key, PersonAnchor],
    people: Iterable[PersonAnchor],
    presence: Callable[[], Presence],
) -> dict[Key, str]:
    """Find those who are known among the people of an annotation, one to one.

    Whoever is where they were is found at once; of the others, those first who share most. Who is
    neither seen nor heard is known by the id alone.

    Args:
        known: as they were found.
        people: of the annotation.
        presence: of the annotation, too; asked for only where somebody is not where they were.

    Returns:
        Id of the person, by key; who is nobody of the annotation is left out.
    """
    free = {anchor.key: anchor for anchor in people}
    found: dict[Key, str] = {}
    for key, anchor in known.items():
        if same := free.pop(anchor.key, None):
            found[key] = same.person
    ids = {anchor.person for anchor in free.values()}
    lost = {key: anchor for key, anchor in known.items() if key not in found}
    if not (ids and any(anchor.sightings for anchor in lost.values())):
        return found
    there = presence()
    pairs = [
        (-share, order, key, person)
        for order, (key, anchor) in enumerate(lost.items())
        for person, share in there.shares(anchor.sightings).items()
        if share > LEAST_SHARED
    ]
    for _, _, key, person in sorted(pairs, key=lambda pair: pair[:2]):
        if key not in found and person in ids:
            found[key] = person
            ids.remove(person)
    return found


def _spread(items: Sequence[Item]) -> list[Item]:
    """At most `MOST_SIGHTINGS` of these, evenly."""
    if len(items) <= MOST_SIGHTINGS:
        return list(items)
    step = len(items) / MOST_SIGHTINGS
    return [items[int((index + 0.5) * step)] for index in range(MOST_SIGHTINGS)]


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0..1."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    if wide <= 0 or high <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return wide * high / (areas - wide * high)
