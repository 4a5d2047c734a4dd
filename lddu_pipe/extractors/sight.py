"""What one thread sees of faces: searched for, checked, and followed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from math import log

import cv2
import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.detector import SIDE, Detection, FaceDetector, merge
from lddu_pipe.extractors.landmarks import SURE, LandmarkReader, Landmarks, Region
from lddu_pipe.extractors.pyramid import Level, Square, scaled
from lddu_pipe.extractors.tracks import Sighting
from lddu_pipe.types import Box

PROPOSED = 0.45
"""Score of the detector from which on something may be a face."""
LIKE_A_FACE = 0.66
"""Likeness from which on something is a face without landmarks, as one in profile."""
LIKE_A_READ_FACE = 0.6
"""Likeness that is enough where landmarks are found."""

_FOLLOWED = 0.5
# Score with which the detector goes on with a face that is followed.
_DOUBTED = 0.3
# Score below which the detector does not see a face that landmarks follow.
_AROUND = 3.0
# Side of the square in which a face that is followed is found again, of its height.
_GROWN, _ASTRAY = 0.35, 0.35
# Logarithm of its size, and share of it, by which a face does not change from frame to frame; more
# is a sign of landmarks that have lost it.
_ABOVE = 0.08
# Share of the height by which the extent of landmarks begins above the detector's box.
_LOOK = 24
# Pixels of the side of the small picture by which a face is known from another.


class Sight:
    """The networks of one thread."""

    def __init__(self, bundle: Mapping[str, bytes]) -> None:
        """Load the networks.

        Args:
            bundle: the files inside ``face_landmarker.task``.
        """
        self._detector = FaceDetector(bundle)
        self._reader = LandmarkReader(bundle)

    def search(
        self, image: NDArray[np.uint8], levels: Sequence[Level], squares: Sequence[Square]
    ) -> list[Detection]:
        """What may be faces, in pixels of the picture, surest first.

        Args:
            image: (height, width, 3) uint8 RGB.
            levels: of its pyramid.
            squares: those that are searched, sorted by level.
        """
        found: list[Detection] = []
        for index, group in groupby(squares, key=lambda square: square.level):
            level = levels[index]
            shown = scaled(image, level)
            for square in group:
                part = shown[square.y : square.y + SIDE, square.x : square.x + SIDE]
                corner = np.array([square.x, square.y])
                edges = _open_edges(square, level)
                found += [
                    Detection(
                        seen.score,
                        (seen.box + np.tile(corner, 2)) / level.scale,
                        (seen.eyes + corner) / level.scale,
                    )
                    for seen in self._detector.see(part, PROPOSED)
                    # What a square cuts is seen whole in the next one.
                    if not ((seen.box[:2] < edges[:2]) | (seen.box[2:] > edges[2:])).any()
                ]
        return merge(found)

    def check(self, image: NDArray[np.uint8], proposal: Detection) -> Sighting | None:
        """The face that was proposed, None where it is none."""
        likeness, seen = self._detector.likeness(image, proposal)
        if likeness < LIKE_A_READ_FACE:
            return None
        landmarks = self._reader.read(image, seen.region)
        if landmarks.presence >= SURE:
            return self._sighting(image, landmarks)
        return _unread(image, seen) if likeness >= LIKE_A_FACE else None

    def follow(
        self, image: NDArray[np.uint8], expected: Region, height: float, *, careful: bool
    ) -> list[Sighting]:
        """The face that is followed, and faces near it that may be it.

        Args:
            image: (height, width, 3) uint8 RGB.
            expected: where its landmarks are to be read.
            height: pixels of the face.
            careful: its landmarks alone may lead astray, as where two faces meet.
        """
        if not careful:
            landmarks = self._reader.read(image, expected)
            if landmarks.presence >= SURE and _goes_on(landmarks.region, expected):
                return [self._sighting(image, landmarks)]
        middle = np.array([expected.x, expected.y])
        found = []
        for seen in self._detector.look(image, middle, _AROUND * height, _FOLLOWED):
            if abs(log(seen.height / height)) > 2 * _GROWN:
                continue
            landmarks = self._reader.read(image, seen.region)
            read = landmarks.presence >= SURE
            found.append(self._sighting(image, landmarks) if read else _unread(image, seen))
        return found

    def doubts(self, image: NDArray[np.uint8], sighting: Sighting) -> bool:
        """Whether the detector sees no face where landmarks have followed one to."""
        middle = sighting.middle
        seen = self._detector.look(image, middle, _AROUND * sighting.height, _DOUBTED)
        return not any(np.linalg.norm(item.middle - middle) < sighting.height / 2 for item in seen)

    def _sighting(self, image: NDArray[np.uint8], landmarks: Landmarks) -> Sighting:
        face = self._reader.describe(landmarks, image.shape[:2])
        region = landmarks.region
        return Sighting(landmarks.box, region, _look(image, region), landmarks.presence, face)


def _unread(image: NDArray[np.uint8], seen: Detection) -> Sighting:
    left, top, right, bottom = seen.box.tolist()
    box: Box = (left, top - _ABOVE * (bottom - top), right, bottom)
    region = seen.region
    return Sighting(box, region, _look(image, region), seen.score)


def _open_edges(square: Square, level: Level) -> NDArray[np.float64]:
    """Beyond which pixels of a square a face is cut by it, (4,): left, top, right, bottom."""
    height, width = level.size
    return np.array(
        [
            0.0 if square.x else -SIDE,
            0.0 if square.y else -SIDE,
            SIDE if square.x + SIDE < width else 2 * SIDE,
            SIDE if square.y + SIDE < height else 2 * SIDE,
        ]
    )


def _goes_on(found: Region, expected: Region) -> bool:
    """Whether a face is where and as large as it was."""
    apart = np.hypot(found.x - expected.x, found.y - expected.y)
    return bool(abs(log(found.side / expected.side)) < _GROWN and apart < _ASTRAY * expected.side)


def _look(image: NDArray[np.uint8], region: Region) -> NDArray[np.float32]:
    """A face as a unit vector in which neither brightness nor contrast matters."""
    half = region.side / 2
    left, top = max(0, int(region.x - half)), max(0, int(region.y - half))
    right, bottom = int(region.x + half) + 1, int(region.y + half) + 1
    part = image[top : max(top + 1, bottom), left : max(left + 1, right)]
    if not part.size:
        return np.zeros(_LOOK * _LOOK, np.float32)
    sparse = max(1, int(half / _LOOK))  # enough for a mean
    small = cv2.resize(part[::sparse, ::sparse], (_LOOK, _LOOK), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32).reshape(-1)
    grey -= grey.mean()
    return grey / max(float(np.linalg.norm(grey)), 1e-6)
