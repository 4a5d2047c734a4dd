"""Whether an expression can be read in a face, and the picture of it that is read."""

from __future__ import annotations

from dataclasses import replace
from math import radians

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.expression import FACE_SIZE
from lddu_pipe.extractors.faces import Face, crop_face

LOWEST = 16.0
"""Pixels of height below which an expression cannot be read."""
TURNED = radians(65.0)
"""Of yaw or pitch, from which on half of the face is hidden."""


def is_readable(face: Face) -> bool:
    """Whether a face is large enough, and turned to the camera enough, to read its expression."""
    high = face.box[3] - face.box[1] >= LOWEST
    return bool(high and np.abs(face.head_pose[:2]).max() <= TURNED)


def crop_near(image: NDArray[np.uint8], face: Face) -> NDArray[np.uint8]:
    """What `crop_face` gives, from the part of a picture that is around the face alone.

    Args:
        image: (height, width, 3) uint8 RGB.
        face: found in this image.

    Returns:
        (48, 48) uint8.
    """
    left, top, right, bottom = face.box
    margin = max(right - left, bottom - top)
    height, width = image.shape[:2]
    x, y = min(width - 1, max(0, int(left - margin))), min(height - 1, max(0, int(top - margin)))
    part = image[y : max(y + 1, int(bottom + margin)), x : max(x + 1, int(right + margin))]
    moved = replace(face, box=(left - x, top - y, right - x, bottom - y))
    return crop_face(part, moved, FACE_SIZE)
