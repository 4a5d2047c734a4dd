"""Faces in pictures: MediaPipe's landmarker, and which face to follow through a video."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import cv2
import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from mediapipe.tasks.python.components.containers.category import Category
from mediapipe.tasks.python.components.containers.landmark import NormalizedLandmark
from mediapipe.tasks.python.vision.face_landmarker import Blendshapes
from numpy.typing import NDArray

from lddu_pipe.types import Box

MAX_FACES = 4
CROP_SCALE = 1.24  # square around the landmarks; then a crop is framed like a face of FER+
KEEP_OVERLAP = 0.3  # intersection over union with which a face counts as the one before
SWITCH_RATIO = 1.5  # how much larger another face must be to take over

BLENDSHAPE_NAMES = tuple(shape.name.lower() for shape in Blendshapes)
"""The 52 expressions of MediaPipe's blendshape model, in its order."""

_BLANK = np.zeros((64, 64, 3), np.uint8)
# Landmarks whose mean is a point of `Face.points`; an eye lies between
# its corners, wherever it looks.
_POINTS = ((33, 133), (362, 263), (4, 4), (61, 61), (291, 291))
_native_log = threading.Lock()


@dataclass(frozen=True)
class Face:
    """One face in one picture."""

    box: Box
    """Extent of the landmarks in pixels: left, top, right, bottom; may reach outside."""
    blendshapes: NDArray[np.float32]
    """(52,) float32 in 0..1, in the landmarker's order (`BLENDSHAPE_NAMES`)."""
    head_pose: NDArray[np.float32]
    """(3,) float32: yaw, pitch, roll in radians; 0 looks into the camera."""
    points: NDArray[np.float32] | None = None
    """(5, 2) float32 pixels, x and y: both eyes, the tip of the nose, both corners of the mouth;
    what is on the left of an upright picture comes first. None where only a box is known."""

    @property
    def area(self) -> float:
        """Square pixels of the box."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)

    @property
    def height(self) -> float:
        """Pixels from chin to forehead."""
        return self.box[3] - self.box[1]

    def overlap(self, other: Face) -> float:
        """Intersection over union of the boxes, 0..1."""
        return overlap(self.box, other.box)


def overlap(one: NDArray[np.float64] | Box, other: NDArray[np.float64] | Box) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(shared / (sum(areas) - shared))


class FaceLandmarker:
    """MediaPipe FaceLandmarker (Tasks API), for one video or for unrelated pictures.

    Use it as a context manager: the native graph is freed on exit.
    """

    def __init__(self, model: Path, *, video: bool) -> None:
        """Load the landmarker.

        Args:
            model: the ``face_landmarker.task`` file.
            video: follow faces from frame to frame; times must then increase.
        """
        self._video = video
        mode = vision.RunningMode.VIDEO if video else vision.RunningMode.IMAGE
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=mode,
            num_faces=MAX_FACES if video else 1,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self._last_time = -1
        with quiet_native_log():
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
            self.detect(_BLANK)

    def __enter__(self) -> FaceLandmarker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the native graph."""
        self._landmarker.close()

    def forget(self) -> None:
        """Follow no face of the frames before: what comes next may be another part of a video."""
        self.detect(_BLANK)

    def detect(self, image: NDArray[np.uint8], time: float = 0.0) -> list[Face]:
        """Find faces.

        Args:
            image: (height, width, 3) uint8 RGB.
            time: seconds; of a video, a frame that is not later than the one before it, as after
                `forget`, is taken to follow at once.
        """
        picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
        if self._video:
            # MediaPipe counts whole milliseconds and refuses two frames in the same one.
            self._last_time = max(self._last_time + 1, round(time * 1000))
            result = self._landmarker.detect_for_video(picture, self._last_time)
        else:
            result = self._landmarker.detect(picture)
        height, width = image.shape[:2]
        return [
            _face(landmarks, shapes, matrix, width, height)
            for landmarks, shapes, matrix in zip(
                result.face_landmarks,
                result.face_blendshapes,
                result.facial_transformation_matrixes,
                strict=True,
            )
        ]


def follow_face(previous: Face | None, faces: Sequence[Face]) -> Face | None:
    """Choose the face of this frame: the largest, but not a new one at every turn.

    The face of the frame before is kept while it is still there, unless another has become
    `SWITCH_RATIO` times as large.
    """
    if not faces:
        return None
    largest = max(faces, key=lambda face: face.area)
    if previous is None:
        return largest
    same = max(faces, key=previous.overlap)
    if previous.overlap(same) < KEEP_OVERLAP or largest.area > SWITCH_RATIO * same.area:
        return largest
    return same


def crop_face(image: NDArray[np.uint8], face: Face, size: int) -> NDArray[np.uint8]:
    """Cut a face as FER+ cuts it: a grey square of `CROP_SCALE` times the landmarks' extent.

    Args:
        image: (height, width, 3) uint8 RGB.
        face: found in this image.
        size: side of the crop in pixels.

    Returns:
        (size, size) uint8; beyond the picture its edge is repeated.
    """
    left, top, right, bottom = face.box
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    side = max(right - left, bottom - top) * CROP_SCALE
    scale = size / side
    shift = size / 2 - np.array([(left + right) / 2, (top + bottom) / 2]) * scale
    if scale < 1:
        # Averaging over areas keeps a large face from turning into aliased noise; warpAffine
        # cannot do that, so shrink first and warp by what is left.
        whole = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        grey = np.asarray(cv2.resize(grey, whole, interpolation=cv2.INTER_AREA), np.uint8)
        scale = 1.0
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], dtype=np.float32)
    crop = cv2.warpAffine(
        grey,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(crop, dtype=np.uint8)


def _face(
    landmarks: list[NormalizedLandmark],
    shapes: list[Category],
    matrix: NDArray[np.float32],
    width: int,
    height: int,
) -> Face:
    columns = [point.x * width for point in landmarks]
    rows = [point.y * height for point in landmarks]
    rotation = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    yaw = np.arctan2(rotation[0, 2], rotation[2, 2])
    pitch = np.arcsin(np.clip(-rotation[1, 2], -1, 1))
    roll = np.arctan2(rotation[1, 0], rotation[1, 1])
    return Face(
        box=(min(columns), min(rows), max(columns), max(rows)),
        blendshapes=np.array([shape.score for shape in shapes], dtype=np.float32),
        head_pose=np.array([yaw, pitch, roll], dtype=np.float32),
        points=points_of(np.array([columns, rows], np.float32).T),
    )


def points_of(landmarks: NDArray[np.floating]) -> NDArray[np.float32]:
    """`Face.points` of a face's landmarks, (478, 2) pixels."""
    return np.asarray(landmarks[np.array(_POINTS)].mean(axis=1), np.float32)


@contextmanager
def quiet_native_log() -> Iterator[None]:
    """Keep what MediaPipe's C++ prints on loading away from the person's terminal.

    Its settings for that (GLOG_minloglevel) come too late for the first lines, so the file
    descriptor itself is turned away. Errors still arrive as exceptions.
    """
    with _native_log:  # two at once would each restore what the other had turned away
        saved = os.dup(2)
        sink = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(sink, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(sink)
