"""What the text encoder's adapters make of the training texts, as half of what LDDU is taught.

"Born-again" training (Furlanello et al. 2018). Annotators disagree, and that a text could well
have been called something else is seen in these probabilities.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.labels import MOSEI

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


class SoftLabels:
    """What `write_soft_labels` wrote."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as archive:
            self._of = dict(zip(archive["names"].tolist(), archive["probabilities"], strict=True))

    def mixed(self, corpus: str, name: str, labels: Sequence[str]) -> dict[str, float]:
        """Labels of a text with what the adapters made of it, if they have read it.

        A label that an annotator gave stays at 0.5 or above, one that none gave below.
        """
        hard = {label: float(label in labels) for label in MOSEI}
        soft = self._of.get(name_of(corpus, name))
        if soft is None:
            return hard
        shares = zip(hard.items(), soft.tolist(), strict=True)
        return {
            label: HARD_SHARE * one + (1 - HARD_SHARE) * other for (label, one), other in shares
        }
