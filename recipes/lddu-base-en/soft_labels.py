"""What the text encoder's adapters make of the training texts, as half of what LDDU is taught.

"Born-again" training (Furlanello et al. 2018). Annotators disagree, and that a text could well
have been called something else is seen in these probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE_NAME = "soft_labels.npz"
HARD_SHARE = 0.5  # of the annotators; the rest is the adapters'


def name_of(corpus: str, name: str) -> str:
    """What a text is found by."""
    return f"{corpus}:{name}"


def write_soft_labels(
    path: Path, names: Sequence[str], probabilities: NDArray[np.floating]
) -> None:
    """Write the probabilities of texts, (texts, 6)."""
    np.savez(path, names=np.array(names), probabilities=np.asarray(probabilities, np.float32))


def soften(labels: NDArray[np.float32], names: Sequence[str], path: Path) -> NDArray[np.float32]:
    """Labels, (rows, 6), with what the adapters made of the texts that they have read.

    A label that an annotator gave stays at 0.5 or above, one that none gave below. Variants of a
    text have its name and so its soft labels.
    """
    with np.load(path) as archive:
        row_of = {str(name): row for row, name in enumerate(archive["names"])}
        probabilities = archive["probabilities"]
    rows = np.array([row_of.get(name, -1) for name in names])
    mixed = HARD_SHARE * labels + (1 - HARD_SHARE) * probabilities[rows]
    return np.where((rows >= 0)[:, None], mixed, labels)
