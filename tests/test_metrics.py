from __future__ import annotations

import json

import numpy as np
import pytest
import sklearn.metrics as oracle
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.calibration import calibration_curve

from lddu_pipe import metrics

LABELS = ("happy", "sad", "anger", "surprise")
THRESHOLDS = (0.5, 0.3, 0.4, 0.6)


def example(
    rows: int = 211, decimals: int = 2, seed: int = 5
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
    """Asymmetric on purpose: precision is not recall, labels differ in support, scores tie."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((rows, 4)) < (0.5, 0.25, 0.1, 0.04)).astype(np.int64)
    probabilities = (0.45 * truth + 0.54 * rng.random((rows, 4))).round(decimals)
    return truth, probabilities, probabilities >= THRESHOLDS


@st.composite
def problems(draw: st.DrawFn) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    shape = (draw(st.integers(1, 25)), draw(st.integers(1, 4)))
    truth = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, 1)))
    grid = st.integers(0, 10).map(lambda tenths: tenths / 10)
    return truth, draw(hnp.arrays(np.float64, shape, elements=grid))


def test_precision_asks_the_predictions_and_recall_the_truth() -> None:
    scores = metrics.classification_scores([[1], [1], [1], [0]], [[1], [0], [0], [0]]).micro
    assert (scores.precision, scores.recall, scores.f1) == pytest.approx((1, 1 / 3, 0.5))


@settings(max_examples=60, deadline=None)
@given(problems())
def test_averages_are_over_labels_also_where_there_is_but_one(
    problem: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> None:
    truth, probabilities = problem
    predictions = probabilities >= 0.5
    scores = metrics.classification_scores(truth, predictions)
    hits, either = (truth & predictions).sum(), (truth + predictions).sum()
    assert scores.micro.f1 == pytest.approx(2 * hits / either if either else 0.0)
    assert len(scores.per_label) == truth.shape[1]
    for name in ("precision", "recall", "f1"):
        mean = np.mean([getattr(label, name) for label in scores.per_label])
        assert getattr(scores.macro, name) == pytest.approx(mean)


def test_what_the_truth_does_not_define_is_none() -> None:
    truth, probabilities = [[0, 1, 1], [0, 1, 0]], [[0.1, 0.2, 0.9], [0.3, 0.4, 0.5]]
    assert metrics.average_precision(truth, probabilities) == (None, 1.0, 1.0)
    assert metrics.roc_auc(truth, probabilities) == (None, None, 1.0)
    curves = metrics.precision_recall_curves(truth, probabilities)
    assert curves[0] is None
    np.testing.assert_allclose(curves[2].precision, [1.0, 0.5])
    np.testing.assert_allclose(curves[2].recall, [1.0, 1.0])
    assert curves[2].area == 1.0


@settings(max_examples=60, deadline=None)
@given(problems())
def test_brier_and_likelihood_match_sklearn(
    problem: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> None:
    truth, probabilities = problem
    columns = list(zip(truth.T, probabilities.T, strict=True))
    np.testing.assert_allclose(
        metrics.brier_score(truth, probabilities),
        [oracle.brier_score_loss(*column, pos_label=1) for column in columns],
    )
    clipped = np.clip(probabilities, 1e-7, 1 - 1e-7)
    np.testing.assert_allclose(
        metrics.negative_log_likelihood(truth, probabilities),
        [oracle.log_loss(t, p, labels=[0, 1]) for t, p in zip(truth.T, clipped.T, strict=True)],
        rtol=1e-6,
        atol=2e-7,
    )


def test_gap_ranks_all_pairs_together() -> None:
    assert metrics.global_average_precision([[1, 0], [0, 1]], [[0.9, 0.8], [0.1, 0.7]]) == (
        pytest.approx((1 + 2 / 3) / 2)
    )
    assert metrics.global_average_precision([[0, 0]], [[0.2, 0.9]]) is None


def test_jaccard_accuracy_and_its_rule_for_empty_rows() -> None:
    truth_rows, predicted = [[0, 0], [1, 1], [1, 0]], [[0, 0], [1, 0], [0, 1]]
    assert metrics.jaccard_accuracy(truth_rows, predicted) == pytest.approx(0.5 / 3)
    assert metrics.jaccard_accuracy(truth_rows, predicted, empty=1.0) == pytest.approx(1.5 / 3)


def test_calibration_error_matches_quantile_bins_where_nothing_ties() -> None:
    truth, probabilities, _ = example(rows=150, decimals=12)
    for bins in (15, 5):
        expected = []
        for present, score in zip(truth.T, probabilities.T, strict=True):
            assert len(np.unique(score)) == len(score)
            true, said = calibration_curve(present, score, n_bins=bins, strategy="quantile")
            expected.append(np.abs(true - said).mean())
        found = metrics.expected_calibration_error(truth, probabilities, bins=bins)
        np.testing.assert_allclose(found, expected)


def test_calibration_error_of_one_constant_probability() -> None:
    truth = np.array([[1], [0], [0], [0]])
    assert metrics.expected_calibration_error(truth, np.full((4, 1), 0.25))[0] == 0
    assert metrics.expected_calibration_error(truth, np.full((4, 1), 0.75))[0] == 0.5


def test_calibrated_probabilities_have_a_small_error() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random((20_000, 2))
    truth = rng.random((20_000, 2)) < probabilities
    assert metrics.expected_calibration_error(truth, probabilities).max() < 0.02
    assert metrics.expected_calibration_error(truth, probabilities**2).min() > 0.1


def test_the_least_calibration_error_is_that_of_exact_probabilities() -> None:
    """All n rows in one bin miss p by |binomial(n, p) / n - p| in the mean."""
    probabilities = np.full((40, 2), [0.3, 0.05])
    counts = np.arange(41)
    expected = [
        float(np.sum(binom.pmf(counts, 40, p) * np.abs(counts / 40 - p))) for p in (0.3, 0.05)
    ]
    found = metrics.least_calibration_error(probabilities, draws=4000)
    np.testing.assert_allclose(found, expected, rtol=0.05)
    assert (metrics.least_calibration_error(np.tile(probabilities, (100, 1))) < 0.01).all()


def test_certain_and_wrong_costs_a_bounded_amount() -> None:
    assert metrics.negative_log_likelihood([[1]], [[0.0]])[0] == pytest.approx(-np.log(1e-7))
    assert metrics.negative_log_likelihood([[1]], [[1.0]])[0] == 0


def test_risk_coverage_curve_by_hand() -> None:
    curve = metrics.risk_coverage_curve([0.9, 0.6, 0.8, 0.7], [True, False, True, False])
    np.testing.assert_allclose(curve.coverage, [0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curve.risk, [0, 0, 1 / 3, 1 / 2])
    assert curve.area == pytest.approx((1 / 3 + 1 / 2) / 4)
    assert curve.at(0.75) == pytest.approx(1 / 3)
    assert curve.at(0.76) == pytest.approx(1 / 2)
    assert curve.at(0.0) == 0
    with pytest.raises(ValueError, match="coverage"):
        curve.at(1.5)


def test_risk_among_equal_confidences_is_the_mean_over_their_orders() -> None:
    rng = np.random.default_rng(3)
    confidence, correct = np.array([3.0, 2, 2, 2, 1]), np.array([1, 1, 0, 0, 1])
    risks = []
    for _ in range(4000):
        order = np.lexsort((rng.random(5), -confidence))
        risks.append(np.cumsum(1 - correct[order]) / np.arange(1, 6))
    curve = metrics.risk_coverage_curve(confidence, correct)
    np.testing.assert_allclose(curve.risk, np.mean(risks, axis=0), atol=0.02)


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_order_of_rows_changes_nothing_and_json_is_strict(
    problem: tuple[NDArray[np.int64], NDArray[np.float64]], random: object
) -> None:
    truth, probabilities = problem
    labels = [f"label {index}" for index in range(truth.shape[1])]
    order = list(range(len(truth)))
    random.shuffle(order)  # type: ignore[attr-defined]
    reports = [
        metrics.summarise(t, p, p >= 0.5, labels=labels, thresholds=[0.5] * len(labels))
        for t, p in ((truth, probabilities), (truth[order], probabilities[order]))
    ]
    first, second = (json.loads(json.dumps(report, allow_nan=False)) for report in reports)
    assert first.pop("per_label").keys() == second.pop("per_label").keys()
    assert first == pytest.approx(second)


def test_top1_matches_sklearn_on_single_label_rows() -> None:
    truth, probabilities, predictions = example()
    single = truth.sum(axis=1) <= 1
    assert 0 < single.sum() < len(single)
    wanted, answers = [], []
    for row in np.flatnonzero(single):
        wanted.append(int(truth[row].argmax()) if truth[row].any() else 4)
        present = [label for label in range(4) if predictions[row, label]]
        answers.append(max(present, key=lambda label: probabilities[row, label], default=4))
    assert metrics.top1_accuracy(truth, probabilities, predictions) == pytest.approx(
        oracle.accuracy_score(wanted, answers)
    )
    assert metrics.top1_macro_f1(truth, probabilities, predictions) == pytest.approx(
        oracle.f1_score(wanted, answers, labels=range(5), average="macro", zero_division=0)
    )


def test_top1_reads_the_decisions_and_not_only_the_probabilities() -> None:
    truth = [[0, 1], [0, 0], [0, 0], [1, 1]]
    probabilities = [[0.6, 0.5], [0.4, 0.4], [0.9, 0.1], [0.9, 0.9]]
    predictions = [[False, True], [False, False], [True, False], [True, True]]
    # Right: the label whose threshold was met, and "none"; wrong: a label for an empty row.
    assert metrics.top1_accuracy(truth, probabilities, predictions) == pytest.approx(2 / 3)
    assert metrics.top1_accuracy(truth[3:], probabilities[3:], predictions[3:]) is None
    assert metrics.top1_macro_f1(truth[3:], probabilities[3:], predictions[3:]) is None


def test_summary_holds_the_figures_under_their_names() -> None:
    truth, probabilities, predictions = example()
    report = metrics.summarise(
        truth, probabilities, predictions, labels=LABELS, thresholds=THRESHOLDS
    )
    assert list(report) == [
        "n", "micro_precision", "micro_recall", "micro_f1", "macro_precision", "macro_recall",
        "macro_f1", "jaccard_accuracy", "jaccard_accuracy_empty_correct", "hamming_loss",
        "top1_accuracy", "top1_macro_f1", "per_label", "ece", "brier", "nll", "gap", "aurc",
        "risk_at_75",
    ]  # fmt: skip
    assert report["n"] == 211
    assert report["hamming_loss"] == pytest.approx(oracle.hamming_loss(truth, predictions))
    assert report["micro_recall"] == pytest.approx(
        oracle.recall_score(truth, predictions, average="micro")
    )
    anger = report["per_label"]["anger"]
    assert anger["support"] == truth[:, 2].sum()
    assert anger["threshold"] == 0.4
    assert anger["precision"] == pytest.approx(
        oracle.precision_score(truth[:, 2], predictions[:, 2])
    )
    for name in ("ece", "brier"):
        mean = np.mean([row[name] for row in report["per_label"].values()])
        assert report[name] == pytest.approx(mean)


def test_summary_ranks_by_the_confidence_it_is_given() -> None:
    truth, probabilities, predictions = example()
    arguments = {"labels": LABELS, "thresholds": THRESHOLDS}
    oracle_confidence = (truth == predictions).astype(float)
    best = metrics.summarise(
        truth, probabilities, predictions, confidence=oracle_confidence, **arguments
    )
    usual = metrics.summarise(truth, probabilities, predictions, **arguments)
    assert best["aurc"] < usual["aurc"] < usual["hamming_loss"]
    np.testing.assert_allclose(
        metrics.decision_confidence([[0.8, 0.3]], [[True, False]]), [[0.8, 0.7]]
    )


@pytest.mark.parametrize(
    ("truth", "probabilities"),
    [
        ([[0, 2]], [[0.1, 0.2]]),
        ([[0, 1]], [[0.1, 1.2]]),
        ([[0, 1]], [[0.1, np.nan]]),
        ([[0, 1]], [[0.1], [0.2]]),
        ([0, 1], [0.1, 0.2]),
        (np.zeros((0, 2)), np.zeros((0, 2))),
    ],
)
def test_what_cannot_be_scored_is_refused(truth: object, probabilities: object) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1|0 and 1|arrays"):
        metrics.brier_score(truth, probabilities)


@settings(max_examples=60, deadline=None)
@given(problems(), st.integers(1, 20))
def test_bins_hold_every_row_once_and_rise(
    problem: tuple[NDArray[np.int64], NDArray[np.float64]], bins: int
) -> None:
    truth, probabilities = problem
    found = metrics.reliability(truth, probabilities, bins=bins)
    for of_label, present, score in zip(found, truth.T, probabilities.T, strict=True):
        assert of_label.count.sum() == len(score)
        assert 1 <= len(of_label.count) <= bins
        assert (of_label.count > 0).all()
        assert (np.diff(of_label.value) > 0).all()
        assert (of_label.frequency * of_label.count).sum() == pytest.approx(present.sum())
        assert (of_label.value * of_label.count).sum() == pytest.approx(score.sum())
