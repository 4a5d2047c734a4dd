"""How a head is turned, from the landmarks of its face."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from math import radians, tan

import numpy as np
from numpy.typing import NDArray

FIELD_OF_VIEW = radians(63.0)
"""Of the camera from top to bottom, as MediaPipe takes any camera to have."""


class HeadGeometry:
    """Lays a head of standard shape over landmarks, as MediaPipe's FaceLandmarker does.

    The method is its face geometry module: landmarks are brought to centimetres in front of a
    camera, and the turn of least squares (weighted Procrustes) from the standard head is taken.
    """

    def __init__(self, metadata: bytes) -> None:
        """Read the standard head.

        Args:
            metadata: ``geometry_pipeline_metadata_landmarks.binarypb`` of the ``.task`` file.
        """
        vertices: list[float] = []
        basis: list[tuple[int, float]] = []
        for number, value in _fields(metadata):
            if number == _MESH and isinstance(value, bytes):
                for inner, part in _fields(value):
                    if inner == _VERTICES and isinstance(part, bytes):
                        vertices += struct.unpack(f"<{len(part) // 4}f", part)
            elif number == _BASIS and isinstance(value, bytes):
                item = dict(_fields(value))
                landmark, weight = item[_LANDMARK], item[_WEIGHT]
                if isinstance(landmark, int) and isinstance(weight, bytes):
                    basis.append((landmark, *struct.unpack("<f", weight)))
        chosen = [landmark for landmark, _ in basis]
        mesh = np.array(vertices).reshape(-1, _NUMBERS_OF_A_VERTEX)[:, :3]
        self._chosen = np.array(chosen)
        self._weights = np.array([weight for _, weight in basis])
        self._head = mesh[chosen]

    def pose(self, landmarks: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float32]:
        """Yaw, pitch and roll in radians, (3,) float32; 0 looks into the camera.

        Args:
            landmarks: (points, 3), pixels of a picture; depth in pixels, too.
            size: height and width of the picture in pixels.
        """
        height, width = size
        near = 2 * tan(FIELD_OF_VIEW / 2)  # height of what the camera sees at a distance of 1
        seen = np.array([near * width / height, near])
        # The picture as it lies there, x to the right and y up.
        flat = landmarks[:, :2] / (width, height)
        flat = (np.stack([flat[:, 0], 1 - flat[:, 1]], axis=1) - 0.5) * seen
        depth = landmarks[:, 2] / width * seen[0]
        middle = depth.mean()

        def placed(scale: float) -> NDArray[np.float64]:
            distance = (depth - middle + 1) / scale
            points = np.concatenate([flat * distance[:, None], -distance[:, None]], axis=1)
            return np.asarray(points[self._chosen], np.float64)

        first = self._fit(np.concatenate([flat, -depth[:, None]], axis=1)[self._chosen])[0]
        second = self._fit(placed(first))[0]
        _, rotation = self._fit(placed(first * second))
        yaw = np.arctan2(rotation[0, 2], rotation[2, 2])
        pitch = np.arcsin(np.clip(-rotation[1, 2], -1, 1))
        roll = np.arctan2(rotation[1, 0], rotation[1, 1])
        return np.array([yaw, pitch, roll], np.float32)

    def _fit(self, points: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Scale and rotation that bring the standard head nearest to points."""
        weights = self._weights[:, None]
        centred = self._head - (self._head * weights).sum(axis=0) / weights.sum()
        left, _, right = np.linalg.svd((points * weights).T @ centred)
        left[:, 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))
        rotation = left @ right
        turned = centred @ rotation.T
        scale = (turned * points * weights).sum() / (centred * self._head * weights).sum()
        return float(scale), rotation


# Numbers of fields in that file, a protocol buffer of MediaPipe's `GeometryPipelineMetadata`.
_MESH, _BASIS = 1, 2
_VERTICES = 3
_LANDMARK, _WEIGHT = 1, 2
_NUMBERS_OF_A_VERTEX = 5  # where it is, and where in a texture


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a protocol buffer."""
    at = 0

    def whole() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        number, kind = divmod(whole(), 8)
        if kind == 0:
            yield number, whole()
            continue
        length = {1: 8, 5: 4}[kind] if kind in (1, 5) else whole()
        yield number, message[at : at + length]
        at += length
