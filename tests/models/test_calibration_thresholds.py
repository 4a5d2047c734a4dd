"""Thresholds do what their target says, and targets are read forgivingly but not loosely."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_score

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.models.calibration import NEVER, Target, choose_thresholds, fit_set, parse_target


def calibrated_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    probabilities = random.beta([0.4, 0.8], [1.2, 1.2], (rows, 2))
    return probabilities, random.random((rows, 2)) < probabilities


def test_no_target_is_the_sum_of_micro_and_macro_f1() -> None:
    probabilities, truth = calibrated_rows(500, 0)
    np.testing.assert_array_equal(
        choose_thresholds(probabilities, truth),
        choose_thresholds(probabilities, truth, target=parse_target("f1")),
    )


@pytest.mark.slow
def test_micro_f1_is_the_best_of_the_grid() -> None:
    probabilities, truth = calibrated_rows(500, 0)
    chosen = choose_thresholds(probabilities, truth, target=Target("micro-f1"))

    def score(thresholds: object) -> float:
        return float(f1_score(truth, probabilities >= thresholds, average="micro"))

    grid = np.linspace(0.1, 0.7, 31)
    assert score(chosen) >= max(score([a, b]) for a in grid for b in grid) - 0.005


def test_top_1_is_one_threshold_the_best_for_rows_of_one_label_or_none() -> None:
    random = np.random.default_rng(3)
    truth = random.choice(3, 600, p=[0.2, 0.3, 0.5])  # 2 is none
    real = np.eye(3, dtype=bool)[truth][:, :2]
    scores = random.normal(size=(600, 2)) + 2 * real - [1.5, 0.5]
    probabilities = 1 / (1 + np.exp(-scores))
    chosen = choose_thresholds(probabilities, real, target=parse_target("top-1"))

    def score(thresholds: object) -> float:
        kept = np.where(probabilities >= thresholds, probabilities, 0)
        guess = np.where(kept.any(axis=1), kept.argmax(axis=1), 2)
        return float((guess == truth).mean() + f1_score(truth, guess, average="macro"))

    grid = np.linspace(0.1, 0.7, 31)
    assert chosen[0] == chosen[1]
    assert score(chosen) >= max(map(score, grid)) - 0.01
    assert score(chosen) > score(0.5)
    # Rows of several labels have no single answer, and do not count.
    both = np.concatenate([probabilities, np.full((300, 2), 0.65)])
    marked = np.concatenate([real, np.ones((300, 2), bool)])
    again = choose_thresholds(both, marked, target=Target("top-1"))
    np.testing.assert_array_equal(again, chosen)


def test_half_is_more_likely_than_not_whatever_the_rows() -> None:
    chosen = choose_thresholds(*calibrated_rows(50, 4), target=parse_target("half"))
    assert chosen.tolist() == [0.5, 0.5]


def test_label_f1_is_the_best_of_every_cut() -> None:
    probabilities, truth = calibrated_rows(300, 1)
    probabilities = probabilities.round(2)  # with ties
    chosen = choose_thresholds(probabilities, truth, target=Target("label-f1"))
    for label in range(2):
        score, real = probabilities[:, label], truth[:, label]
        best = max(f1_score(real, score >= cut) for cut in np.unique(score))
        assert f1_score(real, score >= chosen[label]) == pytest.approx(best)


@pytest.mark.parametrize("wanted", [0.5, 0.7])
def test_precision_is_the_lowest_cut_whose_bound_holds(wanted: float) -> None:
    probabilities, truth = calibrated_rows(400, 2)
    probabilities = probabilities.round(2)
    chosen = choose_thresholds(probabilities, truth, target=Target("precision", wanted))
    for label in range(2):
        score, real = probabilities[:, label], truth[:, label]
        good = []
        for cut in np.unique(score):
            found = score >= cut
            test = binomtest(int(real[found].sum()), int(found.sum()), alternative="greater")
            if test.proportion_ci(0.9, "exact").low >= wanted:
                good.append(cut)
        decided = score >= chosen[label]
        assert (decided == (score >= min(good))).all()
        assert precision_score(real, decided) >= wanted


@pytest.mark.slow
def test_precision_mostly_holds_on_other_rows() -> None:
    other_rows, truth_there = calibrated_rows(200_000, 99)
    kept = []
    for seed in range(40):
        thresholds = choose_thresholds(
            *calibrated_rows(1000, seed), target=Target("precision", 0.6)
        )
        decided = other_rows >= thresholds
        assert decided.any(axis=0).all()
        kept += [precision_score(truth_there[:, i], decided[:, i]) >= 0.6 for i in range(2)]
    # 0.9 for one cut; the lowest of many costs some of it, and a plain share would keep half.
    assert np.mean(kept) > 0.75


@pytest.mark.parametrize("target", ["label-f1", "precision:0.99", "precision:0.1"])
def test_what_cannot_be_reached_is_never_decided(target: str) -> None:
    logits = np.array([[50.0], [2.0], [-1.0]])
    fitted = fit_set(logits, np.zeros((3, 1)), np.ones((3, 1)), target=parse_target(target))
    assert fitted.threshold == (NEVER,)
    assert not fitted.decide(np.array([[1.0], [0.999], [0.2]])).any()


def test_a_threshold_lies_between_rows() -> None:
    probabilities = np.array([[0.9], [0.8], [0.2], [0.1]])
    truth = np.array([[1], [1], [0], [0]])
    assert choose_thresholds(probabilities, truth, target=Target("label-f1")) == [0.5]
    everywhere = np.ones((4, 1))
    assert choose_thresholds(probabilities, everywhere, target=Target("label-f1")) == [0.1]


@pytest.mark.parametrize("text", ["f1", "micro-f1", "label-f1", "precision:0.8"])
def test_targets_read_back(text: str) -> None:
    assert str(parse_target(text)) == text


def test_a_target_may_be_written_with_an_equals_sign_and_capitals() -> None:
    assert parse_target(" Precision=0.75 ") == Target("precision", 0.75)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("presision:0.7", "did you mean 'precision:0.7'"),
        ("precison", "did you mean 'precision:0.8'"),
        ("micro_f1", "did you mean 'micro-f1'"),
        ("mikro-f1", "did you mean 'micro-f1'"),
        ("lable-f1", "did you mean 'label-f1'"),
        ("accuracy", "known are: f1, micro-f1, label-f1, top-1, half, precision:P"),
        ("", "known are"),
        ("precision", "needs a number .* 'precision:0.8'"),
        ("precision:high", "needs a number"),
        ("precision:80", "write 'precision:0.8'"),
        ("precision:80%", "write 'precision:0.8'"),
        ("precision:1", "above 0 and below 1"),
        ("precision:nan", "above 0 and below 1"),
        ("f1:0.8", "takes no number; write 'f1'"),
    ],
)
def test_a_wrong_target_is_answered_with_a_right_one(text: str, hint: str) -> None:
    with pytest.raises(UnusableInputError, match=hint) as caught:
        parse_target(text)
    assert "\n" not in str(caught.value)
