"""Where a video shows something else altogether from one frame to the next."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = (48, 27)
_SPARSE = 4
_ALIKE = 0.4
# Correlation of two small pictures above which they show the same scene. Brightness and contrast
# do not matter to it, so that a flash is no cut.
_DIFFERENT = 10.0
# Mean difference in levels, of 255, below which a dark scene only flickers.


class CutDetector:
    """Compares each frame of a video with the one before."""

    def __init__(self) -> None:
        """No frame was seen yet."""
        self._before: NDArray[np.float32] | None = None

    def cuts(self, image: NDArray[np.uint8]) -> bool:
        """Whether a scene begins with this frame, (height, width, 3) uint8 RGB.

        The first frame of a video begins none.
        """
        # Every fourth pixel is enough for a mean, and quicker than all of them.
        small = cv2.resize(image[::_SPARSE, ::_SPARSE], _SIZE, interpolation=cv2.INTER_AREA)
        now = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
        before, self._before = self._before, now
        if before is None or np.abs(now - before).mean() < _DIFFERENT:
            return False
        first, second = now - now.mean(), before - before.mean()
        strength = np.sqrt(np.square(first).sum() * np.square(second).sum())
        return bool((first * second).sum() < _ALIKE * max(strength, 1e-6))
