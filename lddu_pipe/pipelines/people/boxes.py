"""Where a face was, for as long as a recording lasts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.annotation import Face
from lddu_pipe.events import FollowedFace
from lddu_pipe.types import TimeSpan

MOST_PARTS = 64
"""Parts that are held one by one, at most: many small arrays take more than their numbers do."""
FARTHEST = 0.75
"""Boxes are told at even times; a frame stands for one that is up to so many steps away."""


class Boxes:
    """The boxes of one face, held in as little memory as they need."""

    def __init__(self, fps: float) -> None:
        """Nothing is seen yet.

        Args:
            fps: frames a second that are looked at.
        """
        self._fps = fps
        self._times: list[NDArray[np.float64]] = []
        self._boxes: list[NDArray[np.float32]] = []
        self.visible = 0.0
        """Seconds in which the face is seen."""
        self.start = 0.0
        """Seconds of the media at which it is first seen."""
        self.still = False
        """It has not moved."""

    def add(self, face: FollowedFace) -> None:
        """Take in what was seen of the face next."""
        if not face.boxes or not len(face.steps):
            return
        self.still = face.still
        boxes = np.array([box or [np.nan] * 4 for box in face.boxes], np.float32).reshape(-1, 4)
        shown = ~np.isnan(boxes[:, 0])
        if not self.visible and shown.any():
            self.start = float(face.steps.spans[shown.argmax(), 0])
        self._times.append(face.steps.spans[:, 0])
        self._boxes.append(boxes)
        if len(self._times) > MOST_PARTS:
            self._times = [np.concatenate(self._times)]
            self._boxes = [np.concatenate(self._boxes)]
        spans = face.steps.spans[shown]
        self.visible += float((spans[:, 1] - spans[:, 0]).sum())

    def shown(self, span: TimeSpan) -> bool:
        """Whether the face is seen in a span of the media."""
        for times, boxes in zip(reversed(self._times), reversed(self._boxes), strict=True):
            inside = (times >= span.start) & (times < span.end)
            if (inside & ~np.isnan(boxes[:, 0])).any():
                return True
            if times[0] < span.start:
                return False
        return False

    def face(self, name: str, person: str) -> Face:
        """The face, from the first frame in which it is seen to the last; it is seen somewhere.

        Args:
            name: the face's id.
            person: the id of the person whose it is.
        """
        times, boxes = np.concatenate(self._times), np.concatenate(self._boxes)
        shown = np.flatnonzero(~np.isnan(boxes[:, 0]))
        chosen = slice(shown[0], shown[-1] + 1)
        times, boxes = times[chosen], boxes[chosen]
        even = times[0] + np.arange(round((times[-1] - times[0]) * self._fps) + 1) / self._fps
        after = np.searchsorted(times, even).clip(1, max(1, len(times) - 1))
        before = after - 1
        after = np.minimum(after, len(times) - 1)
        nearest = np.where(even - times[before] <= times[after] - even, before, after)
        near = np.abs(times[nearest] - even) <= FARTHEST / self._fps
        told = np.where(near[:, None], boxes[nearest], np.nan)
        return Face(
            name,
            person,
            float(times[0]),
            self._fps,
            tuple(None if np.isnan(box[0]) else tuple(box.tolist()) for box in told),
            still=self.still,
        )
