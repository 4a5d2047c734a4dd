"""What the text encoder's adapters make of the training texts, as half of what LDDU is taught.

"Born-again" training (Furlanello et al. 2018). Annotators disagree, and that a text could well
have been called something else is seen in these probabilities. What nobody was asked about a text,
they answer alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.models.calibration import sigmoid
from texts import LabelledText, target_matrices

FILE_NAME = "soft_labels.npz"
HARD_SHARE = 0.5
"""Of the annotators, where they were asked; the rest is the adapters'."""


def write_logits(path: Path, keys: Sequence[str], logits: NDArray[np.floating]) -> None:
    """Write the logits of texts, (texts, 6)."""
    np.savez(path, keys=np.array(keys), logits=np.asarray(logits, np.float32))


class SoftLabels:
    """What `write_logits` wrote of training texts."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as archive:
            found = sigmoid(archive["logits"])
            self._of = dict(zip(archive["keys"].tolist(), found, strict=True))

    def mixed(self, texts: Sequence[LabelledText]) -> NDArray[np.float32]:
        """Targets of texts, (texts, 6) in 0..1.

        A label that counts as present stays at 0.5 or above, one that does not below.
        """
        hard, counts = target_matrices(texts)
        soft = np.stack([self._of[text.key] for text in texts])
        mixed = soft + HARD_SHARE * counts * (hard - soft)
        asked = counts > 0
        mixed = np.where(asked & (hard >= 0.5), np.maximum(mixed, 0.5), mixed)
        mixed = np.where(asked & (hard < 0.5), np.minimum(mixed, 0.49), mixed)
        return mixed.astype(np.float32)
