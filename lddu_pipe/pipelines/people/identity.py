"""Which faces that were followed belong to one person, also where a cut lies between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
TOGETHER = 0.5
"""Seconds in view at once that show two people; a track may outlast a cut by some frames."""


@dataclass
class _Track:
    """A face that is followed, before and after it is known whose it is."""

    span: TimeSpan
    """From its first frame to its last so far."""
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    """Sum of the vectors of its parts."""


@dataclass
class _Person:
    """Somebody who was seen, or of whom there are pictures."""

    name: str | None
    total: NDArray[np.float64]
    """Sum of the vectors of pictures and tracks."""
    number: int | None = None
    """None as long as somebody who is known was not seen."""
    tracks: list[int] = field(default_factory=list)
    """Those that may still be in view beside one that is not settled."""


class PersonFinder:
    """Makes people of tracks while they come, in bounded memory.

    A track is settled `PATIENCE` seconds after it appeared, in order of appearance, and then
    belongs to one person for good. It is the person whose mean vector is most like its own, where
    they are `ALIKE`, or else somebody new; tracks in view at once are never one person, and
    compete. A track of which there is no vector by then is somebody new. The same parts, told in
    the same order, give the same people.

    Of a track that has ended only its person is kept; vectors are in memory alone, as sums.
    """

    def __init__(
        self, known: Mapping[str, NDArray[np.float32]] | None = None, *, alike: float = ALIKE
    ) -> None:
        """Nobody was seen yet.

        Args:
            known: vectors of people of whom there are pictures, by name; see `read_known`.
            alike: takes the place of `ALIKE`.
        """
        self._alike = alike
        self._people = [
            _Person(name, vector.astype(np.float64)) for name, vector in (known or {}).items()
        ]
        self._tracks: dict[int, _Track] = {}
        self._person_of: dict[int, _Person] = {}
        self._names: list[str | None] = []

    @property
    def names(self) -> Sequence[str | None]:
        """Of each person who is settled, by number, the name where there is one."""
        return tuple(self._names)

    def person(self, track: int) -> int | None:
        """The number of a track's person, from 0 in order of appearance; None: not settled."""
        found = self._person_of.get(track)
        return None if found is None else found.number

    def see(
        self, track: int, span: TimeSpan, identity: NDArray[np.floating] | None = None
    ) -> None:
        """Take in the next part of a track.

        Args:
            track: its number; a new one has a higher number than all before it.
            span: from the first frame of this part in which the face is in view to the last.
            identity: (features,) vector of length 1 of the face in this part, if there is any.
        """
        known = self._tracks.setdefault(track, _Track(span))
        known.span = TimeSpan(known.span.start, max(known.span.end, span.end))
        person = self._person_of.get(track)
        if person is not None and track not in person.tracks:  # it was out of view for long
            person.tracks.append(track)
        if identity is not None:
            known.total = known.total + identity
            if person is not None:
                person.total = person.total + identity

    def settle(self, until: float = inf) -> None:
        """Settle what may be settled, once all that is in view up to a moment was told.

        Args:
            until: seconds; infinite at the end of the media.
        """
        for track in self._waiting():
            if self._tracks[track].span.start + PATIENCE > until:
                break
            person = self._match(track)
            if person is None:
                person = _Person(None, np.zeros(1))
                self._people.append(person)
            if person.number is None:
                person.number = len(self._names)
                self._names.append(person.name)
            person.total = person.total + self._tracks[track].total
            person.tracks.append(track)
            self._person_of[track] = person
        self._forget(until)

    def _waiting(self) -> Iterator[int]:
        """Tracks that are not settled, in order of appearance."""
        return iter([track for track in sorted(self._tracks) if track not in self._person_of])

    def _match(self, track: int) -> _Person | None:
        """Whose face it is, of those who are known so far.

        Others that are in view with it and wait as well may be more like one of them.
        """
        rivals = [track, *(other for other in self._waiting() if self._together(track, other))]
        gains = np.array(
            [[self._gain(one, person) for person in self._people] for one in rivals]
        ).reshape(len(rivals), len(self._people))
        rows, columns = linear_sum_assignment(gains, maximize=True)
        chosen = dict(zip(rows.tolist(), columns.tolist(), strict=True)).get(0)
        return self._people[chosen] if chosen is not None and gains[0, chosen] > 0 else None

    def _gain(self, track: int, person: _Person) -> float:
        """By how much a track is more like a person than it must be; 0 where it is not."""
        if any(self._together(track, other) for other in person.tracks):
            return 0.0
        return max(0.0, _product(self._tracks[track].total, person.total) - self._alike)

    def _together(self, track: int, other: int) -> bool:
        """Whether two tracks are in view at once."""
        shared = self._tracks[track].span.overlap(self._tracks[other].span)
        return track != other and shared > TOGETHER

    def _forget(self, until: float) -> None:
        """Let go of tracks that ended before all that are not settled have begun."""
        oldest = min((self._tracks[one].span.start for one in self._waiting()), default=until)
        for track in [one for one, known in self._tracks.items() if known.span.end < oldest]:
            del self._tracks[track]
            self._person_of[track].tracks.remove(track)
        self._people = [one for one in self._people if one.tracks or one.total.any()]


def _product(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of the directions of two sums of vectors, -1..1; 0 where one has none."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / lengths if lengths > 0 else 0.0
