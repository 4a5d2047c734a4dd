"""Where panels stand in a picture: beside their faces, inside it, in nobody's way if possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_OTHER_PANEL, _OTHER_FACE, _OWN_FACE, _CAPTION = 6.0, 3.0, 2.0, 3.0
"""What it costs a panel to lie wholly on something."""
_LATER = 0.02
"""What a place costs more than the one that is named before it."""
_MOVE = 0.35
"""What must be saved, at least, for a panel to change its place: it would jump to and fro."""
_SETTLING = 0.12
"""Seconds after which a panel has come most of the way after a face that moves."""


class Area(NamedTuple):
    """A rectangle of pixels; right and bottom are outside."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels."""
        return self.bottom - self.top

    def overlap(self, other: Area) -> float:
        """The pixels of both."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)


class _Place(NamedTuple):
    name: int
    left: float
    top: float
    time: float


class Placing:
    """Places the panels of a video from frame to frame."""

    def __init__(self, width: int, height: int, gap: float) -> None:
        """Nothing is placed yet.

        Args:
            width: pixels of the picture.
            height: pixels of the picture.
            gap: pixels between a face and its panel.
        """
        self._width, self._height, self._gap = width, height, gap
        self._places: dict[str, _Place] = {}

    def place(
        self,
        faces: Sequence[tuple[str, Area, tuple[int, int]]],
        captions: Iterable[Area],
        time: float,
    ) -> list[Area]:
        """Return where the panel of each face stands.

        Args:
            faces: of each its id, where it is, and width and height of its panel.
            captions: what is taken already.
            time: of the frame, in seconds.
        """
        boxes = [box for _, box, _ in faces]
        taken = [(area, _CAPTION) for area in captions]
        placed: list[Area] = []
        kept: dict[str, _Place] = {}
        for index, (name, box, size) in enumerate(faces):
            others = [(other, _OTHER_FACE) for at, other in enumerate(boxes) if at != index]
            in_the_way = [*taken, *others, (box, _OWN_FACE)]
            before = self._places.get(name)
            chosen = self._choose(box, size, in_the_way, before)
            kept[name] = _followed(chosen, before, max(size), time)
            area = self._inside(kept[name].left, kept[name].top, size)
            placed.append(area)
            taken.append((area, _OTHER_PANEL))
        self._places = kept
        return placed

    def _choose(
        self,
        box: Area,
        size: tuple[int, int],
        in_the_way: Sequence[tuple[Area, float]],
        before: _Place | None,
    ) -> tuple[int, Area]:
        """The number and the area of the best place for a panel."""
        best: tuple[float, int, Area] | None = None
        for number, (left, top) in enumerate(self._candidates(box, size)):
            area = self._inside(left, top, size)
            cost = number * _LATER + sum(
                weight * area.overlap(other) / (area.width * area.height)
                for other, weight in in_the_way
            )
            if before is not None and before.name == number:
                cost -= _MOVE
            if best is None or cost < best[0]:
                best = cost, number, area
        if best is None:
            raise ValueError("there are always candidates")
        return best[1], best[2]

    def _candidates(self, box: Area, size: tuple[int, int]) -> Iterable[tuple[float, float]]:
        """Left and top of a panel: beside the face, above and below it, else in a corner."""
        width, height = size
        right, left = box.right + self._gap, box.left - self._gap - width
        above, below = box.top - self._gap - height, box.bottom + self._gap
        yield from ((right, box.top), (left, box.top))
        yield from ((box.left, below), (box.left, above))
        yield from ((box.right - width, below), (box.right - width, above))
        yield from ((right, box.bottom - height), (left, box.bottom - height))
        yield from ((0, 0), (self._width, 0), (0, self._height), (self._width, self._height))

    def _inside(self, left: float, top: float, size: tuple[int, int]) -> Area:
        """A panel of this size, moved into the picture where it is not wholly in it."""
        width, height = size
        left = max(0.0, min(left, self._width - width))
        top = max(0.0, min(top, self._height - height))
        return Area(left, top, left + width, top + height)


def _followed(chosen: tuple[int, Area], before: _Place | None, far: float, time: float) -> _Place:
    """Where a panel stands that follows its face: faces tremble, and words should not."""
    number, area = chosen
    if before is None or before.name != number:
        return _Place(number, area.left, area.top, time)
    if math.hypot(area.left - before.left, area.top - before.top) > far:
        return _Place(number, area.left, area.top, time)
    part = 1 - math.exp(-max(0.0, time - before.time) / _SETTLING)
    left = before.left + (area.left - before.left) * part
    top = before.top + (area.top - before.top) * part
    return _Place(number, left, top, time)
