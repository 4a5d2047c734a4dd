"""Which faces that were followed belong to one person, also where a cut lies between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lddu_pipe.types import TimeSpan

PATIENCE = 10.0
"""Seconds from the first sight of a track to the decision whose face it is."""
ALIKE = 0.40
"""Product of two mean vectors of length 1 from which on they are taken for one person's."""
NAMED = 0.50
"""The same, to give somebody a name because of pictures alone: a wrong one is worse than none."""
TOGETHER = 0.5
"""Seconds in view at once that show two people; a track may outlast a cut by some frames."""


@dataclass(eq=False)
class _Person:
    """Somebody who was seen, or of whom there are pictures."""

    name: str | None
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    """Sum of the vectors of pictures and tracks."""
    number: int | None = None
    """None as long as somebody who is known was not seen."""


@dataclass(eq=False)
class _Track:
    """A face that is followed, or was in view beside one that is not settled."""

    span: TimeSpan
    """From its first frame to its last so far."""
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    """Sum of the vectors of its parts."""
    person: _Person | None = None
    """Whose it is, once it is settled."""

    def together(self, other: _Track) -> bool:
        """Whether both are in view at once."""
        return other is not self and self.span.overlap(other.span) > TOGETHER


class PersonFinder:
    """Makes people of tracks while they come, in bounded memory.

    A track is settled `PATIENCE` seconds after it appeared, in order of appearance, and then
    belongs to one person for good. It is the person whose mean vector is most like its own, where
    they are `ALIKE`, or else somebody new; tracks in view at once are never one person, and
    compete. A track of which there is no vector by then is somebody new. The same parts, told in
    the same order, give the same people.

    Of a track that has ended the number of its person is kept, and no more. Vectors are in memory
    alone, as sums.
    """

    def __init__(
        self,
        known: Mapping[str, NDArray[np.float32]] | None = None,
        *,
        alike: float = ALIKE,
        patience: float = PATIENCE,
        eager: bool = False,
    ) -> None:
        """Nobody was seen yet.

        Args:
            known: vectors of people of whom there are pictures, by name; see `read_known`.
            alike: takes the place of `ALIKE`.
            patience: takes the place of `PATIENCE`.
            eager: settle a track as soon as there is a vector of it.
        """
        self._alike = alike
        self._patience = patience
        self._eager = eager
        self._people = [
            _Person(name, vector.astype(np.float64)) for name, vector in (known or {}).items()
        ]
        self._tracks: dict[int, _Track] = {}
        self._numbers: dict[int, int] = {}
        self._names: list[str | None] = []

    @property
    def names(self) -> Sequence[str | None]:
        """Of each person who is settled, by number, the name where there is one."""
        return tuple(self._names)

    def person(self, track: int) -> int | None:
        """The number of a track's person, from 0 in order of appearance; None: not settled."""
        return self._numbers.get(track)

    def see(
        self, track: int, span: TimeSpan, identity: NDArray[np.floating] | None = None
    ) -> None:
        """Take in the next part of a track.

        Args:
            track: its number; a new one has a higher number than all before it.
            span: from the first frame of this part in which the face is in view to the last.
            identity: (features,) vector of length 1 of the face in this part, if there is any.
        """
        seen = self._tracks.get(track)
        if seen is None:
            seen = self._tracks[track] = _Track(span)
            if track in self._numbers:  # it was out of view for long
                seen.person = self._numbered(self._numbers[track])
        seen.span = TimeSpan(seen.span.start, max(seen.span.end, span.end))
        if identity is not None:
            seen.total = seen.total + identity
            if seen.person is not None:
                seen.person.total = seen.person.total + identity

    def settle(self, until: float = inf) -> None:
        """Settle what may be settled, once all that is in view up to a moment was told.

        Args:
            until: seconds; infinite at the end of the media.
        """
        for number, track in sorted(self._tracks.items()):
            if track.person is not None:
                continue
            waited = track.span.start + self._patience <= until
            if not (waited or self._eager):
                break
            if not (waited or track.total.any()):
                continue
            track.person = person = self._match(track)
            if person.number is None:
                person.number = len(self._names)
                self._names.append(person.name)
            person.total = person.total + track.total
            self._numbers[number] = person.number
        self._forget(until)

    def _match(self, track: _Track) -> _Person:
        """Whose face it is: of those who are known so far, or somebody new.

        Others that are in view with it and wait as well may be more like one of them.
        """
        beside = [other for other in self._tracks.values() if track.together(other)]
        rivals = [track, *(other for other in beside if other.person is None)]
        gains = [[self._gain(one, person) for person in self._people] for one in rivals]
        for row, column in zip(*linear_sum_assignment(gains, maximize=True), strict=True):
            if row == 0 and gains[0][column] > 0:
                return self._people[int(column)]
        self._people.append(_Person(None))
        return self._people[-1]

    def _gain(self, track: _Track, person: _Person) -> float:
        """By how much a track is more like a person than it must be; 0 where it is not."""
        if any(each.person is person and each.together(track) for each in self._tracks.values()):
            return 0.0
        needed = NAMED if person.number is None else self._alike
        return max(0.0, _product(track.total, person.total) - needed)

    def _numbered(self, number: int) -> _Person:
        """The person of a number; of whom there was no vector, nothing was kept."""
        for person in self._people:
            if person.number == number:
                return person
        self._people.append(_Person(self._names[number], number=number))
        return self._people[-1]

    def _forget(self, until: float) -> None:
        """Let go of tracks that ended before all that are not settled have begun."""
        waiting = [track.span.start for track in self._tracks.values() if track.person is None]
        oldest = min(waiting, default=until)
        self._tracks = {
            number: track for number, track in self._tracks.items() if track.span.end >= oldest
        }
        in_view = [track.person for track in self._tracks.values()]
        self._people = [one for one in self._people if one.total.any() or one in in_view]


def _product(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of the directions of two sums of vectors, -1..1; 0 where one has none."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths > 0 else 0.0
