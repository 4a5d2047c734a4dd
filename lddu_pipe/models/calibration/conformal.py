"""Sets of labels that hold all of a row's true labels as often as was asked for.

Split conformal prediction (Vovk et al. 2005; Angelopoulos and Bates 2023, section 1), with one
score a row so that coverage is of the whole row and not of one label. Our own few lines, because
MAPIE's multi-label controller bounds the mean recall on a grid of thresholds, which is another
promise, and TorchCP scores single-label classes and needs torch_geometric.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray


def label_set_threshold(
    probabilities: NDArray[np.floating], truth: NDArray[np.floating], coverage: float
) -> float:
    """The score up to which labels belong to a row's set.

    A row's score is the largest 1 - p of its true labels, and 0 where it has none. The threshold
    is the ceil((n + 1) * coverage)-th smallest of n scores. Then the set {p >= 1 - threshold} of
    a new row holds all of its true labels with a probability of at least `coverage`, whatever
    the model, if that row and these were drawn alike and fitting has not seen these rows.

    Args:
        probabilities: (rows, labels), calibrated, 0..1.
        truth: (rows, labels) in 0..1; 0.5 and above is present.
        coverage: above 0 and below 1.

    Returns:
        0..1; 1, with which every label is in every set, where the rows are too few for the
        coverage.
    """
    if not 0 < coverage < 1:
        raise ValueError(f"coverage lies above 0 and below 1, got {coverage}")
    present = np.asarray(truth) >= 0.5
    scores = np.where(present, 1 - np.asarray(probabilities, np.float64), 0).max(axis=1)
    threshold = conformal_quantile(scores, coverage)
    return 1.0 if threshold is None else threshold


def conformal_quantile(scores: NDArray[np.floating], coverage: float) -> float | None:
    """The score that a new one does not exceed with a probability of at least `coverage`.

    Args:
        scores: (rows,) of rows that fitting has not seen.
        coverage: above 0 and below 1.

    Returns:
        The ceil((n + 1) * coverage)-th smallest; None where the rows are too few for it.
    """
    # As written, since 0.9 as a float is a little more than 9/10: (9 + 1) * 0.9 must be 9.
    rank = ceil((len(scores) + 1) * Fraction(str(coverage)))
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else None


def label_set(probabilities: NDArray[np.floating], threshold: float) -> NDArray[np.bool_]:
    """Which labels belong to each row's set, (..., labels) bool."""
    # The same subtraction as the score's, so that a row at the threshold is covered.
    members: NDArray[np.bool_] = 1 - np.asarray(probabilities, np.float64) <= threshold
    return members
