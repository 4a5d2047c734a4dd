"""The landmarks of one face, read where it is known to be, without looking for it first."""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, cos, sin
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.faces import Face, points_of
from lddu_pipe.extractors.head_pose import HeadGeometry
from lddu_pipe.extractors.tflite import Network

SURE = 0.5
"""Presence, 0..1, from which on there is a face."""

_SIDE = 256  # pixels of the picture that the network looks at
_OUTPUTS = ("Identity", "Identity_1")  # landmarks, and the logit of a face being there
# Outer corners of the eyes, between which a face lies level.
_RIGHT_EYE, _LEFT_EYE = 33, 263
# The region that the detector would give for a face: a square about the extent of its landmarks,
# of so many times its longer side and moved down by so much of it (measured over five clips).
# Landmarks depend a little on the region, and models were trained on those of the detector's.
_SCALE, _DROP = 1.35, 0.028
# fmt: off
# The landmarks that the network of blendshapes reads, as MediaPipe lists them.
_OF_BLENDSHAPES = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65,
    66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136,
    144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168,
    172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263, 267, 269, 270, 276,
    282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314, 317, 318,
    321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380,
    381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466,
    468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)
# fmt: on


class Region(NamedTuple):
    """A square of a picture, turned as the face in it is."""

    x: float
    """Of its middle, pixels."""
    y: float
    side: float
    """Pixels."""
    angle: float
    """Radians by which the face is turned with the clock."""

    def moved(self, x: float, y: float) -> Region:
        """The same square elsewhere."""
        return self._replace(x=self.x + x, y=self.y + y)


class Landmarks(NamedTuple):
    """The points of a face."""

    points: NDArray[np.float64]
    """(478, 3) pixels of the picture, depth in pixels of the same size; 0 is the head's middle."""
    presence: float
    """How sure it is that there is a face, 0..1."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Their extent in pixels: left, top, right, bottom."""
        left, top = self.points[:, :2].min(axis=0).tolist()
        right, bottom = self.points[:, :2].max(axis=0).tolist()
        return left, top, right, bottom

    @property
    def region(self) -> Region:
        """Where to look for the face in the next picture."""
        left, top, right, bottom = self.box
        across = self.points[_LEFT_EYE] - self.points[_RIGHT_EYE]
        angle = atan2(across[1], across[0])
        extent = max(right - left, bottom - top)
        down = _DROP * extent
        return Region(
            (left + right) / 2 - sin(angle) * down,
            (top + bottom) / 2 + cos(angle) * down,
            _SCALE * extent,
            angle,
        )


class LandmarkReader:
    """Reads landmarks with MediaPipe's networks. Several threads may not use one at once."""

    def __init__(self, bundle: Mapping[str, bytes]) -> None:
        """Load the networks.

        Args:
            bundle: the files inside ``face_landmarker.task``.
        """
        self._landmarks = Network(bundle["face_landmarks_detector.tflite"])
        self._blendshapes = Network(bundle["face_blendshapes.tflite"])
        self._head = HeadGeometry(bundle["geometry_pipeline_metadata_landmarks.binarypb"])

    def read(self, image: NDArray[np.uint8], region: Region) -> Landmarks:
        """The landmarks of the face in a region; of no meaning where it is not `SURE`.

        Args:
            image: (height, width, 3) uint8 RGB.
            region: may reach beyond the picture.
        """
        matrix = _to_picture(region)
        shown = cv2.warpAffine(
            image,
            matrix,
            (_SIDE, _SIDE),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        said = self._landmarks(np.multiply(shown, 1 / 255, dtype=np.float32))
        points, logit = (said[name].astype(np.float64) for name in _OUTPUTS)
        points = points.reshape(-1, 3)
        # A point of the network lies between pixels where one of OpenCV's lies on a pixel.
        flat = (points[:, :2] - 0.5) @ matrix[:, :2].T + matrix[:, 2] + 0.5
        depth = points[:, 2:] * (region.side / _SIDE)
        presence = float(1 / (1 + np.exp(-logit.item())))
        return Landmarks(np.concatenate([flat, depth], axis=1), presence)

    def describe(self, landmarks: Landmarks, size: tuple[int, int]) -> Face:
        """What a face shows.

        Args:
            landmarks: of the face.
            size: height and width of the picture in pixels.
        """
        points = landmarks.points
        chosen = points[np.array(_OF_BLENDSHAPES), :2].astype(np.float32)
        (shapes,) = self._blendshapes(chosen).values()
        return Face(
            box=landmarks.box,
            blendshapes=shapes.reshape(-1).astype(np.float32),
            head_pose=self._head.pose(points, size),
            points=points_of(points[:, :2]),
        )


def _to_picture(region: Region) -> NDArray[np.float64]:
    """Where the pixels of what the network sees lie in the picture, (2, 3)."""
    step = region.side / _SIDE
    turn = step * np.array(
        [[cos(region.angle), -sin(region.angle)], [sin(region.angle), cos(region.angle)]]
    )
    middle = np.array([region.x - 0.5, region.y - 0.5]) - turn @ np.full(2, (_SIDE - 1) / 2)
    return np.concatenate([turn, middle[:, None]], axis=1)
