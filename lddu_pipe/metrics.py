"""Scores of multi-label decisions and probabilities: pure functions on numpy arrays.

Everywhere ``truth`` is (rows, labels) holding 0 and 1, ``probabilities`` (rows, labels) in 0..1
and ``predictions`` (rows, labels) bool; other values, shapes that differ and arrays without rows
raise `ValueError`. A ratio 0/0 counts 0, as in the papers, unless a function says otherwise; what
is undefined (the ROC-AUC of a label that never occurs) is None and never NaN. Rows in another
order give the same figures, also where probabilities tie.

Precision, recall, F1, Jaccard, average precision and ROC-AUC are scikit-learn's, which takes a
second to import: functions do so when they need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SMALLEST_PROBABILITY = 1e-7  # about float32 epsilon: bounds the cost of one wrong, certain answer


@dataclass(frozen=True)
class PrecisionRecallF1:
    """Precision, recall and their harmonic mean, each 0..1."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassificationScores:
    """Precision, recall and F1 in the three usual averages."""

    micro: PrecisionRecallF1
    """Over all row-label pairs at once."""
    macro: PrecisionRecallF1
    """Unweighted mean over labels; a label without support that is never predicted counts 0."""
    per_label: tuple[PrecisionRecallF1, ...]
    """In label order."""


@dataclass(frozen=True)
class RiskCoverage:
    """The error that is left when only the most confident items are answered."""

    coverage: Floats
    """(items,) share of items answered: 1/n, 2/n .. 1."""
    risk: Floats
    """(items,) share of the answered items that are wrong, 0..1."""

    @property
    def area(self) -> float:
        """AURC: the mean risk over all coverages; smaller is better."""
        return float(self.risk.mean())

    def at(self, coverage: float) -> float:
        """Risk at the smallest coverage on the curve that is at least `coverage` (0..1)."""
        if not 0 <= coverage <= 1:
            raise ValueError(f"coverage lies in 0..1, got {coverage}")
        answered = ceil(coverage * len(self.risk) - 1e-9)
        return float(self.risk[max(answered, 1) - 1])


@dataclass(frozen=True)
class FrequencyBins:
    """How often an event came, by a value in 0..1, in bins that hold about as many items each."""

    value: Floats
    """(bins,) mean value in the bin, rising, 0..1."""
    frequency: Floats
    """(bins,) share of the bin's items where the event came, 0..1."""
    count: NDArray[np.intp]
    """(bins,) items in the bin, at least 1."""

    @property
    def error(self) -> float:
        """Mean distance of value from frequency over items, 0..1: the ECE of probabilities."""
        return float((np.abs(self.value - self.frequency) * self.count).sum() / self.count.sum())


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall at each threshold that changes the answer, the highest first."""

    precision: Floats
    """(thresholds,) share of the items found that are present, 0..1."""
    recall: Floats
    """(thresholds,) share of the present items that are found, rising to 1."""

    @property
    def area(self) -> float:
        """Average precision: the area under the steps, 0..1."""
        return float((self.precision * np.diff(self.recall, prepend=0.0)).sum())


def classification_scores(truth: ArrayLike, predictions: ArrayLike) -> ClassificationScores:
    """Precision, recall and F1: micro, macro and of each label."""
    from sklearn.metrics import precision_recall_fscore_support

    real, decided = _truth_and_predictions(truth, predictions)
    columns = range(real.shape[1])
    real, decided = _indicators(real), _indicators(decided)
    micro, macro, each = (
        precision_recall_fscore_support(
            real, decided, labels=columns, average=average, zero_division=0.0
        )[:3]
        for average in ("micro", "macro", None)
    )
    return ClassificationScores(
        micro=PrecisionRecallF1(*map(float, micro)),
        macro=PrecisionRecallF1(*map(float, macro)),
        per_label=tuple(
            PrecisionRecallF1(*map(float, scores)) for scores in zip(*each, strict=True)
        ),
    )


def jaccard_accuracy(truth: ArrayLike, predictions: ArrayLike, *, empty: float = 0.0) -> float:
    """Mean over rows of the shared labels divided by all labels named by either; 0..1.

    It is the "Acc" of multi-label emotion papers.

    Args:
        truth: (rows, labels) of 0 and 1.
        predictions: (rows, labels) bool.
        empty: What a row counts where neither side names a label: 0 as in the papers' code, or 1.
    """
    from sklearn.metrics import jaccard_score

    real, decided = _truth_and_predictions(truth, predictions)
    real, decided = _indicators(real), _indicators(decided)
    return float(jaccard_score(real, decided, average="samples", zero_division=empty))


def hamming_loss(truth: ArrayLike, predictions: ArrayLike) -> float:
    """Share of row-label pairs decided wrongly, 0..1."""
    real, decided = _truth_and_predictions(truth, predictions)
    return float((real != decided).mean())


def average_precision(truth: ArrayLike, probabilities: ArrayLike) -> tuple[float | None, ...]:
    """Area under each label's precision-recall steps, 0..1; None for a label that never occurs.

    Items of equal probability form one step.
    """
    real, scores = _truth_and_probabilities(truth, probabilities)
    return tuple(map(_average_precision, real.T, scores.T))


def precision_recall_curves(
    truth: ArrayLike, probabilities: ArrayLike
) -> tuple[PrecisionRecallCurve | None, ...]:
    """The curve below which lies each label's average precision; None where it never occurs.

    Items of equal probability are found together.
    """
    real, scores = _truth_and_probabilities(truth, probabilities)
    return tuple(map(_precision_recall_curve, real.T, scores.T))


def global_average_precision(truth: ArrayLike, probabilities: ArrayLike) -> float | None:
    """GAP: the average precision of all row-label pairs ranked together, 0..1."""
    real, scores = _truth_and_probabilities(truth, probabilities)
    return _average_precision(real.ravel(), scores.ravel())


def roc_auc(truth: ArrayLike, probabilities: ArrayLike) -> tuple[float | None, ...]:
    """Chance that a present item outranks an absent one, per label; a tie counts one half.

    None for a label that is present everywhere or nowhere.
    """
    real, scores = _truth_and_probabilities(truth, probabilities)
    return tuple(map(_roc_auc, real.T, scores.T))


def reliability(
    truth: ArrayLike, probabilities: ArrayLike, *, bins: int = 15
) -> tuple[FrequencyBins, ...]:
    """Probability and frequency of each label in bins of equal mass.

    Equal probabilities share a bin, so bins are of equal mass only as far as ties allow, and fewer
    than `bins` rows make fewer bins.
    """
    real, scores = _truth_and_probabilities(truth, probabilities)
    if bins < 1:
        raise ValueError(f"calibration needs at least one bin, got {bins}")
    return tuple(
        _frequency_bins(present, score, bins)
        for present, score in zip(real.T, scores.T, strict=True)
    )


def expected_calibration_error(
    truth: ArrayLike, probabilities: ArrayLike, *, bins: int = 15
) -> Floats:
    """Mean distance of probability from frequency in the bins of `reliability`.

    Returns:
        (labels,) float64, 0..1.
    """
    return np.array([label.error for label in reliability(truth, probabilities, bins=bins)])


def least_calibration_error(
    probabilities: ArrayLike, *, bins: int = 15, draws: int = 200, seed: int = 0
) -> Floats:
    """Mean `expected_calibration_error` of these probabilities if they were exactly right.

    It is not 0, since few rows in a bin miss their frequency by luck; no model can be told from a
    perfect one below it. Truths are drawn as often as the probabilities say.

    Returns:
        (labels,) float64, 0..1.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    random = np.random.default_rng(seed)
    truths = (random.random(scores.shape) < scores for _ in range(draws))
    errors = [expected_calibration_error(truth, scores, bins=bins) for truth in truths]
    least: Floats = np.mean(errors, axis=0)
    return least


def brier_score(truth: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Mean squared distance of the probability from the truth; (labels,) float64, 0..1."""
    real, scores = _truth_and_probabilities(truth, probabilities)
    squares: Floats = ((scores - real) ** 2).mean(axis=0)
    return squares


def negative_log_likelihood(truth: ArrayLike, probabilities: ArrayLike) -> Floats:
    """Mean binary cross-entropy in nats; (labels,) float64.

    Probabilities are kept `SMALLEST_PROBABILITY` away from 0 and 1.
    """
    real, scores = _truth_and_probabilities(truth, probabilities)
    of_truth = np.where(real, scores, 1 - scores)
    costs: Floats = -np.log(np.clip(of_truth, SMALLEST_PROBABILITY, None)).mean(axis=0)
    return costs


def decision_confidence(probabilities: ArrayLike, predictions: ArrayLike) -> Floats:
    """Probability that each decision is right: p where present was decided, 1 - p elsewhere."""
    decided, scores = _truth_and_probabilities(predictions, probabilities)
    return np.where(decided, scores, 1 - scores)


def risk_coverage_curve(confidence: ArrayLike, correct: ArrayLike) -> RiskCoverage:
    """Rank items by confidence and follow the error (El-Yaniv and Wiener 2010).

    Items of equal confidence enter in no order: the risk among them is the expected one.

    Args:
        confidence: (items,) finite, greater is surer; any scale.
        correct: (items,) bool or 0/1.
    """
    sure, right = np.asarray(confidence, dtype=np.float64), _binary(correct, "correct")
    if sure.ndim != 1 or sure.shape != right.shape or not len(sure):
        raise ValueError(f"confidence {sure.shape} and correct {right.shape} are (items,), not 0")
    if not np.isfinite(sure).all():
        raise ValueError("confidence holds NaN or infinity")
    _, tie, counts = np.unique(-sure, return_inverse=True, return_counts=True)
    error_rate = np.bincount(tie, weights=~right) / counts
    answered = np.arange(1, len(sure) + 1)
    return RiskCoverage(
        coverage=answered / len(sure),
        risk=np.repeat(error_rate, counts).cumsum() / answered,
    )


def top1_accuracy(
    truth: ArrayLike, probabilities: ArrayLike, predictions: ArrayLike
) -> float | None:
    """Accuracy of the single best answer on rows with at most one true label, 0..1.

    The answer is the most probable of the labels decided present (the first in label order where
    probabilities tie), or "none" where no label is; "none" is right where the row has no label.
    None where no row has at most one label.
    """
    wanted, answers, _ = _top1(truth, probabilities, predictions)
    return float((wanted == answers).mean()) if len(wanted) else None


def top1_macro_f1(
    truth: ArrayLike, probabilities: ArrayLike, predictions: ArrayLike
) -> float | None:
    """Unweighted mean F1 of the single best answer over all labels and "none", 0..1.

    Rows and answers as in `top1_accuracy`. A class that is neither true nor answered counts 0.
    """
    from sklearn.metrics import f1_score

    wanted, answers, classes = _top1(truth, probabilities, predictions)
    if not len(wanted):
        return None
    score = f1_score(wanted, answers, labels=range(classes), average="macro", zero_division=0.0)
    return float(score)


def summarise(
    truth: ArrayLike,
    probabilities: ArrayLike,
    predictions: ArrayLike,
    *,
    labels: Sequence[str],
    thresholds: Sequence[float | None],
    confidence: ArrayLike | None = None,
) -> dict[str, Any]:
    """Every figure of an evaluation, ready for JSON: plain numbers and None, never NaN.

    Args:
        truth: (rows, labels) of 0 and 1.
        probabilities: (rows, labels) calibrated, 0..1.
        predictions: (rows, labels) bool.
        labels: Names in column order.
        thresholds: The decision threshold of each label, None where it differs between rows;
            reported, not applied.
        confidence: (rows, labels) probability that each decision is right; `decision_confidence`
            where absent.

    Returns:
        ``ece``, ``brier`` and ``nll`` are means over labels. ``aurc`` and ``risk_at_75`` (the risk
        at 75 % coverage) rank all row-label decisions by confidence.
    """
    real, decided = _truth_and_predictions(truth, predictions)
    if confidence is None:
        confidence = decision_confidence(probabilities, predictions)
    scores = classification_scores(truth, predictions)
    ece = expected_calibration_error(truth, probabilities)
    brier = brier_score(truth, probabilities)
    curve = risk_coverage_curve(np.ravel(confidence), (real == decided).ravel())
    columns = {
        "support": real.sum(axis=0).tolist(),
        "average_precision": average_precision(truth, probabilities),
        "roc_auc": roc_auc(truth, probabilities),
        "ece": ece.tolist(),
        "brier": brier.tolist(),
        "threshold": list(thresholds),
    }
    table = zip(labels, scores.per_label, *columns.values(), strict=True)
    return {
        "n": len(real),
        **{f"micro_{name}": value for name, value in asdict(scores.micro).items()},
        **{f"macro_{name}": value for name, value in asdict(scores.macro).items()},
        "jaccard_accuracy": jaccard_accuracy(truth, predictions),
        "jaccard_accuracy_empty_correct": jaccard_accuracy(truth, predictions, empty=1.0),
        "hamming_loss": hamming_loss(truth, predictions),
        "top1_accuracy": top1_accuracy(truth, probabilities, predictions),
        "top1_macro_f1": top1_macro_f1(truth, probabilities, predictions),
        "per_label": {
            label: asdict(of_label) | dict(zip(columns, values, strict=True))
            for label, of_label, *values in table
        },
        "ece": float(ece.mean()),
        "brier": float(brier.mean()),
        "nll": float(negative_log_likelihood(truth, probabilities).mean()),
        "gap": global_average_precision(truth, probabilities),
        "aurc": curve.area,
        "risk_at_75": curve.at(0.75),
    }


def scale_figures(
    truth: NDArray[np.floating],
    values: NDArray[np.floating],
    low: NDArray[np.floating],
    high: NDArray[np.floating],
    counts: NDArray[np.int64] | None = None,
) -> dict[str, Floats]:
    """How near values on one scale come to the truth, and what their intervals are worth.

    Rows in which the truth or the value is NaN are left out, of the last two figures also those
    without an interval. What is undefined is NaN.

    Args:
        truth: (rows,).
        values: (rows,).
        low: (rows,), lower ends of the intervals.
        high: (rows,).
        counts: (draws, rows), how often each row counts; once, in a single draw, where None.

    Returns:
        (draws,) each: ``ccc``, the concordance correlation coefficient (Lin 1989), -1..1,
        undefined where neither truth nor values differ; ``mae``, the mean absolute error;
        ``covered``, the share of rows whose interval holds the truth; ``width``, its mean.
    """
    known = ~(np.isnan(truth) | np.isnan(values))
    x, y, low, high = (np.asarray(item, np.float64)[known] for item in (truth, values, low, high))
    between = ~np.isnan(low)
    inside, width = (low <= x) & (x <= high), np.nan_to_num(high - low)
    columns = [x, y, (x - y) ** 2, x**2, y**2, np.abs(x - y), np.ones_like(x)]
    weights = np.ones((1, len(known)), np.int64) if counts is None else counts
    sums = (weights[:, known] @ np.column_stack([*columns, inside, width, between])).T
    rows, spanned = (np.where(item > 0, item, np.nan) for item in (sums[6], sums[9]))
    mean_x, mean_y, apart, square_x, square_y, error = sums[:6] / rows
    # (x - y)^2 is var(x) + var(y) - 2 cov(x, y) + the square of the means' difference.
    whole = square_x - mean_x**2 + square_y - mean_y**2 + (mean_x - mean_y) ** 2
    ccc = 1 - apart / np.where(whole > 1e-12, whole, np.nan)
    return {"ccc": ccc, "mae": error, "covered": sums[7] / spanned, "width": sums[8] / spanned}


def _binary(values: ArrayLike, name: str) -> Bools:
    array = np.asarray(values)
    if not np.isin(array, (0, 1)).all():
        raise ValueError(f"{name} holds other values than 0 and 1")
    return array.astype(np.bool_)


def _truth_and_predictions(truth: ArrayLike, predictions: ArrayLike) -> tuple[Bools, Bools]:
    real, decided = _binary(truth, "truth"), _binary(predictions, "predictions")
    _check_shapes(real, decided)
    return real, decided


def _truth_and_probabilities(truth: ArrayLike, probabilities: ArrayLike) -> tuple[Bools, Floats]:
    real, scores = _binary(truth, "truth"), np.asarray(probabilities, dtype=np.float64)
    _check_shapes(real, scores)
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("probabilities lie in 0..1")
    return real, scores


def _check_shapes(real: NDArray[Any], other: NDArray[Any]) -> None:
    if real.ndim != 2 or real.shape != other.shape or not real.size:
        raise ValueError(f"two (rows, labels) arrays are needed, got {real.shape}, {other.shape}")


def _indicators(decisions: Bools) -> Bools:
    """With one more label, which no row has: scikit-learn takes one alone for two classes."""
    return np.pad(decisions, ((0, 0), (0, 1)))


def _frequency_bins(present: Bools, score: Floats, bins: int) -> FrequencyBins:
    _, tie, counts = np.unique(score, return_inverse=True, return_counts=True)
    first_rank = (counts.cumsum() - counts)[tie]
    _, place = np.unique(first_rank * bins // len(score), return_inverse=True)
    count = np.bincount(place)
    return FrequencyBins(
        value=np.bincount(place, weights=score) / count,
        frequency=np.bincount(place, weights=present) / count,
        count=count,
    )


def _precision_recall_curve(present: Bools, score: Floats) -> PrecisionRecallCurve | None:
    from sklearn.metrics import precision_recall_curve

    if not present.any():
        return None
    precision, recall, _ = precision_recall_curve(present, score)
    # It begins at the lowest threshold, and ends with a point that belongs to none.
    return PrecisionRecallCurve(precision[-2::-1], recall[-2::-1])


def _average_precision(present: Bools, score: Floats) -> float | None:
    curve = _precision_recall_curve(present, score)
    return curve.area if curve else None


def _roc_auc(present: Bools, score: Floats) -> float | None:
    from sklearn.metrics import roc_auc_score

    if not present.any() or present.all():
        return None
    return float(roc_auc_score(present, score))


def _top1(
    truth: ArrayLike, probabilities: ArrayLike, predictions: ArrayLike
) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """True and answered class of each row with at most one label; the last class is "none"."""
    real, decided = _truth_and_predictions(truth, predictions)
    _, scores = _truth_and_probabilities(truth, probabilities)
    none = real.shape[1]
    single = real.sum(axis=1) <= 1
    wanted = np.where(real.any(axis=1), real.argmax(axis=1), none)
    best = np.where(decided, scores, -1.0).argmax(axis=1)
    answers = np.where(decided.any(axis=1), best, none)
    return wanted[single], answers[single], none + 1
