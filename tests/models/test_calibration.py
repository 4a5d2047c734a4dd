"""Calibration: probabilities that mean what they say, order kept, files that round-trip."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.metrics import expected_calibration_error
from lddu_pipe.models.calibration import (
    Calibration,
    choose_thresholds,
    expected_error,
    fit_platt,
    fit_set,
    set_name,
    sigmoid,
)
from lddu_pipe.models.calibration.fitting import errors_by_deviation
from lddu_pipe.models.calibration.sets import QUANTILES


def overconfident_rows(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits three times too large and shifted, the truth, and widths."""
    random = np.random.default_rng(seed)
    true_logits = random.normal(-1, 1.5, (rows, 2))
    truth = random.random((rows, 2)) < sigmoid(true_logits)
    return 3 * true_logits + 2, truth.astype(float), random.uniform(0.1, 1, (rows, 2))


def test_platt_agrees_with_logistic_regression() -> None:
    logits, truth, _ = overconfident_rows(4000, 0)
    slope, offset = fit_platt(logits[:, 0], truth[:, 0])
    oracle = LogisticRegression(C=1e9).fit(logits[:, :1], truth[:, 0])
    assert slope == pytest.approx(oracle.coef_[0, 0], rel=0.02)
    assert offset == pytest.approx(oracle.intercept_[0], rel=0.02)


def test_calibration_error_falls_on_rows_that_were_not_used() -> None:
    calibration = fit_set(*overconfident_rows(4000, 0))
    logits, truth, _ = overconfident_rows(4000, 1)
    before = expected_calibration_error(truth, sigmoid(logits)).mean()
    after = expected_calibration_error(truth, calibration.probabilities(logits)).mean()
    assert before > 0.1
    assert after < 0.03


def test_a_label_that_is_never_present_stays_possible() -> None:
    slope, offset = fit_platt(np.linspace(-3, 0, 50), np.zeros(50))
    assert slope > 0
    assert 0 < sigmoid(np.array(slope * -3 + offset)) < 0.1


def test_thresholds_beat_one_half_and_match_an_exhaustive_search() -> None:
    random = np.random.default_rng(3)
    truth = random.random((800, 2)) < [0.1, 0.3]
    probabilities = np.clip(0.25 * truth + random.normal(0.2, 0.12, truth.shape), 0, 1)
    chosen = choose_thresholds(probabilities, truth)

    def score(thresholds: np.ndarray) -> float:
        decided = probabilities >= thresholds
        micro = f1_score(truth, decided, average="micro")
        return float(micro + f1_score(truth, decided, average="macro"))

    # All pairs of thresholds at once: counts of a label depend on its own threshold alone.
    grid = np.linspace(0.1, 0.7, 61)
    decided = probabilities >= grid[:, None, None]
    hits = (decided & truth).sum(axis=1)
    sums = decided.sum(axis=1) + truth.sum(axis=0)
    micro = 2 * (hits[:, None, 0] + hits[:, 1]) / (sums[:, None, 0] + sums[:, 1])
    own = 2 * hits / sums
    scores = micro + (own[:, None, 0] + own[:, 1]) / 2
    assert scores[20, 30] == pytest.approx(score(grid[[20, 30]]))
    best = scores.max()
    assert score(chosen) == pytest.approx(best, abs=0.01)
    assert score(chosen) > score(np.array([0.5, 0.5]))


def test_aleatoric_is_the_error_to_be_expected_at_this_sigma() -> None:
    """Sigma tells how far the probability is from 0.5, and so how large its error will be."""

    def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        random = np.random.default_rng(seed)
        sharpness = random.uniform(0, 4, (count, 2))
        logits = sharpness * random.choice([-1, 1], (count, 2))
        truth = (random.random((count, 2)) < sigmoid(logits)).astype(float)
        return logits, truth, np.exp(-sharpness)

    fitted = fit_set(*rows(20_000, 0))
    logits, truth, deviation = rows(20_000, 1)
    found = fitted.aleatoric(deviation)
    error = np.abs(truth - fitted.probabilities(logits))
    for low, high in ((0.0, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5)):
        chosen = (found >= low) & (found < high)
        assert chosen.sum() > 500
        assert error[chosen].mean() == pytest.approx(found[chosen].mean(), abs=0.02)
    order = np.argsort(deviation[:, 0])
    assert (np.diff(found[order, 0]) >= 0).all()


def errors_at_quantiles(deviation: np.ndarray, errors: np.ndarray) -> np.ndarray:
    places = np.quantile(deviation, np.linspace(0, 1, QUANTILES))
    return errors_by_deviation(deviation, errors, places)


def test_aleatoric_of_a_sigma_that_says_nothing_is_the_mean_error() -> None:
    random = np.random.default_rng(0)
    errors = random.uniform(0, 0.4, 5000)
    curve = errors_at_quantiles(random.random(5000), errors)
    np.testing.assert_allclose(curve[2:-2], 0.2, atol=0.03)
    falling = errors_at_quantiles(-errors, errors)  # the wrong way round: never falls all the same
    np.testing.assert_allclose(falling, errors.mean(), atol=1e-3)


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_few_rows_have_errors_too(rows: int) -> None:
    errors = np.linspace(0.0, 0.2, rows)
    curve = errors_at_quantiles(np.arange(rows, dtype=float), errors)
    assert (np.diff(curve) >= 0).all()
    # Few rows without an error do not promise that there will be none.
    assert 1 / (rows + 2) / 2 < curve.min() <= curve.max() < 1


def test_rows_of_the_same_deviation_are_doubted_alike() -> None:
    errors = np.tile([0.0, 0.6], 500)
    curve = errors_at_quantiles(np.ones(1000), errors)
    np.testing.assert_allclose(curve, 0.3, atol=1e-3)


def test_abstaining_rows_are_the_share_asked_for_and_wrong_more_often() -> None:
    logits, truth, deviation = overconfident_rows(5000, 0)
    calibration = fit_set(logits, truth, deviation, abstain_share=0.2)
    logits, truth, _ = overconfident_rows(5000, 1)
    probabilities = calibration.probabilities(logits)
    silent = calibration.abstains(probabilities)
    wrong = (calibration.decide(probabilities) != truth.astype(bool)).mean(axis=1)
    assert silent.mean() == pytest.approx(0.2, abs=0.03)
    assert wrong[silent].mean() > 1.3 * wrong[~silent].mean()


def test_a_row_whose_distributions_are_all_wide_is_not_answered(tmp_path: Path) -> None:
    logits, truth, deviation = overconfident_rows(1000, 0)
    fitted = fit_set(logits, truth, deviation, unclear_share=0.1)
    assert fitted.abstain_aleatoric is not None
    means = fitted.aleatoric(deviation).mean(axis=1)
    assert np.mean(means > fitted.abstain_aleatoric) == pytest.approx(0.1, abs=0.01)
    fitted = replace(fitted, abstain_above=1.0, abstain_aleatoric=0.9)
    probabilities = fitted.probabilities(np.full((2, 2), 9.0))
    aleatoric = np.array([[0.95, 0.95], [0.95, 0.7]])
    assert fitted.abstains(probabilities, aleatoric).tolist() == [True, False]
    assert not fitted.abstains(probabilities).any()
    Calibration({"text": fitted}, (0.1, 0.2)).save(tmp_path)
    assert Calibration.load(tmp_path).of(("text",)) == fitted


def test_expected_error_is_the_doubt_of_the_decisions() -> None:
    error = expected_error(np.array([[0.9, 0.2]]), np.array([[True, False]]))
    assert error[0] == pytest.approx((0.1 + 0.2) / 2)


def test_set_names_follow_the_order_of_modalities() -> None:
    assert set_name(("vision", "text")) == "text+vision"


def test_files_round_trip_and_damage_is_named(tmp_path: Path) -> None:
    fitted = fit_set(*overconfident_rows(100, 0))
    calibration = Calibration({"text": fitted}, (0.1, 0.2))
    calibration.save(tmp_path)
    assert Calibration.load(tmp_path) == calibration
    with pytest.raises(IncompatibleModelError, match=r"audio.*has: text"):
        calibration.of(("audio",))
    (tmp_path / "calibration.json").write_text(
        '{"sets": {"text": {"slope": 3}}, "base_rates": []}'
    )
    with pytest.raises(IncompatibleModelError, match="damaged"):
        Calibration.load(tmp_path)
    with pytest.raises(IncompatibleModelError, match="missing"):
        Calibration.load(tmp_path / "nowhere")


def test_files_from_before_methods_and_label_sets_still_load(tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text(
        """{"sets": {"text": {"slope": [0.5], "offset": [-1.0], "threshold": [0.3],
        "deviation_quantiles": [[0.1, 0.2]], "abstain_above": 0.25, "rows": 7}},
        "base_rates": [0.1]}"""
    )
    old = Calibration.load(tmp_path).of(("text",))
    assert (old.method, old.curves, old.coverage) == ("platt", (), None)
    assert old.probabilities(np.array([[2.0]])) == sigmoid(np.array([[0.0]]))
    assert old.label_set(np.array([[0.5]])) is None
    with pytest.raises(IncompatibleModelError, match="calibrate` on the model again"):
        old.aleatoric(np.array([[0.1]]))


def test_a_plain_calibration_is_written_with_the_plain_fields(tmp_path: Path) -> None:
    Calibration({"text": fit_set(*overconfident_rows(100, 0))}, (0.1, 0.2)).save(tmp_path)
    written = json.loads((tmp_path / "calibration.json").read_text())["sets"]["text"]
    assert list(written) == [
        *("slope", "offset", "threshold", "deviation_quantiles", "abstain_above", "rows"),
        "deviation_errors",
    ]


@pytest.mark.parametrize(
    "change",
    [{"method": "magic"}, {"curves": [{"logits": [1, 0], "probabilities": [0.2, 0.3]}]}, {"x": 1}],
)
def test_a_damaged_set_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    Calibration({"text": fit_set(*overconfident_rows(100, 0))}, (0.1, 0.2)).save(tmp_path)
    content = json.loads((tmp_path / "calibration.json").read_text())
    content["sets"]["text"] |= change
    (tmp_path / "calibration.json").write_text(json.dumps(content))
    with pytest.raises(IncompatibleModelError, match="damaged"):
        Calibration.load(tmp_path)
