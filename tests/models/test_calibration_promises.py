"""Promises about rows: a risk that abstaining keeps, and label sets that cover."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.models.calibration import abstain_for_risk, label_set, label_set_threshold

SHARES = st.floats(0, 1).map(lambda value: round(value, 2))  # so that some tie


def risky_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Expected and seen share of wrong decisions of five labels."""
    random = np.random.default_rng(seed)
    expected = random.beta(1, 6, rows)
    return expected, random.binomial(5, expected) / 5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=30), st.floats(0.02, 0.98))
def test_abstention_is_the_widest_limit_that_keeps_the_risk(
    rows: list[tuple[float, float]], risk: float
) -> None:
    expected, wrong = np.array(rows).T
    limits = [
        limit
        for limit in np.unique(expected)
        if (wrong[expected <= limit].sum() + 1) / ((expected <= limit).sum() + 1) <= risk - 1e-9
    ]
    if not limits:
        return
    found = abstain_for_risk(expected, wrong, risk)
    answered = expected <= found.above
    assert found.above >= max(limits)
    assert found.answered == pytest.approx(answered.mean())
    assert found.risk == pytest.approx(wrong[answered].mean())
    assert wrong[answered].mean() <= risk


def test_the_risk_holds_on_other_rows_in_the_mean() -> None:
    other, wrong_there = risky_rows(200_000, 99)
    assert wrong_there.mean() > 0.13
    found = [abstain_for_risk(*risky_rows(500, seed), 0.1) for seed in range(100)]
    risks = [wrong_there[other <= limit.above].mean() for limit in found]
    assert np.mean(risks) <= 0.101
    assert np.mean(risks) > 0.09  # it does not keep silent more than it must
    assert 0.6 < np.mean([limit.answered for limit in found]) < 0.9


def test_a_risk_out_of_reach_names_one_that_is_not() -> None:
    expected, wrong = risky_rows(60, 0)
    with pytest.raises(UnusableInputError, match=r"0\.001 on 60 rows") as caught:
        abstain_for_risk(expected, wrong, 0.001)
    reachable = float(re.search(r"reachable is ([\d.]+)", str(caught.value))[1])
    assert abstain_for_risk(expected, wrong, reachable).risk <= reachable
    with pytest.raises(UnusableInputError):
        abstain_for_risk(expected, wrong, reachable - 0.0011)


def test_one_row_can_promise_half_at_best() -> None:
    assert abstain_for_risk(np.array([0.3]), np.array([0.0]), 0.5).answered == 1
    with pytest.raises(UnusableInputError, match=r"reachable is 0\.5"):
        abstain_for_risk(np.array([0.3]), np.array([0.0]), 0.4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 99), st.integers(0, 10_000))
def test_the_label_set_threshold_is_the_brute_force_one(
    rows: int, percent: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.random((rows, 3)).round(1)
    truth = random.random((rows, 3)) < 0.3
    found = label_set_threshold(probabilities, truth, percent / 100)
    # Whole numbers: at least coverage * (n + 1) of the rows must be covered.
    enough = []
    for limit in sorted({0.0, 1.0, *(1 - probabilities).ravel().tolist()}):
        covered = sum(
            all(1 - p <= limit for p, real in zip(row, present, strict=True) if real)
            for row, present in zip(probabilities.tolist(), truth.tolist(), strict=True)
        )
        if 100 * covered >= percent * (rows + 1):
            enough.append(limit)
    assert found == (min(enough) if enough else 1.0)


def test_nine_rows_suffice_for_nine_in_ten() -> None:
    probabilities = np.linspace(0.1, 0.9, 9)[:, None]
    truth = np.ones((9, 1))
    assert label_set_threshold(probabilities, truth, 0.9) == pytest.approx(0.9)
    assert label_set_threshold(probabilities, truth, 0.91) == 1.0
    assert label_set(np.array([[0.0]]), 1.0).all()


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.95])
def test_coverage_is_kept_also_by_a_wrong_model(coverage: float) -> None:
    rates = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        chance = random.beta(1, 2, (400, 4))
        truth = random.random((400, 4)) < chance
        told = chance[:, ::-1] ** 2  # of another label, and too small
        threshold = label_set_threshold(told[:100], truth[:100], coverage)
        members = label_set(told[100:], threshold)
        rates.append((members | ~truth[100:]).all(axis=1).mean())
    spread = np.std(rates) / np.sqrt(len(rates))
    # Split conformal: between the coverage and the coverage + 1 / (n + 1).
    assert coverage - 3 * spread <= np.mean(rates) <= coverage + 1 / 101 + 3 * spread


def test_rows_without_labels_are_covered_by_nothing() -> None:
    assert label_set_threshold(np.full((50, 3), 0.4), np.zeros((50, 3)), 0.9) == 0


@pytest.mark.parametrize("coverage", [0.0, 1.0, 1.5])
def test_no_coverage_is_not_a_share(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        label_set_threshold(np.ones((2, 1)), np.ones((2, 1)), coverage)
