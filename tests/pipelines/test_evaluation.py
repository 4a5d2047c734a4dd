"""Intervals of figures, and whether a model is better than base rates."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lddu_pipe import metrics
from lddu_pipe.pipelines.evaluation import evaluate_answers, with_intervals
from lddu_pipe.predictions import ScaleAnswers

RATES = (0.5, 0.25, 0.1)


def evaluated(answers, rates=RATES):
    return evaluate_answers(
        answers, thresholds=np.full(answers.truth.shape, 0.3), base_rates=rates
    )


def test_intervals_stand_beside_figures_and_hold_them(make_answers) -> None:
    found = evaluated(make_answers())
    figures = with_intervals(found)
    assert {key: figures[key] for key in found.figures} == found.figures
    intervals = figures["intervals"]
    scored = {key for key, value in figures.items() if isinstance(value, float)}
    assert intervals.keys() - {"per_label"} == (scored - {"ece"}) | {
        "brier_minus_base_rates",
        "macro_f1_minus_base_rates",
    }
    for key in scored - {"ece"}:
        low, high = intervals[key]
        assert low <= figures[key] <= high
    assert intervals["per_label"]["sad"].keys() == figures["per_label"]["sad"].keys() - {
        *("support", "ece", "threshold")
    }
    assert figures["resampling"] == {
        **{"level": 0.95, "resamples": 1000, "seed": 0, "units": "speakers", "count": 12}
    }
    assert with_intervals(found) == figures
    json.dumps(figures, allow_nan=False)


@pytest.mark.parametrize(("skill", "better"), [(0.6, True), (0.1, False)])
def test_a_model_is_better_than_base_rates_or_it_is_not(make_answers, skill, better) -> None:
    answers = make_answers(skill=skill)
    figures = with_intervals(evaluated(answers))
    assert figures["better_than_base_rates"] is better
    squares = ((np.array(RATES) - answers.truth) ** 2).mean()
    assert figures["brier_of_base_rates"] == pytest.approx(squares)
    low, high = figures["intervals"]["brier_minus_base_rates"]
    assert low < figures["brier"] - squares < high
    # At thresholds of 0.3 these rates say "happy" to all rows, and nothing else.
    happy = answers.truth[:, 0].mean()
    assert figures["macro_f1_of_base_rates"] == pytest.approx(2 * happy / (1 + happy) / 3)


def test_whoever_answers_base_rates_is_no_better(make_answers) -> None:
    answers = make_answers(probabilities=np.tile(RATES, (120, 1)))
    assert with_intervals(evaluated(answers))["better_than_base_rates"] is False


def test_one_row_tells_nothing(make_answers) -> None:
    figures = with_intervals(evaluated(make_answers(rows=1)))
    assert figures["better_than_base_rates"] is None
    assert figures["intervals"]["micro_f1"] is None


def test_scales_have_figures_and_intervals_that_hold_them(make_answers) -> None:
    answers = make_answers()
    random = np.random.default_rng(0)
    truth = random.uniform(-1, 1, (120, 3))
    values = 0.5 * truth + 0.2 + random.normal(0, 0.1, truth.shape)
    truth[::3, 0] = values[1::3, 0] = truth[:, 2] = np.nan
    low, high = values - 0.5, values + 0.5
    low[:, 1] = high[:, 1] = np.nan
    scales = ScaleAnswers(("valence", "arousal", "other"), truth, values, low, high)
    thresholds = np.full(answers.truth.shape, 0.3)
    found = evaluate_answers(answers, thresholds=thresholds, base_rates=RATES, scales=scales)
    per_scale = found.figures["per_scale"]
    x, y = truth[2::3, 0], values[2::3, 0]
    assert per_scale["valence"] == {
        "n": 40,
        "ccc": pytest.approx(
            2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        ),
        "mae": pytest.approx(np.abs(x - y).mean()),
        "covered": pytest.approx((np.abs(x - y) <= 0.5).mean()),
        "width": pytest.approx(1.0),
    }
    assert per_scale["arousal"]["covered"] is per_scale["arousal"]["width"] is None
    assert set(per_scale["other"].values()) == {0, None}
    intervals = with_intervals(found)["intervals"]["per_scale"]
    for name, figure in (("valence", "ccc"), ("valence", "covered"), ("arousal", "mae")):
        low_end, high_end = intervals[name][figure]
        assert low_end < per_scale[name][figure] < high_end
    counts = random.integers(0, 3, (2, 120))
    drawn = metrics.scale_figures(
        *(truth[:, 0], values[:, 0], low[:, 0], high[:, 0]), counts=counts
    )
    again = np.repeat(np.arange(120), counts[1])
    for name, value in metrics.scale_figures(
        *(truth[again, 0], values[again, 0], low[again, 0], high[again, 0])
    ).items():
        assert drawn[name][1] == pytest.approx(value[0])
