"""Who is seen: so far one person, whose face is followed."""

from __future__ import annotations

import numpy as np

from lddu_pipe.annotation import Face, Person
from lddu_pipe.events import FacesSeen
from lddu_pipe.extractors.base import Box

PERSON, FACE = "p1", "f1"
FARTHEST = 0.75
"""Boxes are told at even times; a frame stands for one that is up to so many steps away."""


class FollowedFace:
    """Where the face that is followed was, as long as a stream lasts."""

    def __init__(self, fps: float) -> None:
        """Nobody is seen yet.

        Args:
            fps: frames a second that are looked at.
        """
        self._fps = fps
        self._times: list[float] = []
        self._boxes: list[Box | None] = []
        self._visible = 0.0

    def add(self, seen: FacesSeen) -> None:
        """Take in what was seen next."""
        if seen.steps is None or not seen.boxes:
            return
        self._times += seen.steps.spans[:, 0].tolist()
        self._boxes += seen.boxes
        shown = seen.steps.spans[[box is not None for box in seen.boxes]]
        self._visible += float((shown[:, 1] - shown[:, 0]).sum())

    @property
    def person(self) -> str | None:
        """The id of the person, where anybody was seen so far."""
        return PERSON if self._visible else None

    @property
    def people(self) -> tuple[Person, ...]:
        """The person, if there is one; whether it is the one who speaks is not known."""
        return (Person(PERSON, None, self._visible, 0.0),) if self._visible else ()

    @property
    def faces(self) -> tuple[Face, ...]:
        """The face of that person, from the first frame in which it is seen to the last."""
        shown = [index for index, box in enumerate(self._boxes) if box is not None]
        if not self._visible:
            return ()
        times = np.array(self._times[shown[0] : shown[-1] + 1])
        boxes = self._boxes[shown[0] : shown[-1] + 1]
        count = round((times[-1] - times[0]) * self._fps) + 1
        even = times[0] + np.arange(count) / self._fps
        after = np.searchsorted(times, even).clip(1, max(1, len(times) - 1))
        before = after - 1
        after = np.minimum(after, len(times) - 1)
        nearest = np.where(even - times[before] <= times[after] - even, before, after)
        near = np.abs(times[nearest] - even) <= FARTHEST / self._fps
        told = tuple(
            boxes[index] if close else None
            for index, close in zip(nearest.tolist(), near.tolist(), strict=True)
        )
        return (Face(FACE, PERSON, float(times[0]), self._fps, told),)
