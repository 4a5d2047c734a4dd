"""Which faces of one frame are those of the frames before: tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from lddu_pipe.extractors.faces import SWITCH_RATIO, Face, overlap
from lddu_pipe.extractors.landmarks import Region
from lddu_pipe.extractors.stillness import FirstLook
from lddu_pipe.types import Box

KEPT = 2.0
"""Seconds for which a face that was lost may come back as the same."""
STILL_AFTER = 3.0
"""Seconds after which a face that has not changed is taken for a picture of one."""

_TWICE = 0.45
# Intersection over union from which on two sightings are of one face.
_INSIDE = 0.3
# Distance of two middles, of the larger face's height, below which they are, too.
_NEAR, _FARTHER = 0.8, 1.5
# How far a face is from where it was expected, at most, in its heights, and so much more for each
# second since it was seen.
_SCALE = 0.5
# By which the logarithm of its height may differ.
_RECOGNISED, _GAP, _THERE = 0.5, 0.25, 0.5
# Likeness to how it looked, which one must have that was not seen for so many seconds, and comes
# back farther from where it was expected than so many heights.
_NOBODY, _NEVER = 1.2, 1e3
# Distance of a track from nobody, and from what it cannot be.
_FRESH = 0.4
# Share of a new velocity, or look, in what is remembered of it.


class Sighting(NamedTuple):
    """A face in one frame."""

    box: Box
    """Pixels: left, top, right, bottom."""
    region: Region
    """Where to look for it in the next frame."""
    look: NDArray[np.float32]
    """Its small grey picture as a unit vector; the product of two says how alike they are."""
    sure: float
    """How sure it is that there is a face, 0..1."""
    face: Face | None = None
    """As its landmarks tell; None where they cannot be read, as from the side."""

    @property
    def middle(self) -> NDArray[np.float64]:
        """(2,) pixels."""
        left, top, right, bottom = self.box
        return np.array([(left + right) / 2, (top + bottom) / 2])

    @property
    def height(self) -> float:
        """Pixels."""
        return max(1.0, self.box[3] - self.box[1])


@dataclass(eq=False)
class Track:
    """One face through a scene."""

    began: float
    """Seconds."""
    last: Sighting
    seen: float
    """Seconds at which that was."""
    number: int | None = None
    """None until it is known that it is a face."""
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(2))
    """(2,) pixels a second."""
    look: NDArray[np.float32] = field(init=False)
    """How it looked of late."""
    doubts: int = 0
    """How often in a row it was not found where it was followed to."""
    first: FirstLook | None = None
    """How it looked at first, until it looks otherwise."""

    def __post_init__(self) -> None:
        self.look = self.last.look

    @property
    def still(self) -> bool:
        """Whether it has been the same picture for all the time that it was seen."""
        return self.first is not None and self.seen - self.began >= STILL_AFTER

    def expected(self, time: float) -> NDArray[np.float64]:
        """(2,) pixels, its middle at second `time` if it goes on as before."""
        return self.last.middle + self.velocity * min(time - self.seen, KEPT)

    def expected_region(self, time: float) -> Region:
        """Where to look for it at second `time`."""
        return self.last.region.moved(*(self.expected(time) - self.last.middle).tolist())

    def expected_box(self, time: float) -> Box:
        """Where it is at second `time` if it goes on as before."""
        x, y = (self.expected(time) - self.last.middle).tolist()
        left, top, right, bottom = self.last.box
        return left + x, top + y, right + x, bottom + y

    def distance(self, sighting: Sighting, time: float) -> float:
        """How unlike a sighting is what is expected of it, infinite where it cannot be it."""
        gap = time - self.seen
        apart = float(np.linalg.norm(sighting.middle - self.expected(time))) / self.last.height
        scale = abs(float(np.log(sighting.height / self.last.height)))
        unlike = 1 - float(sighting.look @ self.look)
        if apart > _NEAR + _FARTHER * gap or scale > _SCALE + gap:
            return np.inf
        if gap > _GAP and apart > _THERE and unlike > 1 - _RECOGNISED:
            return np.inf
        return apart + scale + unlike

    def add(self, sighting: Sighting, time: float) -> None:
        """It was seen at second `time`."""
        moved = (sighting.middle - self.last.middle) / max(time - self.seen, 1e-3)
        self.velocity = _FRESH * moved + (1 - _FRESH) * self.velocity
        mixed = _FRESH * sighting.look + (1 - _FRESH) * self.look
        self.look = np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-6), np.float32)
        self.last, self.seen = sighting, time


class Tracker:
    """The tracks of one video."""

    def __init__(self, people: int) -> None:
        """Nobody is seen yet.

        Args:
            people: tracks at a time, at most.
        """
        self._people = people
        self._next = 0
        self.tracks: list[Track] = []
        """Those that go on."""

    def end(self) -> None:
        """End all tracks: something else is shown."""
        self.tracks = []

    def assign(self, sightings: Sequence[Sighting], time: float) -> dict[Track, Sighting]:
        """Which sightings of second `time` are of which tracks; these take them in.

        The whole of all distances is the least (Kuhn 1955, "The Hungarian method").
        """
        if not sightings or not self.tracks:
            return {}
        costs = np.array(
            [[track.distance(sighting, time) for sighting in sightings] for track in self.tracks]
        )
        # For each track a place of nobody: one that is not seen takes no other's face for that.
        nobody = np.full((len(costs), len(costs)), _NOBODY)
        rows, columns = linear_sum_assignment(
            np.concatenate([np.minimum(costs, _NEVER), nobody], axis=1)
        )
        given = {
            self.tracks[row]: sightings[column]
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if column < len(sightings)
        }
        for track, sighting in given.items():
            track.add(sighting, time)
        return given

    def begin(self, sighting: Sighting, time: float) -> Track | None:
        """Begin a track; None where there may be no more, and none is much smaller."""
        if len(self.tracks) >= self._people:
            least = min(self.tracks, key=lambda track: (track.last.height, -track.began))
            if sighting.height**2 <= SWITCH_RATIO * least.last.height**2:
                return None
            self.tracks.remove(least)
        track = Track(time, sighting, time)
        self.tracks.append(track)
        return track

    def drop(self, track: Track) -> None:
        """End a track."""
        self.tracks = [other for other in self.tracks if other is not track]

    def forget_lost(self, time: float) -> None:
        """End the tracks that have been lost for too long at second `time`."""
        self.tracks = [track for track in self.tracks if time - track.seen <= KEPT]

    def number(self, track: Track) -> int:
        """The number of a track; it is given one as it is asked for first."""
        if track.number is None:
            track.number = self._next
            self._next += 1
        return track.number

    def contended(self, track: Track, time: float) -> bool:
        """Whether another face is expected to come before it, or behind."""
        own = track.expected_box(time)
        return any(
            overlap(own, other.expected_box(time)) > 0
            for other in self.tracks
            if other is not track
        )


def distinct(sightings: Sequence[Sighting]) -> list[Sighting]:
    """One sighting a face, the surest; those with landmarks before those without."""
    kept: list[Sighting] = []
    for sighting in sorted(sightings, key=lambda item: (item.face is None, -item.sure)):
        if not any(same_place(sighting, other) for other in kept):
            kept.append(sighting)
    return kept


def same_place(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings of a frame are of one face."""
    apart = float(np.linalg.norm(one.middle - other.middle))
    return overlap(one.box, other.box) > _TWICE or apart < _INSIDE * max(one.height, other.height)
