"""What a model is worth on rows it has not learned from, beside the labels' frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lddu_pipe import bootstrap
from lddu_pipe.models.calibration import Calibration, apply_calibration, fit_intervals
from lddu_pipe.pipelines.calibration import MINIMUM_ROWS, fit_calibration
from lddu_pipe.pipelines.evaluate_store import ByFold
from lddu_pipe.training.scoring import LabelledScores

_DIFFERENCE = (None, "brier_minus_base_rates")


@dataclass(frozen=True)
class HeldOut:
    """A model and base rates on the same rows, which training has not learned from."""

    split: str
    """"valid", or "folds" where the model was cross-fitted."""
    rows: int
    groups: int
    """Speakers, recordings and lone rows among them."""
    brier: float
    """Mean over rows and labels of (probability - truth)^2."""
    brier_of_base_rates: float
    """The same where each label is always given its frequency in these very rows, which is more
    than a model can know."""
    interval: tuple[float, float] | None
    """Of the difference of the two, over draws of groups; see `bootstrap.interval`."""
    better_than_base_rates: bool
    """As in `evaluation.with_intervals`: the whole interval lies below 0."""


def calibrate(raw: LabelledScores, scales: Sequence[str] = ()) -> Calibration:
    """`fit_calibration` on all rows; sets of modalities of too few rows share one.

    Args:
        raw: scores by models that had not learned from the rows.
        scales: names of the model's.
    """
    calibration, _ = fit_calibration(
        *(raw.logits, raw.labels, raw.deviation, raw.present),
        minimum_rows=min(MINIMUM_ROWS, len(raw.labels)),
    )
    fitted = fit_intervals(scales, raw.scales, raw.scale_mean, raw.scale_deviation)
    return replace(calibration, scales=fitted)


def calibrate_by_fold(
    raw: LabelledScores, folds: NDArray[np.int64], scales: Sequence[str] = ()
) -> ByFold:
    """For each fold, a calibration that was fitted on the rows of the others.

    Args:
        raw: scores by models that had not learned from the rows.
        folds: (rows,).
        scales: names of the model's.
    """
    held = [folds == fold for fold in np.unique(folds)]
    return [(rows, calibrate(raw.at(~rows), scales)) for rows in held]


def compare_with_base_rates(
    raw: LabelledScores, by_fold: ByFold, groups: Sequence[str], split: str
) -> HeldOut:
    """Brier scores of probabilities, each calibrated on other rows, and of base rates.

    Args:
        raw: as in `calibrate_by_fold`.
        by_fold: what it returned.
        groups: (rows,).
        split: for people.
    """
    truth = (raw.labels >= 0.5).astype(np.float64)
    answers = (apply_calibration(raw, by_fold).probabilities, truth.mean(axis=0))
    own, plain = (((answer - truth) ** 2).mean(axis=1) for answer in answers)
    drawn = bootstrap.resample(
        lambda counts: {_DIFFERENCE: counts @ (own - plain) / counts.sum(axis=1)},
        bootstrap.units(groups),
    )[_DIFFERENCE]
    return HeldOut(
        split=split,
        rows=len(truth),
        groups=len(set(groups)),
        brier=float(own.mean()),
        brier_of_base_rates=float(plain.mean()),
        interval=bootstrap.interval(drawn),
        better_than_base_rates=bool(bootstrap.lies_below_zero(drawn)),
    )
