"""Label sets of the field. The order of labels is decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError


@dataclass(frozen=True)
class LabelSet:
    """An ordered set of emotion names."""

    name: str
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"label set {self.name!r} needs distinct labels, got {self.labels}")

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def index(self, label: str) -> int:
        """Return the column of `label`.

        Raises:
            UnusableInputError: `label` is not in this set.
        """
        try:
            return self.labels.index(label)
        except ValueError:
            known = ", ".join(self.labels)
            raise UnusableInputError(
                f"unknown label {label!r}; the label set {self.name} has: {known}"
            ) from None

    def encode(self, present: Iterable[str]) -> NDArray[np.float32]:
        """Return (labels,) float32 with 1 for each label in `present` and 0 elsewhere."""
        row = np.zeros(len(self.labels), dtype=np.float32)
        for label in present:
            row[self.index(label)] = 1.0
        return row


MOSEI = LabelSet("mosei", ("happy", "sad", "anger", "surprise", "disgust", "fear"))
"""CMU-MOSEI (Zadeh et al. 2018): six emotions, any number of them present, also none."""

M3ED = LabelSet("m3ed", ("happy", "neutral", "sad", "disgust", "anger", "fear", "surprise"))
"""M3ED (Zhao et al. 2022): seven emotions of Chinese TV dialogues, blends allowed."""
