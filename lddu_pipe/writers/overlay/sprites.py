"""Small pictures with transparency, laid on frames as they are encoded (YCbCr 4:2:0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lddu_pipe.media import Planes

# ITU-R BT.709, for R, G and B in 0..1 and limited range.
_MATRIX = np.array(
    [
        [0.2126 * 219, 0.7152 * 219, 0.0722 * 219],
        [-0.1146 * 224, -0.3854 * 224, 0.5 * 224],
        [0.5 * 224, -0.4542 * 224, -0.0458 * 224],
    ],
    np.float32,
)
_OFFSET = np.array([16.0, 128.0, 128.0], np.float32)
_OPAQUE = 256
_Reals = NDArray[np.floating[Any]]
_SHADOW = 2
"""Pixels of black beside a line, so that it is seen on any ground."""

Colour = tuple[int, int, int]
"""Red, green and blue, 0..255."""


@dataclass(frozen=True)
class Sprite:
    """A picture that is ready to be laid on frames; its sides are even."""

    width: int
    height: int
    layers: tuple[tuple[NDArray[np.uint16], NDArray[np.uint16]], ...]
    """Of luma, blue and red: what is added, and which part, of 256, of the frame is left."""

    @classmethod
    def of(cls, image: Image.Image, width: int, height: int) -> Sprite:
        """Make one.

        Args:
            image: RGBA.
            width: pixels that there are in a frame; what is beyond is cut off.
            height: the same.
        """
        size = (min(-(-image.width // 2) * 2, width), min(-(-image.height // 2) * 2, height))
        values = np.asarray(image.crop((0, 0, *size)), np.float32) / 255
        opacity = values[:, :, 3]
        # Premultiplied, so that what cannot be seen colours nothing beside it.
        colours = (values[:, :, :3] @ _MATRIX.T + _OFFSET) * opacity[:, :, None]
        small, small_opacity = _halved(colours), _halved(opacity)
        return cls(
            *size,
            (
                _layer(colours[:, :, 0], opacity),
                _layer(small[:, :, 1], small_opacity),
                _layer(small[:, :, 2], small_opacity),
            ),
        )

    def lay_on(self, planes: Planes, left: float, top: float) -> None:
        """Draw it on a frame, its corner moved to even pixels.

        Args:
            planes: of the frame.
            left: pixels; all of the picture must lie in the frame.
            top: pixels.
        """
        x, y = int(left) // 2 * 2, int(top) // 2 * 2
        for plane, part, (added, kept) in zip(planes[1:], (1, 2, 2), self.layers, strict=True):
            height, width = added.shape
            place = plane[y // part : y // part + height, x // part : x // part + width]
            place[:] = (place * kept + added) >> 8


def _layer(colour: _Reals, opacity: _Reals) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """What is added, and which part of the frame is left; 256 times the values."""
    kept = np.round(_OPAQUE * (1 - opacity)).astype(np.uint16)
    # With what is left of 255 it must not be more than 16 bits hold.
    most = (1 << 16) - 1 - 255 * kept.astype(np.int64)
    return np.minimum(np.round(_OPAQUE * colour), most).astype(np.uint16), kept


def _halved(values: _Reals) -> _Reals:
    """The mean of each two by two pixels."""
    return (values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / 4


def draw_box(
    planes: Planes,
    box: tuple[float, float, float, float],
    thickness: int,
    colour: Colour,
    dash: int = 0,
) -> None:
    """Draw the four edges of a box on a frame, as far as they are in it, with black beside them.

    Args:
        planes: of the frame.
        box: left, top, right and bottom in pixels.
        thickness: pixels, even.
        colour: of the edges.
        dash: pixels of a dash and of the gap after it; 0 for a line without gaps.
    """
    left, top, right, bottom = (int(edge) // 2 * 2 for edge in box)
    strokes: list[tuple[int, int, int, int]] = []
    for start, end in _dashes(left, right, dash):
        strokes += [(start, y, end, y + thickness) for y in (top, bottom - thickness)]
    for start, end in _dashes(top, bottom, dash):
        strokes += [(x, start, x + thickness, end) for x in (left, right - thickness)]
    for ink, wider in (((0, 0, 0), _SHADOW), (colour, 0)):
        for x, y, x_end, y_end in strokes:
            _fill(planes, (x - wider, y - wider, x_end + wider, y_end + wider), ink)


def _dashes(start: int, end: int, dash: int) -> list[tuple[int, int]]:
    """Where a line is drawn, from both ends alike."""
    if not dash or end - start <= 2 * dash:
        return [(start, end)]
    count = (end - start + dash) // (2 * dash)
    free = (end - start - dash) / max(count - 1, 1)
    begins = [start + int(number * free) // 2 * 2 for number in range(count - 1)]
    return [(begin, begin + dash) for begin in [*begins, end - dash]]


def _fill(planes: Planes, area: tuple[int, int, int, int], colour: Colour) -> None:
    """Fill what of an area lies in the picture."""
    height, width = planes.luma.shape
    left, right = (min(max(x, 0), width) for x in area[::2])
    top, bottom = (min(max(y, 0), height) for y in area[1::2])
    values = np.round(_MATRIX @ (np.array(colour) / 255) + _OFFSET).astype(np.uint8)
    for plane, part, value in zip(planes[1:], (1, 2, 2), values, strict=True):
        plane[top // part : bottom // part, left // part : right // part] = value
