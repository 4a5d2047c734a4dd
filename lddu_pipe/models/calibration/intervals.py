"""How far around a value on a scale the truth lies, as often as is promised.

Split conformal prediction for regression with residuals in units of the model's own deviation (Lei
et al. 2018, "Distribution-Free Predictive Inference for Regression", sections 2.2 and 5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.models.calibration.conformal import conformal_quantile

COVERAGE = 0.9
"""Share of values that lie inside their interval."""
FEWEST_ROWS = 20
"""With a value on the scale. That 90 % are covered holds in the mean over draws of these rows; of
a single draw the share has the law Beta(k, n + 1 - k) for the k-th of n residuals. For 20 rows it
is 0.78 or more in 19 of 20 draws; for 9, the least that give an interval at all, 0.72."""


@dataclass(frozen=True)
class ScaleInterval:
    """The interval around values of one scale."""

    rows: int
    """With a value on the scale, that it was fitted on."""
    factor: float | None
    """Deviations of the model from the middle of an interval to either end; None: no interval."""
    coverage: float = COVERAGE

    def bounds(
        self, mean: NDArray[np.floating], deviation: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper ends in -1..1, in the arguments' shape; NaN without an interval."""
        middle = np.asarray(mean, np.float64)
        half = np.asarray(deviation, np.float64) * (np.nan if self.factor is None else self.factor)
        return np.clip(middle - half, -1, 1), np.clip(middle + half, -1, 1)


def fit_intervals(
    names: Sequence[str],
    truth: NDArray[np.floating],
    mean: NDArray[np.floating],
    deviation: NDArray[np.floating],
) -> dict[str, ScaleInterval]:
    """Fit the interval of each scale on rows that training has not seen.

    One factor serves all sets of modalities: what each of them is worth, the deviation tells.

    Args:
        names: of the scales.
        truth: (rows, scales) in -1..1, NaN where unknown.
        mean: (rows, scales).
        deviation: (rows, scales), positive.
    """
    ratios = np.abs(np.asarray(truth, np.float64) - mean) / deviation
    found = {}
    for name, column in zip(names, ratios.T, strict=True):
        known = column[~np.isnan(column)]
        factor = conformal_quantile(known, COVERAGE) if len(known) >= FEWEST_ROWS else None
        found[name] = ScaleInterval(len(known), factor)
    return found
