"""Scores of many rows, and what calibration makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lddu_pipe.evidence import Steps
from lddu_pipe.models.batch import collate_rows
from lddu_pipe.models.calibration import Calibration, SetCalibration, apply_calibration, set_name
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.scores import RawScores
from lddu_pipe.models.scoring import score_rows
from lddu_pipe.types import MODALITIES

SIZES = {"text": 4, "audio": 3, "vision": 2}
LENGTHS = np.array([[5, 0, 2], [0, 3, 0], [1, 1, 1], [0, 0, 0], [2, 0, 9], [0, 0, 4]])


@pytest.fixture(scope="module")
def model() -> LDDUModel:
    torch.manual_seed(0)
    config = LDDUConfig(
        feature_sizes=SIZES,
        labels=["a", "b"],
        hidden_size=8,
        latent_size=4,
        encoder_layers=dict.fromkeys(MODALITIES, 1),
        attention_heads=2,
        feed_forward_size=16,
        modalities=["text", "audio"],
        scales=["valence"],
    )
    return LDDUModel(config).eval()


def scored(model: LDDUModel, batch_size: int) -> tuple[RawScores, list[list[int]]]:
    random = np.random.default_rng(0)
    rows = [
        {
            name: Steps(random.normal(size=(n, SIZES[name])).astype(np.float32), np.ones(n) > 0)
            for name, n in zip(MODALITIES, lengths, strict=True)
            if n
        }
        for lengths in LENGTHS
    ]
    asked: list[list[int]] = []

    def read(places):
        asked.append(places.tolist())
        chosen = [rows[place] for place in places]
        return collate_rows(chosen, model.config.max_steps, aligned=False)

    found = score_rows(model, LENGTHS, read, aligned=False, passes=3, batch_size=batch_size)
    return found, asked


def test_rows_are_scored_once_beside_their_like_and_in_any_batch_alike(model: LDDUModel) -> None:
    together, asked = scored(model, 2)
    # Row 3 has nothing to show, row 5 nothing that the model takes, which is known beforehand.
    assert asked == [[5], [1], [4, 0], [2]]
    assert together.present[:, :2].tolist() == (LENGTHS[:, :2] > 0).tolist()
    assert not together.present[:, 2].any()
    assert not together.logits[3].any()
    assert together.sampled.shape == (6, 3, 2)
    alone, _ = scored(model, 1)
    for name, values in vars(together).items():
        np.testing.assert_allclose(values, getattr(alone, name), atol=1e-6, err_msg=name)


def of_set(threshold: float, **limits: float) -> SetCalibration:
    knots = ((0.0, 1.0),) * 2
    shape = ((1.0, 1.0), (0.0, 0.0), (threshold, threshold), knots)
    return SetCalibration(*shape, abstain_above=1.0, rows=9, deviation_errors=knots, **limits)


def test_each_row_is_judged_by_its_own_modalities_and_rows(model: LDDUModel) -> None:
    raw, _ = scored(model, 6)
    names = [set_name(chosen) for chosen in (("text",), ("audio",), ("text", "audio"))]
    low = Calibration({name: of_set(0.0) for name in names}, (0.1, 0.2))
    limits = {"coverage": 0.9, "conformal_threshold": 1.0}
    high = Calibration({name: of_set(1.0, **limits) for name in names}, (0.3, 0.4))
    second = np.arange(6) >= 3
    found = apply_calibration(raw, [(~second, low), (second, high)], ["valence"])
    assert found.decisions.any(axis=1).tolist() == [True] * 3 + [False] * 3
    assert found.has_set.tolist() == [False] * 4 + [True, False]
    assert found.label_sets is None
    nothing = ~raw.present.any(axis=1)
    assert nothing.tolist() == found.abstained.tolist() == [False] * 3 + [True, False, True]
    assert (found.probabilities[nothing] == [0.3, 0.4]).all()
    assert (found.aleatoric[nothing] == 0.5).all()
    assert np.isnan(found.values[:, 0]).tolist() == nothing.tolist()
