"""Small pictures with transparency, laid on frames as they are encoded (YCbCr 4:2:0)."""

from __future__ import annotations

from dataclasses import dataclass

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
    ]
)
_OFFSET = np.array([16.0, 128.0, 128.0])
_OPAQUE = 256

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
        values = np.asarray(image.crop((0, 0, *size)), np.float64) / 255
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


def _layer(
    colour: NDArray[np.float64], opacity: NDArray[np.float64]
) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """What is added, and which part of the frame is left; 256 times the values."""
    kept = np.round(_OPAQUE * (1 - opacity)).astype(np.uint16)
    # With what is left of 255 it must not be more than 16 bits hold.
    most = (1 << 16) - 1 - 255 * kept.astype(np.int64)
    return np.minimum(np.round(_OPAQUE * colour), most).astype(np.uint16), kept


def _halved(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of each two by two pixels."""
    return (values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / 4


def draw_box(
    planes: Planes,
    box: tuple[float, float, float, float],
    thickness: int,
    colour: Colour,
    dash: int = 0,
) -> None:
    """Draw the four edges of a box on a frame, as far as they are in it.

    Args:
        planes: of the frame.
        box: left, top, right and bottom in pixels.
        thickness: pixels, even.
        colour: of the edges.
        dash: pixels of a dash and of the gap after it; 0 for a line without gaps.
    """
    height, width = planes.luma.shape
    left, top, right, bottom = (int(edge) // 2 * 2 for edge in box)
    for x, y, across, down in (
        (left, top, right - left, thickness),
        (left, bottom - thickness, right - left, thickness),
        (left, top, thickness, bottom - top),
        (right - thickness, top, thickness, bottom - top),
    ):
        step = dash or max(across, down, 1)
        along = range(0, max(across, down), step * (2 if dash else 1))
        for start in along:
            length = min(step, max(across, down) - start)
            begin = (x + start, y) if across >= down else (x, y + start)
            size = (length, down) if across >= down else (across, length)
            _fill(planes, *_inside(*begin, *size, width, height), colour)


def _inside(
    x: int, y: int, across: int, down: int, width: int, height: int
) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what of a rectangle is in the picture."""
    return (
        min(max(x, 0), width),
        min(max(y, 0), height),
        min(max(x + across, 0), width),
        min(max(y + down, 0), height),
    )


def _fill(planes: Planes, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
    values = np.round(_MATRIX @ (np.array(colour) / 255) + _OFFSET).astype(np.uint8)
    for plane, part, value in zip(planes[1:], (1, 2, 2), values, strict=True):
        plane[top // part : bottom // part, left // part : right // part] = value
