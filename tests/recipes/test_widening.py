"""How much less certain the default model's recipe makes a model for data of another kind."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.models.calibration import sigmoid

RECIPE = Path(__file__).parents[2] / "recipes" / "lddu-base-en"
sys.path.append(str(RECIPE))

from widening import Part, Reader, measure  # noqa: E402

ROWS, LABELS = 3000, 3


def part(corpus: str, certainty: float, seed: int) -> Part:
    """Rows whose log-odds are `certainty` times as large as is right; nobody asked for a label."""
    random = np.random.default_rng(seed)
    odds = random.normal(-1, 2, (ROWS, LABELS))
    truth = (random.random(odds.shape) < sigmoid(odds)).astype(float)
    truth[:, 2] = np.nan
    thresholds = np.full(LABELS, 0.4)
    return Part(corpus, certainty * odds, truth, random.random(ROWS) < 0.5, thresholds)


def test_as_much_as_strangers_need_and_nothing_where_they_are_right() -> None:
    own = part("own", 1.0, 0)
    right = measure([Reader((part("a", 1.0, 1), part("b", 1.0, 2)), (own,))])
    assert right["share"] == 0
    assert right["widening"]["slope"] == 1
    sure = measure([Reader((part("a", 3.0, 3),), (own,)), Reader((part("b", 2.5, 4),), (own,))])
    assert 0 < sure["share"] < 1
    assert sure["widening"]["slope"] < 0.9
    for corpus in "ab":
        before, after = (sure[name][corpus] for name in ("before", "after"))
        assert after["ece"] < before["ece"]
        # The same decisions, as sure in their order: only how sure has changed.
        assert after["risk_at_75"] == pytest.approx(before["risk_at_75"], abs=0.1)
    shares = (0.0, sure["share"], 1.0)
    none, shipped, whole = (sure["trade"][str(share)]["left_out"] for share in shares)
    assert none["surely_wrong"] > none["sure"] / 10
    assert shipped["surely_wrong"] < min(shipped["sure"] / 8, none["surely_wrong"])
    assert whole["ece"] < 0.4 * none["ece"]  # the line of the other corpus makes either right
