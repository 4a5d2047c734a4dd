"""Maps from logits to probabilities: oracles, order, and bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression

from lddu_pipe.metrics import expected_calibration_error
from lddu_pipe.models.calibration import (
    METHODS,
    Curve,
    Target,
    Widening,
    choose_thresholds,
    fit_isotonic,
    fit_platt,
    fit_scaling,
    fit_set,
    fit_temperature,
    sigmoid,
)


def bent_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose true probability is no sigmoid of them: a step with a slow rise."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (rows, 2))
    chance = np.where(logits > 1, 0.8, 0.1) + 0.02 * np.clip(logits, -4, 4)
    return logits, (random.random((rows, 2)) < chance).astype(float)


def test_isotonic_blocks_are_those_of_scikit_learn() -> None:
    logits, truth = bent_rows(2000, 0)
    x, y = np.round(logits[:, 0], 1), truth[:, 0]  # rounded, so that many logits tie
    curve = fit_isotonic(x, y)
    # The same two rows more that Laplace's rule asks for.
    x, y = np.append(x, (x.min(), x.max())), np.append(y, (1, 0))
    oracle = IsotonicRegression().fit(x, y)
    heights = np.unique(oracle.predict(x).round(12))
    np.testing.assert_allclose(curve.probabilities, heights, rtol=1e-9)
    centres = [x[oracle.predict(x).round(12) == height].mean() for height in heights]
    np.testing.assert_allclose(curve.logits, centres, atol=1e-9)


def test_temperature_is_the_best_single_slope() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 1.5, 4000)
    truth = (random.random(4000) < sigmoid(logits)).astype(float)

    def cost(slope: float) -> float:
        return float(
            np.logaddexp(0, slope * 4 * logits).sum() - (truth * slope * 4 * logits).sum()
        )

    oracle = minimize_scalar(cost, bounds=(0.01, 5), method="bounded").x
    assert fit_temperature(4 * logits, truth) == pytest.approx(oracle, rel=0.02)
    assert oracle == pytest.approx(0.25, rel=0.1)


def test_isotonic_repairs_what_a_sigmoid_cannot() -> None:
    platt, isotonic = (
        fit_scaling(*bent_rows(4000, 0), method) for method in ("platt", "isotonic")
    )
    logits, truth = bent_rows(4000, 1)
    by_platt = expected_calibration_error(truth, platt.probabilities(logits)).mean()
    by_isotonic = expected_calibration_error(truth, isotonic.probabilities(logits)).mean()
    assert by_isotonic < 0.03 < 0.5 * by_platt + 0.01
    assert by_isotonic < 0.6 * by_platt


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-30, 30), st.booleans()), min_size=1, max_size=60),
    st.sampled_from(METHODS),
)
def test_every_map_keeps_order_and_stays_inside_0_and_1(
    rows: list[tuple[float, bool]], method: str
) -> None:
    logits = np.array([[x] for x, _ in rows])
    truth = np.array([[float(y)] for _, y in rows])
    places = np.linspace(-35, 35, 400)[:, None]
    if method == "isotonic":
        curve = fit_isotonic(logits[:, 0], truth[:, 0])
        mapped = np.interp(places[:, 0], curve.logits, curve.probabilities)
        # Never surer than Laplace's rule for all rows at once.
        assert mapped.min() >= 1 / (len(rows) + 2) - 1e-12
        assert mapped.max() <= (len(rows) + 1) / (len(rows) + 2) + 1e-12
    mapped = fit_scaling(logits, truth, method).probabilities(places)[:, 0]
    assert (np.diff(mapped) >= 0).all()
    assert ((mapped >= 0) & (mapped <= 1)).all()


def test_between_the_ends_of_a_curve_order_is_strict() -> None:
    logits, truth = bent_rows(1000, 0)
    curve = fit_isotonic(logits[:, 0], truth[:, 0])
    inside = np.linspace(curve.logits[0], curve.logits[-1], 500)
    assert (np.diff(np.interp(inside, curve.logits, curve.probabilities)) > 0).all()


def test_a_label_with_few_positives_keeps_its_platt_scaling() -> None:
    logits, truth = bent_rows(500, 0)
    truth[:, 1] = 0
    truth[np.argsort(logits[:, 1])[-19:], 1] = 1
    scaling = fit_scaling(logits, truth, "isotonic")
    common, rare = scaling.curves
    assert common is not None
    assert rare is None
    expected = sigmoid(scaling.slope[1] * logits[:, 1] + scaling.offset[1])
    np.testing.assert_array_equal(scaling.probabilities(logits)[:, 1], expected)
    assert (scaling.slope[1], scaling.offset[1]) == fit_platt(logits[:, 1], truth[:, 1])


@pytest.mark.parametrize("method", METHODS)
def test_more_axes_are_more_rows(method: str) -> None:
    scaling = fit_scaling(*bent_rows(500, 0), method)
    passes = np.random.default_rng(0).normal(size=(4, 5, 2))
    flat = scaling.probabilities(passes.reshape(20, 2))
    np.testing.assert_array_equal(scaling.probabilities(passes), flat.reshape(4, 5, 2))


@pytest.mark.parametrize("method", METHODS)
def test_one_row_constant_logits_and_a_label_never_present(method: str) -> None:
    one = fit_set(np.array([[2.0, -1.0]]), np.array([[1.0, 0.0]]), np.ones((1, 2)), method=method)
    assert ((one.probabilities(np.zeros((3, 2))) > 0) & (one.threshold[0] > 0)).all()

    logits = np.full((200, 2), 0.7)
    truth = np.zeros((200, 2))
    truth[:60, 0] = 1
    constant = fit_set(logits, truth, np.ones((200, 2)), method=method)
    often, never = constant.probabilities(logits)[0]
    # One slope at a logit of 0.7 cannot say 0.3: a temperature never crosses one half.
    assert often == pytest.approx(0.5 if method == "temperature" else 0.3, abs=0.03)
    assert 0 < never < (0.55 if method == "temperature" else 0.05)


def test_without_any_positive_a_curve_says_what_laplace_says() -> None:
    curve = fit_isotonic(np.linspace(-3, 3, 98), np.zeros(98))
    assert curve.probabilities == pytest.approx((0.01,))


@pytest.mark.parametrize(
    ("logits", "probabilities"),
    [
        ((), ()),
        ((1.0,), (0.5, 0.6)),
        ((1.0, 1.0), (0.5, 0.6)),
        ((0.0, 1.0), (0.6, 0.5)),
        ((0.0,), (0.0,)),
        ((0.0,), (1.0,)),
        ((0.0,), (float("nan"),)),
    ],
)
def test_what_is_no_curve_is_refused(
    logits: tuple[float, ...], probabilities: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="curve"):
        Curve(logits, probabilities)


def test_matrix_hears_what_rivals_say_and_platt_cannot() -> None:
    random = np.random.default_rng(5)
    truth = np.eye(3)[random.integers(0, 3, 3000)][:, :2]
    logits = 3 * truth - 1.5 + random.normal(scale=1.5, size=truth.shape)
    held, fitted = slice(1500, None), slice(1500)
    likelihood = {}
    for method in ("platt", "matrix"):
        scaling = fit_scaling(logits[fitted], truth[fitted], method)
        found = scaling.probabilities(logits[held])
        likelihood[method] = np.log(np.where(truth[held] == 1, found, 1 - found)).mean()
    assert likelihood["matrix"] > likelihood["platt"] + 0.01
    assert np.all(np.diag(np.array(scaling.others)) == 0)
    assert np.array(scaling.others)[0, 1] < 0


def test_matrix_learns_little_from_few_rows() -> None:
    random = np.random.default_rng(6)
    logits, truth = random.normal(size=(30, 4)), random.integers(0, 2, (30, 4)).astype(float)
    assert np.abs(fit_scaling(logits, truth, "matrix").others).max() < 0.7


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_where_nobody_was_asked_nothing_is_learned(method: str) -> None:
    logits, truth = bent_rows(1500, 0)
    deviation = np.random.default_rng(0).uniform(1, 2, logits.shape)
    truth[1000:, 1] = np.nan
    asked = (logits[:1000], truth[:1000], deviation[:1000])
    how = {"method": method, "target": Target("label-f1")}
    some, whole = fit_set(*asked, **how), fit_set(logits, truth, deviation, **how)
    for name in ("slope", "offset", "threshold", *(["curves"] if method == "isotonic" else [])):
        assert getattr(whole, name)[1] == getattr(some, name)[1]
        assert getattr(whole, name)[0] != getattr(some, name)[0] or name == "offset"
    assert np.isfinite(whole.aleatoric(deviation)).all()
    truth[:, 1] = np.nan
    with pytest.raises(ValueError, match="nobody was asked"):
        fit_set(logits, truth, deviation, **how)


def test_an_unasked_label_counts_neither_for_nor_against_the_others() -> None:
    logits, truth = bent_rows(1500, 0)
    probabilities, hidden = sigmoid(logits), truth.copy()
    hidden[1000:] = np.nan
    for target in ("f1", "micro-f1", "top-1"):
        np.testing.assert_array_equal(
            choose_thresholds(probabilities, hidden, target=Target(target)),
            choose_thresholds(probabilities[:1000], truth[:1000], target=Target(target)),
        )


@pytest.mark.parametrize("method", METHODS)
def test_widened_probabilities_lie_on_a_line_over_their_log_odds(method: str) -> None:
    logits, truth = bent_rows(600, 0)
    deviation = np.ones_like(logits)
    widening = Widening(0.6, (-0.2, 0.3))
    plain = fit_set(logits, truth, deviation, method=method)
    wide = fit_set(logits, truth, deviation, method=method, widening=widening)
    # Between the knots of a curve, heights are joined by lines, which do not widen to lines.
    places = logits if method != "isotonic" else np.transpose([c.logits[:8] for c in plain.curves])
    before = plain.probabilities(places)
    expected = sigmoid(0.6 * np.log(before / (1 - before)) + np.array(widening.offset))
    np.testing.assert_allclose(wide.probabilities(places), expected, atol=1e-9)
    # What follows from probabilities follows from these.
    misses = np.abs(wide.probabilities(logits) - truth)
    assert wide.aleatoric(deviation).mean() == pytest.approx(misses.mean(), abs=0.02)


def test_thresholds_are_chosen_on_the_rows_that_are_to_choose() -> None:
    logits, truth = bent_rows(1000, 0)
    chosen = np.repeat(np.flatnonzero(truth.any(axis=1)), 3)
    some = fit_set(logits, truth, np.ones_like(logits), choosing=chosen)
    whole = fit_set(logits, truth, np.ones_like(logits))
    assert some.slope == whole.slope
    scaled = whole.probabilities(logits)
    assert some.threshold == tuple(choose_thresholds(scaled[chosen], truth[chosen]))
    assert some.threshold != whole.threshold
