"""From scored rows to a checkpoint's calibration, and what it is worth on rows it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.metrics import expected_calibration_error
from lddu_pipe.models.calibration import (
    Calibration,
    Method,
    SetCalibration,
    Target,
    abstain_for_risk,
    expected_error,
    fit_set,
    label_set_threshold,
    set_name,
    sigmoid,
)
from lddu_pipe.types import MODALITIES, Modality

MINIMUM_ROWS = 50


@dataclass(frozen=True)
class SetReport:
    """One set of modalities; every figure is of rows that fitting has not seen.

    Where a risk or a coverage was asked for, these are the rows on which its limit was set.
    """

    rows: int
    """With exactly these modalities."""
    pooled: bool
    """These were too few: calibration and figures are those of all rows, whatever they lack."""
    ece_before: tuple[float, ...]
    """Of each label, without calibration; 15 bins of equal mass. Not 0 for perfect probabilities
    either: about 0.8 * sqrt(15 p (1 - p) / rows)."""
    ece_after: tuple[float, ...]
    thresholds: tuple[float, ...]
    answered: float
    """Share of rows on which the model does not abstain."""
    risk: float | None
    """Share of wrong decisions on the answered rows; None where none is answered."""
    covered: float | None
    """Share of rows whose label set holds all true labels; None where no coverage was asked."""
    label_set_size: float | None
    """Mean number of labels in it."""


def fit_calibration(
    logits: NDArray[np.floating],
    truth: NDArray[np.floating],
    deviation: NDArray[np.floating],
    present: NDArray[np.bool_],
    *,
    method: Method = "platt",
    target: Target | None = None,
    risk: float | None = None,
    coverage: float | None = None,
    unclear_share: float = 0.0,
    groups: ArrayLike | None = None,
    minimum_rows: int = MINIMUM_ROWS,
    seed: int = 0,
) -> tuple[Calibration, Mapping[str, SetReport]]:
    """Calibrate every set of modalities from rows that training has not seen.

    A set with fewer than `minimum_rows` rows takes the calibration of all rows together. That is
    better than none, but a stated risk or coverage is then of the mixture and not of the set.

    Rows are split into halves. Without `risk` and `coverage` the calibration is fitted on all
    rows, and the report on each half is of a calibration that was fitted on the other. With
    either, the first half alone fits probabilities and thresholds, and the second sets the limits
    that the promise needs: on rows of the fit they would look better than they are.

    Args:
        logits: (rows, labels), before calibration, finite.
        truth: (rows, labels) in 0..1; 0.5 and above is present.
        deviation: (rows, labels), |sigma| as in `losses.deviation_size`.
        present: (rows, modalities) in the order of `MODALITIES`. Rows without any are left out.
        method: how logits become probabilities, see `fit_scaling`.
        target: what thresholds are chosen for, see `choose_thresholds`; "f1" where absent.
        risk: abstain so that of the decisions on answered rows at most this share is wrong, see
            `abstain_for_risk`; where absent, on 5 of 100 rows.
        coverage: fit label sets that hold all true labels of this share of rows, see
            `label_set_threshold`.
        unclear_share: see `fit_set`.
        groups: (rows,) of any values; rows of a group stay in one half. Rows that are alike (one
            utterance with other modalities, one speaker) need it, or the report is too good.
        minimum_rows: at least 2.
        seed: of the halves.

    Returns:
        The calibration, and a report on each set, by `set_name`; all seven sets are in both.

    Raises:
        UnusableInputError: there are too few rows or groups, the risk is out of reach, or `risk`
            or `coverage` is not above 0 and below 1.
    """
    for name, share in (("risk", risk), ("coverage", coverage)):
        if share is not None and not 0 < share < 1:
            raise UnusableInputError(f"{name} lies above 0 and below 1, got {share:g}")
    rows = _Rows(*map(np.asarray, (logits, truth, deviation)))
    present = np.asarray(present, np.bool_)
    members = np.arange(len(rows.truth)) if groups is None else np.asarray(groups)
    _check_shapes(rows, present, members)
    some: NDArray[np.bool_] = np.any(present, axis=1)
    rows, present, members = rows.at(some), present[some], members[some]
    _check_rows(rows, minimum_rows)
    wanted = _Wanted(method, target or Target(), risk, coverage, unclear_share, seed)

    sets: dict[str, SetCalibration] = {}
    reports: dict[str, SetReport] = {}
    everything: tuple[SetCalibration, SetReport] | None = None
    for modalities in _sets():
        name = set_name(modalities)
        inside = (present == [modality in modalities for modality in MODALITIES]).all(axis=1)
        count = int(inside.sum())
        if count >= minimum_rows:
            fitted, report = _fit(rows.at(inside), members[inside], wanted, name)
        else:
            everything = everything or _fit(rows, members, wanted, "all rows")
            fitted, report = everything[0], replace(everything[1], rows=count, pooled=True)
        sets[name], reports[name] = fitted, report
    rates = (rows.truth >= 0.5).mean(axis=0)
    return Calibration(sets, tuple(float(rate) for rate in rates)), reports


@dataclass(frozen=True)
class _Rows:
    logits: NDArray[np.floating]
    truth: NDArray[np.floating]
    deviation: NDArray[np.floating]

    def at(self, chosen: NDArray[np.bool_]) -> _Rows:
        return _Rows(self.logits[chosen], self.truth[chosen], self.deviation[chosen])


@dataclass(frozen=True)
class _Wanted:
    method: Method
    target: Target
    risk: float | None
    coverage: float | None
    unclear_share: float
    seed: int

    def fit(self, rows: _Rows) -> SetCalibration:
        return fit_set(
            rows.logits,
            rows.truth,
            rows.deviation,
            unclear_share=self.unclear_share,
            method=self.method,
            target=self.target,
        )


def _sets() -> list[tuple[Modality, ...]]:
    return [
        chosen
        for size in range(1, len(MODALITIES) + 1)
        for chosen in combinations(MODALITIES, size)
    ]


def _check_shapes(rows: _Rows, present: NDArray[np.bool_], members: NDArray[np.generic]) -> None:
    shape = rows.truth.shape
    if len(shape) != 2 or rows.logits.shape != shape or rows.deviation.shape != shape:
        raise ValueError("logits, truth and deviation are of one shape, (rows, labels)")
    if present.shape != (shape[0], len(MODALITIES)) or members.shape != shape[:1]:
        raise ValueError("present is (rows, modalities), groups (rows,)")


def _check_rows(rows: _Rows, minimum_rows: int) -> None:
    if not np.isfinite(rows.logits).all() or not np.isfinite(rows.deviation).all():
        raise ValueError("logits or deviation hold NaN or infinity")
    if minimum_rows < 2:
        raise ValueError(f"two halves need at least 2 rows, got minimum_rows={minimum_rows}")
    if len(rows.truth) < minimum_rows:
        raise UnusableInputError(
            f"calibration needs at least {minimum_rows} labelled rows, got {len(rows.truth)}"
        )


def _fit(
    rows: _Rows, members: NDArray[np.generic], wanted: _Wanted, name: str
) -> tuple[SetCalibration, SetReport]:
    first = _first_half(members, wanted.seed)
    if first.all():
        raise UnusableInputError(
            f"{name}: calibration needs rows of at least two groups, to report on unseen ones"
        )
    fitted = wanted.fit(rows.at(first))
    held = rows.at(~first)
    if wanted.risk is not None or wanted.coverage is not None:
        fitted = _promise(fitted, held, wanted, name)
        folds = [_seen_anew(fitted, held)]
    else:
        folds = [
            _seen_anew(fitted, held),
            _seen_anew(wanted.fit(rows.at(~first)), rows.at(first)),
        ]
        fitted = wanted.fit(rows)
    fitted = replace(fitted, rows=len(rows.truth))
    return fitted, _report(fitted, folds)


def _first_half(members: NDArray[np.generic], seed: int) -> NDArray[np.bool_]:
    """Which rows are in the first half; groups stay whole, so it may hold some rows more."""
    _, group, sizes = np.unique(members, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    before = np.empty(len(sizes))
    before[order] = sizes[order].cumsum() - sizes[order]
    half: NDArray[np.bool_] = before[group] < len(members) / 2
    return half


def _promise(fitted: SetCalibration, held: _Rows, wanted: _Wanted, name: str) -> SetCalibration:
    """Set the limits that keep a risk and a coverage, on rows that fitting has not seen."""
    probabilities = fitted.probabilities(held.logits)
    if wanted.risk is not None:
        decided = fitted.decide(probabilities)
        wrong = (decided != (held.truth >= 0.5)).mean(axis=1)
        try:
            limit = abstain_for_risk(expected_error(probabilities, decided), wrong, wanted.risk)
        except UnusableInputError as error:
            raise UnusableInputError(f"{name}: {error}") from None
        fitted = replace(fitted, abstain_above=limit.above)
    if wanted.coverage is not None:
        fitted = replace(
            fitted,
            coverage=wanted.coverage,
            conformal_threshold=label_set_threshold(probabilities, held.truth, wanted.coverage),
        )
    return fitted


@dataclass(frozen=True)
class _SeenAnew:
    """Unseen rows as a calibration sees them."""

    present: NDArray[np.bool_]
    uncalibrated: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    wrong: NDArray[np.bool_]
    silent: NDArray[np.bool_]


def _seen_anew(fitted: SetCalibration, rows: _Rows) -> _SeenAnew:
    present = rows.truth >= 0.5
    probabilities = fitted.probabilities(rows.logits)
    wrong = fitted.decide(probabilities) != present
    silent = fitted.abstains(probabilities, fitted.aleatoric(rows.deviation))
    return _SeenAnew(present, sigmoid(rows.logits), probabilities, wrong, silent)


def _report(fitted: SetCalibration, folds: Sequence[_SeenAnew]) -> SetReport:
    present, uncalibrated, probabilities, wrong, silent = (
        np.concatenate([getattr(fold, field.name) for fold in folds])
        for field in fields(_SeenAnew)
    )
    before = expected_calibration_error(present, uncalibrated)
    after = expected_calibration_error(present, probabilities)
    members = fitted.label_set(probabilities)
    return SetReport(
        rows=fitted.rows,
        pooled=False,
        ece_before=tuple(before.tolist()),
        ece_after=tuple(after.tolist()),
        thresholds=fitted.threshold,
        answered=float(1 - silent.mean()),
        risk=None if silent.all() else float(wrong[~silent].mean()),
        covered=None if members is None else float((members | ~present).all(axis=1).mean()),
        label_set_size=None if members is None else float(members.sum(axis=1).mean()),
    )
