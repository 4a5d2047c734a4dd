"""Rows of features on disk: one flat half-precision array and the lengths of its pieces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.labels import MOSEI


class FeatureRow(NamedTuple):
    """Features of one utterance in one modality."""

    name: str
    group: str
    """The corpus or the speaker, for splits and sampling."""
    values: NDArray[np.float32]
    """(time, features), at least one step."""
    labels: Mapping[str, float]
    """Probability by name; labels that are not named are absent."""
    damage: float = 0.0
    """How much of the row was spoilt on purpose, 0..1."""


class FeatureTable(NamedTuple):
    """Many `FeatureRow` in memory."""

    names: list[str]
    groups: NDArray[np.str_]
    values: NDArray[np.float16]
    """(sum of lengths, features)."""
    offsets: NDArray[np.int64]
    """(rows + 1,): row i holds ``values[offsets[i] : offsets[i + 1]]``."""
    labels: NDArray[np.float32]
    """(rows, 6) in MOSEI order."""
    damage: NDArray[np.float32]
    """(rows,) in 0..1."""

    def __len__(self) -> int:
        return len(self.names)

    def row(self, index: int) -> NDArray[np.float32]:
        """(time, features) float32."""
        return self.values[self.offsets[index] : self.offsets[index + 1]].astype(np.float32)


def write_rows(path: Path, rows: Sequence[FeatureRow]) -> None:
    """Write rows; those without any step are left out."""
    kept = [row for row in rows if len(row.values)]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        names=np.array([row.name for row in kept]),
        groups=np.array([row.group for row in kept]),
        values=np.concatenate([row.values.astype(np.float16) for row in kept]),
        offsets=np.cumsum([0, *(len(row.values) for row in kept)]),
        labels=np.stack([[row.labels.get(label, 0.0) for label in MOSEI] for row in kept]).astype(
            np.float32
        ),
        damage=np.array([row.damage for row in kept], dtype=np.float32),
    )


def read_table(path: Path) -> FeatureTable:
    """Read what `write_rows` wrote."""
    with np.load(path) as archive:
        return FeatureTable(
            names=[str(name) for name in archive["names"]],
            groups=archive["groups"],
            values=archive["values"],
            offsets=archive["offsets"],
            labels=archive["labels"],
            damage=archive["damage"],
        )
