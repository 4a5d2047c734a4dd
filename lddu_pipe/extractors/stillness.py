"""Whether a face is a picture that never changes: a drawing, a poster, a portrait on the wall."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lddu_pipe.types import Box

_SAME = 0.99
# Correlation with its first picture above which a face is unchanged. Pasted pictures with noise,
# a codec's loss and a moving camera came to 0.993 to 0.997 from 60 pixels of height on, and to
# 0.96 at 24; of four people the one who sat and smiled came to 0.985 within two seconds, the
# others to 0.85 at most.
_HEIGHT = 48
# Pixels of a face in which changes are looked for.
_AROUND = 0.25
# Where the first picture is looked for about a face, of its height: a camera may move.
_LEAST = 8  # pixels of the sides of a picture that can be compared


class FirstLook:
    """The first picture of a face."""

    def __init__(self, image: NDArray[np.uint8], box: Box) -> None:
        """Keep it.

        Args:
            image: (height, width, 3) uint8 RGB.
            box: of the face, pixels.
        """
        self._step = max(1, round((box[3] - box[1]) / _HEIGHT))
        self._picture = self._part(image, box, 0.0)

    def is_all(self, image: NDArray[np.uint8], box: Box) -> bool:
        """Whether a face still looks exactly like that.

        Args:
            image: (height, width, 3) uint8 RGB.
            box: of the face, pixels.
        """
        around = self._part(image, box, _AROUND)
        if (
            min(self._picture.shape) < _LEAST
            or (np.array(around.shape) < self._picture.shape).any()
        ):
            return False
        alike = cv2.matchTemplate(around, self._picture, cv2.TM_CCOEFF_NORMED)
        return bool(alike.max() > _SAME)

    def _part(self, image: NDArray[np.uint8], box: Box, margin: float) -> NDArray[np.uint8]:
        """A face and what is around it, grey, of always the same size and from the same grid."""
        step, beyond = self._step, margin * (box[3] - box[1])
        height, width = (side // step for side in image.shape[:2])
        left, top = (max(0, int((edge - beyond) / step)) for edge in box[:2])
        right = min(width, int((box[2] + beyond) / step) + 1)
        bottom = min(height, int((box[3] + beyond) / step) + 1)
        if right <= left or bottom <= top:
            return np.zeros((0, 0), np.uint8)
        part = image[top * step : bottom * step, left * step : right * step]
        size = (right - left, bottom - top)
        grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        soft = cv2.GaussianBlur(small, (0, 0), 1.0)
        # So that a camera may move by parts of a pixel.
        finer = cv2.resize(soft, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        return np.asarray(finer, np.uint8)
