"""Where panels stand in a picture: beside their faces, inside it, in nobody's way if possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_OTHER_PANEL, _OTHER_FACE, _OWN_FACE, _CAPTION = 6.0, 3.0, 2.0, 3.0
"""What it costs a panel to lie wholly on something, or to cover all of it."""
_AWAY = 3.0
"""What it costs a panel to be as far from its face as the picture's shorter side."""
_LATER = 0.02
"""What a place costs more than the one that is named before it."""
_MOVE = 0.35
"""What must be saved, at least, for a panel to change its place: it would jump to and fro."""
_ROUNDS = 4
"""How often, at most, panels are chosen anew beside those that were chosen after them."""
_STEADY = 0.1
"""Seconds after which sides are chosen anew, where nothing new is to be placed before."""
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

    @property
    def size(self) -> float:
        """Square pixels, not below 0."""
        return max(0.0, self.width) * max(0.0, self.height)

    def overlap(self, other: Area) -> float:
        """The pixels of both."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, across) * max(0.0, down)

    def distance(self, other: Area) -> float:
        """Pixels between both, 0 where they meet."""
        across = max(self.left, other.left) - min(self.right, other.right)
        down = max(self.top, other.top) - min(self.bottom, other.bottom)
        return math.hypot(max(0.0, across), max(0.0, down))


class _Place(NamedTuple):
    side: int
    """The number of the candidate."""
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
        self._sides: dict[str, int] = {}
        self._shape: object = None
        """What was to be placed when the sides were chosen, and when that was."""
        self._chosen = 0.0

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
        taken = [(area, _CAPTION) for area in captions]
        shape = ([(name, size) for name, _, size in faces], taken)
        if shape != self._shape or not 0 <= time - self._chosen < _STEADY:
            self._shape, self._chosen = shape, time
            self._sides = self._choose_all(faces, taken)
        before, self._places = self._places, {}
        placed: list[Area] = []
        for name, box, size in faces:
            side = self._sides[name]
            area = self._inside(*self._candidates(box, size)[side], size)
            place = _followed(side, area, before.get(name), max(size), time)
            self._places[name] = place
            placed.append(self._inside(place.left, place.top, size))
        return placed

    def _choose_all(
        self,
        faces: Sequence[tuple[str, Area, tuple[int, int]]],
        taken: Sequence[tuple[Area, float]],
    ) -> dict[str, int]:
        """The number of the best place for each panel, given the places of the others."""
        chosen: dict[str, tuple[int, Area]] = {}
        for _ in range(_ROUNDS):
            earlier = dict(chosen)
            for name, box, size in faces:
                in_the_way = [*taken, (box, _OWN_FACE)]
                in_the_way += [(other, _OTHER_FACE) for face, other, _ in faces if face != name]
                in_the_way += [
                    (area, _OTHER_PANEL) for face, (_, area) in chosen.items() if face != name
                ]
                chosen[name] = self._choose(box, size, in_the_way, self._places.get(name))
            if chosen == earlier:
                break
        return {name: number for name, (number, _) in chosen.items()}

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
            away = (area.distance(box) - self._gap) / min(self._width, self._height)
            cost = number * _LATER + _AWAY * max(0.0, away)
            cost += sum(
                weight * area.overlap(other) / max(1.0, min(area.size, other.size))
                for other, weight in in_the_way
            )
            if before is not None and before.side == number:
                cost -= _MOVE
            if best is None or cost < best[0]:
                best = cost, number, area
        if best is None:
            raise ValueError("there are always candidates")
        return best[1], best[2]

    def _candidates(self, box: Area, size: tuple[int, int]) -> Sequence[tuple[float, float]]:
        """Left and top of a panel: beside the face, above and below it, else in a corner."""
        width, height = size
        right, left = box.right + self._gap, box.left - self._gap - width
        above, below = box.top - self._gap - height, box.bottom + self._gap
        return (
            *((right, box.top), (left, box.top)),
            *((box.left, below), (box.left, above)),
            *((box.right - width, below), (box.right - width, above)),
            *((right, box.bottom - height), (left, box.bottom - height)),
            *((right, above), (left, above), (right, below), (left, below)),
            *((0, 0), (self._width, 0), (0, self._height), (self._width, self._height)),
        )

    def _inside(self, left: float, top: float, size: tuple[int, int]) -> Area:
        """A panel of this size, moved into the picture where it is not wholly in it."""
        width, height = size
        left = max(0.0, min(left, self._width - width))
        top = max(0.0, min(top, self._height - height))
        return Area(left, top, left + width, top + height)


def _followed(side: int, area: Area, before: _Place | None, far: float, time: float) -> _Place:
    """Where a panel stands that follows its face: faces tremble, and words should not."""
    here = _Place(side, area.left, area.top, time)
    if before is None or before.side != side:
        return here
    across, down = area.left - before.left, area.top - before.top
    if math.hypot(across, down) > far:
        return here
    part = 1 - math.exp(-max(0.0, time - before.time) / _SETTLING)
    return here._replace(left=before.left + across * part, top=before.top + down * part)
