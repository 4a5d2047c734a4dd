"""Which squares of a picture are searched for faces, and when.

Small faces need small squares, and a picture holds hundreds of these. After a cut all are
searched; later those in which something has changed: the large ones each time, of the small ones
some at a time, the longest unsearched first.
"""

from __future__ import annotations

from math import ceil, log2
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.detector import SIDE

SMALLEST = 0.15
"""Height of the smallest face that is found in a square, of its side."""
STEP = 0.6
"""From one square to the next, of their side: a face that one cuts lies whole in another."""
FEW = 6
"""Squares of a level that are searched each time; of levels that have more, only some."""
ROUNDS = 6
"""Times after which all squares of such levels have been searched again, whatever moves."""

_LEAST_FACE = 24.0
# Pixels of height from which on faces are looked for in pictures as they were recorded.
_LARGE, _LEAST_FACE_IN_LARGE = 1280, 16.0
# Pictures with so long a side may have been scaled down, so that faces are smaller in them.
_CELL = 16  # pixels of the side of a cell, whose mean shade tells whether anything has changed
_SPARSE = 2
_CHANGED = 6.0  # levels, of 255, by which it then differs


class Square(NamedTuple):
    """A square of the picture."""

    level: int
    x: int
    """Of its left edge, pixels of the level."""
    y: int
    """Of its upper edge."""


class Level(NamedTuple):
    """The picture in the size in which its squares have the detector's side."""

    scale: float
    """Pixels of the level, of a pixel of the picture."""
    size: tuple[int, int]
    """Height and width in pixels, at least `SIDE` each: a smaller picture stands in black."""


class Pyramid:
    """The squares of the pictures of one scene, from a cut to the next."""

    def __init__(self, size: tuple[int, int]) -> None:
        """Nothing has been searched yet.

        Args:
            size: height and width of the pictures.
        """
        self.picture = size
        self.levels = _levels(size)
        self._squares = [
            [Square(index, x, y) for y in _places(level.size[0]) for x in _places(level.size[1])]
            for index, level in enumerate(self.levels)
        ]
        self._seen: dict[Square, tuple[int, NDArray[np.float32]]] = {}
        many = sum(len(squares) for squares in self._squares if len(squares) > FEW)
        self._at_once = ceil(many / ROUNDS)
        self._times = 0

    def due(self, image: NDArray[np.uint8]) -> list[Square]:
        """The squares to search in this picture; they count as searched.

        Args:
            image: (height, width, 3) uint8 RGB.
        """
        cells = _cells(image)
        self._times += 1
        due: list[Square] = []
        changed: list[tuple[int, Square]] = []
        for squares in self._squares:
            for square in squares:
                before = self._seen.get(square)
                if before is None:
                    due.append(square)
                    continue
                now = self._part(cells, square)
                if np.abs(now - before[1]).max() >= _CHANGED:
                    if len(squares) <= FEW:
                        due.append(square)
                    else:
                        changed.append((before[0], square))
        due += [square for _, square in sorted(changed)[: self._at_once]]
        due.sort()
        for square in due:
            self._seen[square] = self._times, self._part(cells, square).copy()
        return due

    def _part(self, cells: NDArray[np.float32], square: Square) -> NDArray[np.float32]:
        scale = self.levels[square.level].scale * _CELL
        left, top = int(square.x / scale), int(square.y / scale)
        right, bottom = ceil((square.x + SIDE) / scale), ceil((square.y + SIDE) / scale)
        return cells[top:bottom, left:right]


def scaled(image: NDArray[np.uint8], level: Level) -> NDArray[np.uint8]:
    """A picture, (height, width, 3) uint8, as it is in a level."""
    height, width = (max(1, round(side * level.scale)) for side in image.shape[:2])
    how = cv2.INTER_AREA if level.scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)
    below, beside = level.size[0] - height, level.size[1] - width
    if below or beside:
        small = np.asarray(
            cv2.copyMakeBorder(small, 0, below, 0, beside, cv2.BORDER_CONSTANT), np.uint8
        )
    return small


def least_face(size: tuple[int, int]) -> float:
    """Pixels of height of the smallest faces that are looked for in pictures of a size."""
    return _LEAST_FACE_IN_LARGE if max(size) >= _LARGE else _LEAST_FACE


def _levels(size: tuple[int, int]) -> list[Level]:
    """From the largest squares, one with all of the picture, to the smallest."""
    short, long = sorted(size)
    smallest = least_face(size) / SMALLEST
    halvings = max(0, round(log2(short / smallest) + 0.25)) if short > smallest else 0
    sides = [
        short * (smallest / short) ** (index / max(1, halvings)) for index in range(halvings + 1)
    ]
    if long > short:
        sides.insert(0, float(long))
    levels = []
    for side in sides:
        scale = SIDE / side
        height, width = (max(SIDE, round(edge * scale)) for edge in size)
        levels.append(Level(scale, (height, width)))
    return levels


def _places(length: int) -> list[int]:
    """Where squares begin along a side of so many pixels."""
    count = 1 + ceil((length - SIDE) / (STEP * SIDE) - 0.01)
    return [round(place) for place in np.linspace(0, length - SIDE, count)]


def _cells(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = (ceil(side / _CELL) for side in image.shape[:2])
    sparse = image[::_SPARSE, ::_SPARSE]  # enough for a mean
    small = cv2.resize(sparse, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
