"""The head as one graph: it says what the model and its calibration say apart."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.models.batch import Batch
from lddu_pipe.models.calibration import (
    NEVER,
    QUANTILES,
    Calibration,
    Curve,
    SetCalibration,
    apply_calibration,
    set_name,
)
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.graph import CalibratedHead, HeadOutput, Ramps
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.scoring import score_batch
from lddu_pipe.types import MODALITIES

SIZES = {"text": 12, "audio": 7, "vision": 5}
LABELS = 3
SETS = [
    tuple(name for name, here in zip(MODALITIES, chosen, strict=True) if here)
    for chosen in product((False, True), repeat=3)
    if any(chosen)
]


def any_calibration(seed: int = 0, **changes: object) -> Calibration:
    random = np.random.default_rng(seed)
    sets = {}
    for modalities in SETS:
        quantiles = np.sort(random.uniform(0.2, 1.5, (LABELS, QUANTILES)))
        item = SetCalibration(
            slope=tuple(random.uniform(0.5, 2, LABELS)),
            offset=tuple(random.normal(size=LABELS)),
            threshold=tuple(random.uniform(0.2, 0.6, LABELS)),
            deviation_quantiles=tuple(map(tuple, quantiles)),
            deviation_errors=tuple(map(tuple, np.sort(random.random((LABELS, QUANTILES))))),
            abstain_above=float(random.uniform(0.1, 0.4)),
            rows=100,
        )
        sets[set_name(modalities)] = replace(item, **changes)
    return Calibration(sets, tuple(random.uniform(0.1, 0.5, LABELS)))


@pytest.fixture(scope="module")
def model() -> LDDUModel:
    torch.manual_seed(0)
    config = LDDUConfig(
        feature_sizes=SIZES,
        labels=["a", "b", "c"],
        hidden_size=16,
        latent_size=8,
        encoder_layers=dict.fromkeys(MODALITIES, 1),
        attention_heads=4,
        feed_forward_size=32,
        statistics_pooling=True,
    )
    return LDDUModel(config).eval()


def every_set(seed: int = 0):
    """A row for each set of modalities, and one without any."""
    generator = torch.Generator().manual_seed(seed)
    values, masks = {}, {}
    for index, (name, size) in enumerate(SIZES.items()):
        here = torch.tensor([name in modalities for modalities in [*SETS, ()]])
        lengths = torch.randint(1, 6 + index, (len(here),), generator=generator) * here
        masks[name] = torch.arange(6 + index) < lengths[:, None]
        drawn = torch.randn(len(here), 6 + index, size, generator=generator)
        values[name] = drawn * masks[name][:, :, None]
    return values, masks


def arguments(values, masks):
    return [item for name in MODALITIES for item in (values[name], masks[name])]


MATRIX = tuple(map(tuple, np.array([[0, 0.3, -0.2], [0.1, 0, 0.4], [-0.3, 0.2, 0]]).tolist()))
CURVE = Curve((-0.5, -0.1, -0.0999, 0.6), (0.1, 0.3, 0.7, 0.9))
VARIANTS = {
    "platt": {},
    "matrix": {"others": MATRIX, "method": "matrix"},
    "isotonic": {"curves": (CURVE, None, CURVE), "method": "isotonic"},
    "one curve of one knot": {"curves": (None, Curve((0.1,), (0.4,)), None)},
    "by width": {"abstain_aleatoric": 0.5, "abstain_above": 1.0},
    "never": {"threshold": (NEVER, 0.2, NEVER), "offset": (50.0, 0.0, 50.0)},
}


@torch.inference_mode()
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_it_says_what_model_and_calibration_say(model: LDDUModel, variant: dict) -> None:
    calibration = any_calibration(**variant)
    values, masks = every_set()
    found = HeadOutput(
        *map(torch.Tensor.numpy, CalibratedHead(model, calibration)(*arguments(values, masks)))
    )
    raw = score_batch(model, Batch(values, masks), passes=0)
    np.testing.assert_allclose(found.logits, raw.logits, atol=2e-6)
    np.testing.assert_allclose(found.deviation, raw.deviation, atol=2e-6)
    own = replace(raw, logits=found.logits, deviation=found.deviation)
    expected = apply_calibration(own, calibration)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
    np.testing.assert_allclose(found.aleatoric, expected.aleatoric, atol=1e-5)
    assert (found.decisions == expected.decisions).all()
    assert (found.abstained == expected.abstained).all()
    assert (found.probabilities[-1] == np.float32(calibration.base_rates)).all()
    assert not found.decisions[-1].any()
    assert found.abstained[-1]
    assert (found.aleatoric[-1] == 0.5).all()


@torch.inference_mode()
def test_no_steps_are_as_good_as_padding(model: LDDUModel) -> None:
    head = CalibratedHead(model, any_calibration())
    values, masks = every_set()
    masks["audio"][:] = False
    padded = head(*arguments(values, masks))
    values["audio"], masks["audio"] = values["audio"][:, :0], masks["audio"][:, :0]
    for before, after in zip(padded, head(*arguments(values, masks)), strict=True):
        assert torch.equal(before, after)


def test_every_set_needs_a_calibration(model: LDDUModel) -> None:
    whole = any_calibration()
    sets = {name: item for name, item in whole.sets.items() if name != "text+vision"}
    with pytest.raises(IncompatibleModelError, match=r"no calibration for text\+vision"):
        CalibratedHead(model, Calibration(sets, whole.base_rates))


@given(
    st.lists(
        st.tuples(st.floats(-5, 5, width=32), st.floats(0, 1)),
        min_size=1,
        max_size=8,
        unique_by=lambda knot: round(knot[0], 3),
    ),
    st.lists(st.floats(-6, 6, width=32), min_size=1, max_size=5),
)
def test_ramps_are_interpolation(knots: list, values: list) -> None:
    places = sorted(place for place, _ in knots)
    heights = sorted(height for _, height in knots)
    ramps = Ramps([[(places, heights)]], nothing=0.25, dtype=torch.float64)
    column = torch.tensor(values)[:, None]
    line = ramps(column, torch.ones(len(values), dtype=torch.long))
    expected = np.interp(column.double().numpy(), places, heights)
    np.testing.assert_allclose(line, expected, atol=1e-6)
    level = ramps(column, torch.zeros(len(values), dtype=torch.long))
    assert (level == 0.25).all()
