"""Our dropout does what torch's does."""

from __future__ import annotations

import pytest
import torch

from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.dropout import Dropout
from lddu_pipe.models.encoders import EncoderLayer


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5])
def test_values_are_dropped_as_often_as_asked_and_the_mean_is_kept(probability: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1001, 999)  # not a multiple of four
    dropped = Dropout(probability).train()(values)
    assert (dropped == 0).float().mean().item() == pytest.approx(probability, abs=2e-3)
    assert dropped.mean().item() == pytest.approx(1.0, abs=3e-3)
    kept = dropped[dropped != 0]
    assert kept.unique().tolist() == pytest.approx([1 / (1 - probability)], rel=1e-4)
    # Neighbours share a random number, not a fate.
    pairs = (dropped[:, :-1] == 0) & (dropped[:, 1:] == 0)
    assert pairs.float().mean().item() == pytest.approx(probability**2, abs=2e-3)


def test_nothing_is_dropped_in_evaluation_and_gradients_are_masked() -> None:
    layer = Dropout(0.4)
    values = torch.ones(64, requires_grad=True)
    assert layer.eval()(values) is values
    dropped = layer.train()(values)
    dropped.sum().backward()
    assert torch.equal(values.grad, dropped.detach())


def test_a_seed_repeats_the_mask() -> None:
    layer = Dropout(0.5).train()
    torch.manual_seed(4)
    first = layer(torch.ones(50))
    torch.manual_seed(4)
    assert torch.equal(layer(torch.ones(50)), first)


def test_the_encoder_layer_is_torchs_where_nothing_is_dropped() -> None:
    torch.manual_seed(1)
    config = LDDUConfig(hidden_size=16, attention_heads=4, feed_forward_size=24, dropout=0.0)
    ours = EncoderLayer(config).train()
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).train()
    theirs.load_state_dict(ours.state_dict())
    values = torch.randn(3, 7, 16)
    padding = torch.zeros(3, 7, dtype=torch.bool)
    padding[1, 4:] = True
    torch.testing.assert_close(
        ours(values, src_key_padding_mask=padding)[~padding],
        theirs(values, src_key_padding_mask=padding)[~padding],
    )
