"""Learn the calibration of one set of modalities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.models.calibration.abstention import expected_error
from lddu_pipe.models.calibration.scaling import Method, fit_isotonic, fit_scaling
from lddu_pipe.models.calibration.sets import QUANTILES, SetCalibration
from lddu_pipe.models.calibration.thresholds import F1, Target, choose_thresholds, decide

UNCLEAR_SHARE = 0.02
"""`unclear_share` of a model whose sigma was trained on rows that were spoilt on purpose."""


def fit_set(
    logits: NDArray[np.floating],
    truth: NDArray[np.floating],
    deviation: NDArray[np.floating],
    *,
    abstain_share: float = 0.05,
    unclear_share: float = 0.0,
    method: Method = "platt",
    target: Target = F1,
) -> SetCalibration:
    """Learn the calibration of one set of modalities.

    Args:
        logits: (rows, labels), before calibration.
        truth: (rows, labels) in 0..1.
        deviation: (rows, labels), |sigma| as in `losses.deviation_size`.
        abstain_share: share of these rows on which the model shall not answer.
        unclear_share: share of these rows that may be taken for ones that nobody could read, by
            their mean aleatoric uncertainty; 0 where sigma was not trained to show that.
        method: how logits become probabilities, see `scaling.fit_scaling`.
        target: what thresholds are chosen for, see `thresholds.choose_thresholds`.
    """
    scaling = fit_scaling(logits, truth, method)
    scaled = scaling.probabilities(logits)
    threshold = choose_thresholds(scaled, truth, target=target)
    errors = expected_error(scaled, decide(scaled, threshold))
    quantiles = np.quantile(deviation, np.linspace(0, 1, QUANTILES), axis=0).T
    real = np.asarray(truth, np.float64)
    misses = real * (1 - scaled) + (1 - real) * scaled
    columns = zip(deviation.T, misses.T, quantiles, strict=True)
    rising = [errors_by_deviation(*column) for column in columns]
    fitted = SetCalibration(
        slope=scaling.slope,
        offset=scaling.offset,
        threshold=tuple(float(value) for value in threshold),
        deviation_quantiles=tuple(tuple(float(q) for q in row) for row in quantiles),
        deviation_errors=tuple(tuple(float(error) for error in row) for row in rising),
        abstain_above=float(np.quantile(errors, 1 - abstain_share)),
        rows=len(truth),
        method=method,
        curves=scaling.curves,
        others=scaling.others,
    )
    if not unclear_share:
        return fitted
    limit = np.quantile(fitted.aleatoric(deviation).mean(axis=1), 1 - unclear_share)
    return replace(fitted, abstain_aleatoric=float(limit))


def errors_by_deviation(
    deviation: NDArray[np.floating],
    errors: NDArray[np.floating],
    places: NDArray[np.floating],
) -> NDArray[np.float64]:
    """How large one label's errors are at places of its |sigma|.

    Isotonic regression, since a wider distribution shall never mean less doubt.

    Args:
        deviation: (rows,), |sigma|, at least one row.
        errors: (rows,) in 0..1, distance of the probability from the truth.
        places: (places,), |sigma|, increasing.

    Returns:
        (places,) in 0..1, never falling.
    """
    return fit_isotonic(deviation, errors).at(places)
