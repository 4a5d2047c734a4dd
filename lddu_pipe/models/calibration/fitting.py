"""Learn the calibration of one set of modalities, and what small faces are worth in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from lddu_pipe.models.calibration.abstention import expected_error
from lddu_pipe.models.calibration.scaling import (
    PRIOR_STRENGTH,
    Method,
    Widening,
    fit_isotonic,
    fit_scaling,
)
from lddu_pipe.models.calibration.sets import QUANTILES, SetCalibration
from lddu_pipe.models.calibration.small_faces import SmallFaces
from lddu_pipe.models.calibration.thresholds import F1, Target, choose_thresholds, decide

UNCLEAR_SHARE = 0.02
"""`unclear_share` of a model whose sigma was trained on rows that were spoilt on purpose."""
_SURELY_NOT = 1e-7  # a probability from which on the cost of a miss no longer grows


def fit_set(
    logits: NDArray[np.floating],
    truth: NDArray[np.floating],
    deviation: NDArray[np.floating],
    *,
    abstain_share: float = 0.05,
    unclear_share: float = 0.0,
    method: Method = "platt",
    target: Target = F1,
    choosing: NDArray[np.int64] | None = None,
    widening: Widening | None = None,
) -> SetCalibration:
    """Learn the calibration of one set of modalities.

    Args:
        logits: (rows, labels), before calibration.
        truth: (rows, labels) in 0..1, NaN where nobody was asked for the label.
        deviation: (rows, labels), |sigma| as in `losses.deviation_size`.
        abstain_share: share of these rows on which the model shall not answer.
        unclear_share: share of these rows that may be taken for ones that nobody could read, by
            their mean aleatoric uncertainty; 0 where sigma was not trained to show that.
        method: how logits become probabilities, see `scaling.fit_scaling`.
        target: what thresholds are chosen for, see `thresholds.choose_thresholds`.
        choosing: places of the rows on which they are chosen, where these are not all rows, each
            once; a row may be there several times.
        widening: of the fitted probabilities, before all that follows from them.
    """
    scaling = fit_scaling(logits, truth, method)
    if widening is not None:
        scaling = scaling.widened(widening)
    scaled = scaling.probabilities(logits)
    chosen = np.arange(len(truth)) if choosing is None else choosing
    threshold = choose_thresholds(scaled[chosen], np.asarray(truth)[chosen], target=target)
    errors = expected_error(scaled, decide(scaled, threshold))
    quantiles = np.quantile(deviation, np.linspace(0, 1, QUANTILES), axis=0).T
    real = np.asarray(truth, np.float64)
    misses = _misses(real, scaled)
    columns = zip(deviation.T, misses.T, ~np.isnan(real).T, quantiles, strict=True)
    rising = [
        errors_by_deviation(width[asked], error[asked], places)
        for width, error, asked, places in columns
    ]
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


class ShownRows(NamedTuple):
    """Rows with what a model says of them, (rows, labels) each."""

    logits: NDArray[np.floating]
    """Before calibration."""
    truth: NDArray[np.floating]
    """0..1."""
    deviation: NDArray[np.floating]
    """|sigma| as in `losses.deviation_size`."""


def fit_small_faces(
    of_set: SetCalibration, shown: Mapping[float, ShownRows], full_height: float
) -> SmallFaces:
    """Learn what small faces are worth in one set of modalities.

    At each height, the slope and offset of each label that make the truth most likely after the
    calibration that large faces have; both are held back a little, since some labels are rare.

    Args:
        of_set: the calibration of the set, fitted on large faces.
        shown: rows by the height of their faces in pixels, at least one.
        full_height: pixels from which a face is large; more than all in `shown`.
    """
    heights = sorted(shown)
    found = [_fit_small(of_set, shown[height]) for height in heights]
    labels = len(of_set.slope)
    slope, offset, doubt = zip(*found, strict=True)
    return SmallFaces(
        heights=(*heights, full_height),
        slope=(*slope, (1.0,) * labels),
        offset=(*offset, (0.0,) * labels),
        doubt=(*doubt, 1.0),
    )


def _fit_small(
    of_set: SetCalibration, rows: ShownRows
) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Slope and offset by label, and how many times as large errors are as sigma tells."""
    logits, truth = np.asarray(rows.logits, np.float64), np.asarray(rows.truth, np.float64)

    def changed(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        log_slope, offset = parameters.reshape(2, -1)
        return of_set.probabilities(logits * np.exp(log_slope) + offset)

    def objective(parameters: NDArray[np.float64]) -> float:
        scaled = np.clip(changed(parameters), _SURELY_NOT, 1 - _SURELY_NOT)
        likelihood = truth * np.log(scaled) + (1 - truth) * np.log1p(-scaled)
        return float(PRIOR_STRENGTH * (parameters**2).sum() - likelihood.sum())

    start = np.zeros(2 * logits.shape[1])
    found = scipy.optimize.minimize(objective, start, method="L-BFGS-B").x
    log_slope, offset = found.reshape(2, -1).tolist()
    told = of_set.aleatoric(np.asarray(rows.deviation)).mean()
    doubt = float(_misses(truth, changed(found)).mean() / told)
    return tuple(np.exp(log_slope).tolist()), tuple(offset), max(1.0, doubt)


def _misses(truth: NDArray[np.float64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far probabilities lie from what people said: the mean of |p - vote| over the votes."""
    return truth * (1 - probabilities) + (1 - truth) * probabilities


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
