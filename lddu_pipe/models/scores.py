"""What a model says of rows, before any calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RawScores:
    """What a model says of rows, in their order; zeros of a row that it was not shown."""

    logits: NDArray[np.float32]
    """(rows, labels)."""
    deviation: NDArray[np.float32]
    """(rows, labels), |sigma| as in `losses.deviation_size`."""
    sampled: NDArray[np.float32]
    """(rows, passes, labels), logits of dropout passes of the head; no passes where not asked."""
    present: NDArray[np.bool_]
    """(rows, modalities), of those that the model takes."""
    scale_mean: NDArray[np.float32]
    """(rows, scales) in -1..1, of the model's scales."""
    scale_deviation: NDArray[np.float32]
    """(rows, scales), the standard deviation that the model expects around its mean."""
    height: NDArray[np.float32]
    """(rows,) pixels of the face, as `Present.height`; NaN where unknown."""

    def at(self, chosen: NDArray[np.bool_]) -> Self:
        """Those of the rows where `chosen`, (rows,), is True."""
        return type(self)(**{name: values[chosen] for name, values in vars(self).items()})


Scores = TypeVar("Scores", bound=RawScores)


def put_together(parts: Sequence[tuple[NDArray[np.bool_], Scores]]) -> Scores:
    """Scores of all rows from those of some.

    Args:
        parts: (rows,) bool, where the rows stand among all, and their scores; each row once.
    """
    order = np.argsort(np.concatenate([np.flatnonzero(chosen) for chosen, _ in parts]))
    scores = [vars(item) for _, item in parts]
    return type(parts[0][1])(
        **{name: np.concatenate([item[name] for item in scores])[order] for name in scores[0]}
    )
