"""A model beside base rates, on rows that neither has seen."""

from __future__ import annotations

import numpy as np
import pytest

from lddu_pipe.metrics import brier_score
from lddu_pipe.models.calibration import apply_calibration
from lddu_pipe.models.scores import put_together
from lddu_pipe.pipelines.evaluation import evaluate_answers, with_intervals
from lddu_pipe.pipelines.held_out import calibrate_by_fold, compare_with_base_rates
from lddu_pipe.pipelines.plan import share_out
from lddu_pipe.training.scoring import LabelledScores

ROWS = 60
FOLDS = np.arange(ROWS) % 5
GROUPS = [str(index) for index in range(ROWS)]


def scores(signal: float, seed: int = 0, copies: int = 1) -> LabelledScores:
    random = np.random.default_rng(seed)
    truth = (random.random((ROWS // copies, 4)) < 0.3).astype(np.float32)
    logits = signal * (truth - 0.5) + random.normal(size=truth.shape)
    truth, logits = np.tile(truth, (copies, 1)), np.tile(logits, (copies, 1))
    present = np.tile([False, True, False], (ROWS, 1))
    nothing = np.zeros((ROWS, 0, 4), np.float32)
    arrays = (logits.astype(np.float32), np.ones_like(truth), nothing, present)
    no_scales = np.zeros((ROWS, 0), np.float32)
    height = np.full(ROWS, 100, np.float32)
    return LabelledScores(*arrays, no_scales, no_scales, height, labels=truth, scales=no_scales)


def compared(raw: LabelledScores, groups: list[str] = GROUPS):
    return compare_with_base_rates(raw, calibrate_by_fold(raw, FOLDS), groups, "folds")


def test_noise_is_no_better_than_base_rates_and_a_signal_is() -> None:
    noise = [compared(scores(0.0, seed)) for seed in range(10)]
    gains = [item.brier_of_base_rates - item.brier for item in noise]
    assert np.mean(gains) < 0  # what is fitted to noise costs something on other rows
    assert not any(item.better_than_base_rates for item in noise)
    good = compared(scores(5.0))
    assert good.better_than_base_rates
    low, high = good.interval
    assert low < good.brier - good.brier_of_base_rates < high < 0
    assert (good.rows, good.groups) == (60, 60)


def test_brier_scores_are_those_of_metrics() -> None:
    raw = scores(5.0)
    rates = np.tile(raw.labels.mean(axis=0), (ROWS, 1))
    probabilities = np.zeros_like(rates, np.float64)
    for rows, calibration in calibrate_by_fold(raw, FOLDS):
        probabilities[rows] = calibration.of(["audio"]).probabilities(raw.logits[rows])
    found = compared(raw)
    assert found.brier == pytest.approx(brier_score(raw.labels, probabilities).mean())
    assert found.brier_of_base_rates == pytest.approx(brier_score(raw.labels, rates).mean())


def test_the_labels_of_a_fold_have_no_say_in_its_calibration() -> None:
    raw = scores(2.0)
    other = LabelledScores(**{**vars(raw), "labels": raw.labels.copy()})
    other.labels[FOLDS == 1] = 1 - other.labels[FOLDS == 1]
    own, turned = (calibrate_by_fold(item, FOLDS) for item in (raw, other))
    assert own[1][1] == turned[1][1]
    assert own[0][1] != turned[0][1]


def test_copies_of_rows_in_a_group_make_nothing_surer() -> None:
    once, alike = scores(5.0, copies=3), [str(index % 20) for index in range(ROWS)]
    width, of_rows = (
        high - low for low, high in (compared(once, alike).interval, compared(once).interval)
    )
    assert width == pytest.approx(np.sqrt(3) * of_rows, rel=0.1)


@pytest.mark.parametrize("signal", [0.0, 2.0, 5.0])
def test_the_interval_and_the_rule_are_those_of_evaluations(make_answers, signal: float) -> None:
    raw = scores(signal)
    found = compared(raw, [f"speaker {index % 12}" for index in range(ROWS)])  # as `answers`
    applied = apply_calibration(raw, calibrate_by_fold(raw, FOLDS))
    answers = make_answers(
        rows=ROWS,
        labels=("a", "b", "c", "d"),
        truth=raw.labels >= 0.5,
        probabilities=applied.probabilities,
        decisions=applied.decisions,
        uncertainty={},
    )
    evaluated = with_intervals(
        evaluate_answers(
            answers, thresholds=applied.thresholds, base_rates=raw.labels.mean(axis=0)
        )
    )
    assert found.interval == pytest.approx(evaluated["intervals"]["brier_minus_base_rates"])
    assert found.better_than_base_rates is evaluated["better_than_base_rates"]


@pytest.mark.parametrize("rows", [20, 50])
def test_one_row_by_another_speaker_is_too_few_to_calibrate_on(rows: int) -> None:
    raw = scores(5.0).at(np.arange(ROWS) < rows)
    speakers = ["a"] * (rows - 1) + ["b"]
    by_fold = calibrate_by_fold(raw, share_out(raw.labels, speakers, seed=1))
    assert compare_with_base_rates(raw, by_fold, speakers, "valid").better_than_base_rates


def test_scores_of_folds_come_back_in_the_order_of_the_rows() -> None:
    raw = scores(1.0)
    parts = [(fold == FOLDS, raw.at(fold == FOLDS)) for fold in (3, 0, 4, 1, 2)]
    whole = put_together(parts)
    assert all(np.array_equal(value, vars(raw)[name]) for name, value in vars(whole).items())
