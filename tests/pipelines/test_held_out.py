"""A model beside base rates, on rows that neither has seen."""

from __future__ import annotations

import numpy as np
import pytest

from lddu_pipe.metrics import brier_score
from lddu_pipe.pipelines.held_out import calibrate_by_fold, compare_with_base_rates
from lddu_pipe.training.scoring import RawScores, put_together

ROWS = 60
FOLDS = np.arange(ROWS) % 5
GROUPS = [str(index) for index in range(ROWS)]


def scores(signal: float, seed: int = 0, copies: int = 1) -> RawScores:
    random = np.random.default_rng(seed)
    truth = (random.random((ROWS // copies, 4)) < 0.3).astype(np.float32)
    logits = signal * (truth - 0.5) + random.normal(size=truth.shape)
    truth, logits = np.tile(truth, (copies, 1)), np.tile(logits, (copies, 1))
    present = np.tile([False, True, False], (ROWS, 1))
    nothing = np.zeros((0, *truth.shape), np.float32)
    arrays = (logits.astype(np.float32), np.ones_like(truth), nothing, present, truth)
    return RawScores(*arrays, *np.zeros((3, ROWS, 0), np.float32))


def compared(raw: RawScores, groups: list[str] = GROUPS):
    return compare_with_base_rates(raw, calibrate_by_fold(raw, FOLDS), groups, "folds")


def test_noise_is_no_better_than_base_rates_and_a_signal_is() -> None:
    noise = [compared(scores(0.0, seed)) for seed in range(20)]
    gains = [item.brier_of_base_rates - item.brier for item in noise]
    assert np.mean(gains) < 0  # what is fitted to noise costs something on other rows
    assert not any(item.better_than_base_rates for item in noise)
    good = compared(scores(5.0))
    assert good.better_than_base_rates
    assert good.brier_of_base_rates - good.brier > 5 * good.standard_error
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
    other = RawScores(**{**vars(raw), "labels": raw.labels.copy()})
    other.labels[FOLDS == 1] = 1 - other.labels[FOLDS == 1]
    own, turned = (calibrate_by_fold(item, FOLDS) for item in (raw, other))
    assert own[1][1] == turned[1][1]
    assert own[0][1] != turned[0][1]


def test_copies_of_rows_in_a_group_make_nothing_surer() -> None:
    once, alike = scores(5.0, copies=3), [str(index % 20) for index in range(ROWS)]
    assert compared(once, alike).standard_error == pytest.approx(
        np.sqrt(3) * compared(once).standard_error
    )


def test_scores_of_folds_come_back_in_the_order_of_the_rows() -> None:
    raw = scores(1.0)
    parts = [(fold == FOLDS, raw.at(fold == FOLDS)) for fold in (3, 0, 4, 1, 2)]
    whole = put_together(parts)
    assert all(np.array_equal(value, vars(raw)[name]) for name, value in vars(whole).items())
