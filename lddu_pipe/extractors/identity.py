"""Whose face it is: a vector that is nearly the same in all pictures of one person.

The network is SFace (Zhong et al., "SFace: Sigmoid-Constrained Hypersphere Loss for Robust Face
Recognition", IEEE Transactions on Image Processing 2021) as OpenCV publishes and runs it. The
vectors are biometric data: they stay in memory, and nothing here or elsewhere writes them down.
"""

from __future__ import annotations

import threading
from math import ceil, radians
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.faces import Face

SIZE = 128
"""Numbers of a vector."""
LOWEST = 24.0
"""Pixels of height below which faces of different people look alike."""
TURNED = radians(45.0)
"""Of yaw or pitch, from which on half of the face is hidden."""

_SIDE = 112  # pixels of the picture that the network looks at
# Where the points of a face lie in the pictures that it was trained on (ArcFace's template).
_PLACES = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
_INPUT = "data"  # named, since the file lists its weights among the inputs, too


class FaceIdentity:
    """Tells faces apart; several threads may use one."""

    def __init__(self, model: Path) -> None:
        """Load the network.

        Args:
            model: the file of the asset ``sface``.
        """
        self._network = cv2.dnn.readNetFromONNX(str(model))
        self._busy = threading.Lock()

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float32] | None:
        """Whose face it is, as far as one picture tells; about 15 ms on one core.

        Args:
            image: (height, width, 3) uint8 RGB.
            face: found in this image.

        Returns:
            (`SIZE`,) float32 of length 1; the product of two is 1 for the same picture and about
            0 for two people. None for a face that is too small or turned too far to be told apart,
            or of which only the box is known.
        """
        if face.points is None or face.box[3] - face.box[1] < LOWEST:
            return None
        if np.abs(face.head_pose[:2]).max() > TURNED:
            return None
        shown = align(image, face.points).transpose(2, 0, 1)[None].astype(np.float32)
        with self._busy:
            self._network.setInput(shown, _INPUT)
            vector = np.array(self._network.forward()[0], np.float32)
        return unit(vector)


def align(image: NDArray[np.uint8], points: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Cut out a face so that its points lie where the network is used to have them.

    Args:
        image: (height, width, 3) uint8 RGB.
        points: (5, 2) as `Face.points`.

    Returns:
        (112, 112, 3) uint8; beyond the picture its edge is repeated.
    """
    # The shift, turn and scale of least squares: as complex numbers, one line through five points.
    given, wanted = (x.astype(np.float64) @ np.array([1, 1j]) for x in (points, _PLACES))
    spread = given - given.mean()
    turn = np.vdot(spread, wanted - wanted.mean()) / np.vdot(spread, spread).real
    # A face that is larger is cut out larger, and then averaged: sampling alone would make noise.
    times = max(1, ceil(1 / abs(turn)))
    turn, half = turn * times, 0.5 + 0.5j  # half: of a pixel, whose middle it is named by
    shift = (wanted.mean() + half) * times - half - turn * given.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    crop = cv2.warpAffine(
        image,
        matrix,
        (times * _SIDE, times * _SIDE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if times > 1:
        crop = cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector at length 1; that of length 0 has none and stays as it is."""
    length = float(np.linalg.norm(vector))
    return (vector / length).astype(np.float32) if length > 0 else vector
