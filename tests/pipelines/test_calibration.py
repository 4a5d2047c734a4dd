"""All seven sets get a calibration, and the report tells what it is worth on unseen rows."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.models.calibration import (
    METHODS,
    Calibration,
    Target,
    fit_set,
    parse_target,
    set_name,
    sigmoid,
)
from lddu_pipe.pipelines.calibration import fit_calibration
from lddu_pipe.types import MODALITIES

ALL = {set_name(chosen) for size in (1, 2, 3) for chosen in combinations(MODALITIES, size)}


def rows(count: int, seed: int, *, present: tuple[bool, ...] = (True, True, True)) -> tuple:
    """Logits twice too large and shifted, the truth, widths and present modalities."""
    random = np.random.default_rng(seed)
    true_logits = random.normal([-2, -0.5, -1.5], 1.5, (count, 3))
    truth = (random.random((count, 3)) < sigmoid(true_logits)).astype(float)
    return 2 * true_logits + 1, truth, random.random((count, 3)), np.tile(present, (count, 1))


def joined(*parts: tuple) -> tuple:
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_every_set_is_filled_and_small_ones_take_all_rows(method: str) -> None:
    data = joined(
        rows(900, 0),
        rows(600, 1, present=(True, False, False)),
        rows(20, 2, present=(False, True, False)),
    )
    calibration, reports = fit_calibration(*data, method=method)
    assert set(calibration.sets) == set(reports) == ALL
    assert {name: report.rows for name, report in reports.items() if report.rows} == {
        "text+audio+vision": 900,
        "text": 600,
        "audio": 20,
    }
    assert {name for name, report in reports.items() if not report.pooled} == {
        "text+audio+vision",
        "text",
    }
    assert calibration.sets["audio"] == calibration.sets["audio+vision"]
    assert calibration.sets["audio"].rows == 1520
    assert calibration.base_rates == pytest.approx(tuple(data[1].mean(axis=0)))
    for report in reports.values():
        # The logits are shifted, too, which a temperature cannot undo.
        gain = 0.9 if method == "temperature" else 0.7
        assert np.mean(report.ece_after) < gain * np.mean(report.ece_before)
        assert report.answered == pytest.approx(0.95, abs=0.03)
        assert report.covered is None


def test_without_promises_a_set_is_fitted_on_all_of_its_rows() -> None:
    data = rows(400, 0)
    calibration, _ = fit_calibration(*data, target=Target("label-f1"))
    expected = fit_set(*data[:3], target=Target("label-f1"))
    assert calibration.of(MODALITIES) == expected


def test_the_error_after_calibration_is_that_of_unseen_rows() -> None:
    # Nothing can be learned, so a curve fits noise: on its own rows it would look perfect.
    random = np.random.default_rng(0)
    data = (random.normal(size=(300, 3)), (random.random((300, 3)) < 0.5).astype(float))
    _, reports = fit_calibration(
        *data, np.ones((300, 3)), np.ones((300, 3), bool), method="isotonic"
    )
    # About 0.8 * sqrt(15 * 0.25 / 300) is what perfect probabilities show.
    assert np.mean(reports["text+audio+vision"].ece_after) > 0.06


def test_a_risk_is_kept_and_its_cost_is_reported() -> None:
    calibration, reports = fit_calibration(*rows(3000, 0), risk=0.12)
    report = reports["text+audio+vision"]
    assert report.risk is not None
    assert report.risk <= 0.12
    assert 0.1 < report.answered < 0.9
    logits, truth, _, _ = rows(20_000, 1)
    fitted = calibration.of(MODALITIES)
    probabilities = fitted.probabilities(logits)
    answered = ~fitted.abstains(probabilities)
    wrong = fitted.decide(probabilities) != truth.astype(bool)
    assert wrong[answered].mean() <= 0.13
    assert answered.mean() == pytest.approx(report.answered, abs=0.05)
    assert fitted.label_set(probabilities) is None


def test_a_coverage_is_kept_on_rows_that_were_not_used() -> None:
    rates = []
    logits, truth, _, _ = rows(4000, 999)
    for seed in range(15):
        calibration, reports = fit_calibration(*rows(300, seed), coverage=0.8, method="isotonic")
        fitted = calibration.of(MODALITIES)
        assert fitted.coverage == 0.8
        members = fitted.label_set(fitted.probabilities(logits))
        assert members is not None
        rates.append((members | (truth < 0.5)).all(axis=1).mean())
        report = reports["text+audio+vision"]
        assert report.covered is not None
        assert report.covered >= 0.8
        assert report.label_set_size == pytest.approx(members.sum(axis=1).mean(), abs=0.4)
    assert np.mean(rates) == pytest.approx(0.805, abs=0.025)


def test_what_is_asked_for_survives_the_file(tmp_path: Path) -> None:
    calibration, _ = fit_calibration(
        *rows(500, 0),
        method="isotonic",
        target=parse_target("precision:0.6"),
        risk=0.2,
        coverage=0.9,
    )
    calibration.save(tmp_path)
    loaded = Calibration.load(tmp_path)
    assert loaded == calibration
    logits = rows(50, 1)[0]
    for name, fitted in calibration.sets.items():
        probabilities = fitted.probabilities(logits)
        np.testing.assert_array_equal(loaded.sets[name].probabilities(logits), probabilities)
        np.testing.assert_array_equal(
            loaded.sets[name].label_set(probabilities), fitted.label_set(probabilities)
        )


def test_groups_stay_in_one_half() -> None:
    # Every row comes eight times: without groups a half has seen the other.
    once = rows(60, 0)
    noise = np.random.default_rng(0).random(once[1].shape) < 0.5
    copies = [np.repeat(array, 8, axis=0) for array in (once[0], noise, *once[2:])]
    _, naive = fit_calibration(*copies, method="isotonic")
    _, grouped = fit_calibration(*copies, method="isotonic", groups=np.repeat(range(60), 8))
    name = "text+audio+vision"
    assert np.mean(grouped[name].ece_after) > 1.3 * np.mean(naive[name].ece_after)
    with pytest.raises(UnusableInputError, match="two groups"):
        fit_calibration(*copies, groups=["one"] * 480)


def test_equal_input_gives_equal_calibrations() -> None:
    first, second = (fit_calibration(*rows(200, 0), risk=0.3, seed=4) for _ in range(2))
    assert first == second


def test_wrong_use_is_named() -> None:
    with pytest.raises(UnusableInputError, match="at least 50 labelled rows, got 1"):
        fit_calibration(*rows(1, 0))
    with pytest.raises(UnusableInputError, match=r"^text: .*best reachable"):
        fit_calibration(*rows(200, 0, present=(True, False, False)), risk=0.001)
    with pytest.raises(UnusableInputError, match="coverage lies above 0 and below 1, got 90"):
        fit_calibration(*rows(200, 0), coverage=90)
    logits, truth, deviation, present = rows(200, 0)
    with pytest.raises(UnusableInputError, match="got 0"):
        fit_calibration(logits, truth, deviation, ~present)
    with pytest.raises(ValueError, match="NaN"):
        fit_calibration(logits * np.nan, truth, deviation, present)
    with pytest.raises(ValueError, match="one shape"):
        fit_calibration(logits[:, :2], truth, deviation, present)


def test_two_rows_are_enough_where_that_is_asked_for() -> None:
    calibration, reports = fit_calibration(*rows(2, 0), minimum_rows=2, coverage=0.9)
    assert reports["text+audio+vision"].label_set_size == 3  # too few rows: every label
    assert calibration.of(("vision",)).conformal_threshold == 1.0


def test_rows_without_any_modality_are_left_out() -> None:
    data = rows(100, 0)
    nothing = rows(30, 1, present=(False, False, False))
    nothing[0][:] = np.nan
    assert fit_calibration(*joined(data, nothing)) == fit_calibration(*data)
