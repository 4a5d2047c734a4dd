"""Whether an expression can be read in a face, and the picture of it that is read."""

from __future__ import annotations

from math import radians

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.expression import FACE_SIZE
from lddu_pipe.extractors.faces import Face, crop_face

LOWEST = 16.0
"""Pixels of height below which an expression cannot be read."""
TURNED = radians(65.0)
"""Of yaw or pitch, from which on half of the face is hidden."""

_MARGIN = 1.0
# What is cut out around a face before it is scaled, of its longer side.


def crop_readable(image: NDArray[np.uint8], face: Face | None) -> NDArray[np.uint8] | None:
    """A face as the expression network sees it, (48, 48) uint8; None where it cannot be read.

    Args:
        image: (height, width, 3) uint8 RGB.
        face: found in this image; None where it has no landmarks.
    """
    if face is None or face.box[3] - face.box[1] < LOWEST:
        return None
    if np.abs(face.head_pose[:2]).max() > TURNED:
        return None
    left, top, right, bottom = face.box
    margin = _MARGIN * max(right - left, bottom - top)
    height, width = image.shape[:2]
    first, above = max(0, int(left - margin)), max(0, int(top - margin))
    last, below = min(width, int(right + margin) + 1), min(height, int(bottom + margin) + 1)
    if last - first < 2 or below - above < 2:
        return None
    near = Face(
        (left - first, top - above, right - first, bottom - above),
        face.blendshapes,
        face.head_pose,
    )
    return crop_face(image[above:below, first:last], near, FACE_SIZE)
