"""Faces found in squares of a picture by the detector inside MediaPipe's FaceLandmarker.

The detector (BlazeFace, Bazarevsky et al. 2019, arXiv 1907.05047) sees a square of 128 x 128
pixels and finds faces from 0.15 of its side on. Much of what it proposes is no face; what is one
shows when it is looked at from two distances and in a mirror: see `likeness`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import atan2
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.faces import overlap
from lddu_pipe.extractors.landmarks import Region
from lddu_pipe.extractors.tflite import Network

SIDE = 128
"""Pixels of the square that the detector looks at."""
SAME = 0.3
"""Intersection over union from which on two boxes of the detector are one face."""

_LAYERS = ((8, 2), (16, 6))
# Steps of pixels at which the detector answers, and how many answers it gives at each.
_RIGHT_EYE, _LEFT_EYE = 0, 1
_NEAR, _FAR = 2.2, 3.5
# Sides of the squares in which a proposal is looked at again, of its height.
_HOPELESS = 0.5
# Score of the first of these looks below which the others are not worth their time.
_SCALE = 1.5
# Side of the region of landmarks, of that of the detector's box, as in MediaPipe.


class Detection(NamedTuple):
    """What the detector says of one face."""

    score: float
    """0..1."""
    box: NDArray[np.float64]
    """(4,) pixels: left, top, right, bottom; from the brows to the chin."""
    eyes: NDArray[np.float64]
    """(2, 2) pixels: the eye on the left of an upright picture, and the other."""

    @property
    def middle(self) -> NDArray[np.float64]:
        """(2,) pixels, of the box."""
        return (self.box[:2] + self.box[2:]) / 2

    @property
    def height(self) -> float:
        """Pixels."""
        return float(self.box[3] - self.box[1])

    @property
    def region(self) -> Region:
        """Where its landmarks are to be read."""
        across = self.eyes[1] - self.eyes[0]
        side = _SCALE * float(max(self.box[2:] - self.box[:2]))
        x, y = self.middle.tolist()
        return Region(x, y, side, atan2(across[1], across[0]))


class FaceDetector:
    """Looks at squares. Several threads may not use one at once."""

    def __init__(self, bundle: Mapping[str, bytes]) -> None:
        """Load the network.

        Args:
            bundle: the files inside ``face_landmarker.task``.
        """
        self._network = Network(bundle["face_detector.tflite"])

    def see(self, square: NDArray[np.uint8], least: float) -> list[Detection]:
        """The faces in a square of (128, 128, 3) uint8 RGB, in its pixels.

        Args:
            square: what is looked at.
            least: score from which on something is a face.
        """
        said = self._network(square.astype(np.float32) / 127.5 - 1)
        logits = said["classificators"][0, :, 0]
        found = np.flatnonzero(logits >= np.log(least / (1 - least)))
        if not len(found):
            return []
        scores = 1 / (1 + np.exp(-logits[found].astype(np.float64).clip(-80, 80)))
        # Middle, size and six points, all but the size from the place that answers.
        numbers = said["regressors"][0, found].astype(np.float64).reshape(-1, 8, 2)
        numbers[:, [0, *range(2, 8)]] += _PLACES[found, None]
        middle, half = numbers[:, 0], numbers[:, 1] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1)
        return merge(map(Detection, scores.tolist(), boxes, numbers[:, 2:4]))

    def look(
        self,
        image: NDArray[np.uint8],
        middle: NDArray[np.float64],
        side: float,
        least: float,
        *,
        mirrored: bool = False,
    ) -> list[Detection]:
        """The faces in a square of a picture, in pixels of the picture, surest first.

        Args:
            image: (height, width, 3) uint8 RGB.
            middle: (2,) of the square, pixels; it may reach beyond the picture, where it is black.
            side: of the square, pixels.
            least: score from which on something is a face.
            mirrored: look at it in a mirror.
        """
        square = cut_square(image, middle, side)
        if mirrored:
            square = np.ascontiguousarray(square[:, ::-1])
        corner, scale = middle - side / 2, side / SIDE
        found = []
        for seen in self.see(square, least):
            score, box, eyes = _mirrored(seen) if mirrored else seen
            found.append(Detection(score, box * scale + np.tile(corner, 2), eyes * scale + corner))
        return found

    def likeness(self, image: NDArray[np.uint8], proposal: Detection) -> tuple[float, Detection]:
        """How much a proposal is like a face, 0..1, and where it is seen best.

        It is the mean score of four looks, from near and from far, as it is and in a mirror.
        Proposals that are none came to 0.64 at most over ten pictures without faces; people in
        profile to 0.61 to 0.83, others to 0.67 to 0.95.
        """
        best = proposal
        scores: list[float] = []
        for times in (_NEAR, _FAR):
            for mirrored in (False, True):
                side = times * proposal.height
                seen = self.look(image, best.middle, side, 0.05, mirrored=mirrored)
                same = [item for item in seen if overlap(item.box, proposal.box) > 0.4]
                if not scores and (not same or same[0].score < _HOPELESS):
                    return 0.0, proposal
                if same and not scores:
                    best = same[0]
                scores.append(same[0].score if same else 0.0)
        return sum(scores) / len(scores), best


def cut_square(
    image: NDArray[np.uint8], middle: NDArray[np.float64], side: float
) -> NDArray[np.uint8]:
    """A square of a picture as the detector wants it, (128, 128, 3) uint8; black beyond it."""
    left, top = middle - side / 2
    # What is to be shrunk is cut out first and averaged: sampling alone would make noise of it.
    times = max(1, int(side / SIDE))
    step = side / (SIDE * times)
    matrix = np.array(
        [[step, 0, left + step / 2 - 0.5], [0, step, top + step / 2 - 0.5]], np.float64
    )
    square = cv2.warpAffine(
        image,
        matrix,
        (SIDE * times, SIDE * times),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    if times > 1:
        square = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(square, np.uint8)


def _mirrored(seen: Detection) -> Detection:
    """What was seen of a square in a mirror, in the square as it is."""
    left, top, right, bottom = seen.box
    eyes = np.stack([SIDE - seen.eyes[::-1, 0], seen.eyes[::-1, 1]], axis=1)
    return Detection(seen.score, np.array([SIDE - right, top, SIDE - left, bottom]), eyes)


def merge(detections: Iterable[Detection]) -> list[Detection]:
    """One detection a face, the mean of all that overlap with the surest; surest first."""
    # Boxes as plain numbers: of an array, each number that is taken costs more than the sum.
    surest = sorted(detections, key=lambda item: -item.score)
    waiting = [(item, tuple(item.box.tolist())) for item in surest]
    kept = []
    while waiting:
        first, place = waiting[0]
        same, others = [first], []
        for item, box in waiting[1:]:
            if overlap(box, place) > SAME:
                same.append(item)
            else:
                others.append((item, box))
        weights = np.array([item.score for item in same]) / sum(item.score for item in same)
        kept.append(
            Detection(
                first.score,
                np.tensordot(weights, np.stack([item.box for item in same]), 1),
                np.tensordot(weights, np.stack([item.eyes for item in same]), 1),
            )
        )
        waiting = others
    return kept


def _places() -> NDArray[np.float64]:
    """Where in the square each answer of the detector speaks of, (896, 2) pixels."""
    places = []
    for step, answers in _LAYERS:
        middles = np.arange(step / 2, SIDE, step)
        across, down = np.meshgrid(middles, middles)
        places.append(np.repeat(np.stack([across, down], axis=-1).reshape(-1, 2), answers, axis=0))
    return np.concatenate(places)


_PLACES = _places()
