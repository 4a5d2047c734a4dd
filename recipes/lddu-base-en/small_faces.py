"""Faces of FER+ as they look where they are small: what are they worth?"""

from __future__ import annotations

from collections.abc import Callable, Collection

import cv2
import numpy as np
from numpy.typing import NDArray

from ferplus import Faces
from lddu_pipe.evidence import Example
from lddu_pipe.extractors.expression import EXPRESSIONS
from lddu_pipe.extractors.faces import CROP_SCALE
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import MOSEI

FULL_SIDE = 48
"""Pixels of a FER+ picture, the face and what is around it: from here on a face is large."""
SIDES = (12, 16, 24, 32)
"""To which pictures are shrunk. Less is not read: of 8 pixels next to nothing is left."""
CHECKED_SIDES = (12, 16, 20, 24, 32, 40, 48)
"""On which is reported: of 20 and 40 calibration has learned nothing."""


def height_of(side: int) -> float:
    """Pixels from chin to forehead in a picture of so many, rounded down to one decimal."""
    return int(side / CROP_SCALE * 10) / 10


def shrink(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Averages of areas, as a camera that is further away takes them."""
    small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def changed_faces(
    features: FeatureSet,
    faces: Faces,
    names: Collection[str],
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
) -> list[Example]:
    """What the vision extractor makes of changed pictures.

    Args:
        features: whose extractor looks.
        faces: of FER+.
        names: of the pictures that are wanted.
        change: of a grey picture, (48, 48) or smaller.
    """
    chosen = [index for index, name in enumerate(faces.names) if name in names]
    pictures = (
        np.asarray(cv2.cvtColor(change(faces.images[index]), cv2.COLOR_GRAY2RGB), np.uint8)
        for index in chosen
    )
    found = features.vision.extract_stills(pictures, face_crops=True)
    examples = []
    for index, sequence in zip(chosen, found, strict=True):
        majority = EXPRESSIONS[faces.votes[index].argmax()]
        labels = np.array([label == majority for label in MOSEI], np.float32)
        examples.append(Example.of(f"ferplus:{faces.names[index]}", labels, {"vision": sequence}))
    return examples
