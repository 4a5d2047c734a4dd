"""Read the FER+ faces and votes this recipe trains on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.expression import EXPRESSIONS

COLUMN_OF_EXPRESSION = {
    "neutral": "neutral",
    "happy": "happiness",
    "surprise": "surprise",
    "sad": "sadness",
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
}
UNUSABLE_MAJORITIES = ("unknown", "contempt", "NF", "non_face")


class Faces(NamedTuple):
    """FER+ pictures whose majority vote is one of `EXPRESSIONS`."""

    images: NDArray[np.uint8]
    """(faces, 48, 48) grey."""
    votes: NDArray[np.float32]
    """(faces, 7) share of the votes for each of `EXPRESSIONS`; a row sums to 1."""
    names: list[str]
    """Picture names, as in the corpus."""


def load_faces(path: Path) -> Faces:
    """Load one split; faces voted unknown, contempt or no face are dropped."""
    with np.load(path) as archive:
        images, votes = archive["images"], archive["votes"].astype(np.float32)
        columns = [str(name) for name in archive["columns"]]
        names = [str(name) for name in archive["names"]]
    dropped = [columns.index(name) for name in UNUSABLE_MAJORITIES if name in columns]
    kept_columns = [columns.index(COLUMN_OF_EXPRESSION[name]) for name in EXPRESSIONS]
    majority = votes.argmax(axis=1)
    kept = ~np.isin(majority, dropped) & (votes[:, kept_columns].sum(axis=1) > 0)
    chosen = votes[kept][:, kept_columns]
    return Faces(
        images[kept],
        chosen / chosen.sum(axis=1, keepdims=True),
        [name for name, keep in zip(names, kept, strict=True) if keep],
    )
