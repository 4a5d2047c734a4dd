"""Doubt rises when inputs are corrupted: small models, trained on toy data of varying noise.

What is found, over three seeds: with the ranking loss both doubts rise from noise 3, where the
labels are still easy to tell, to noise 10, where a quarter of the decisions is wrong. Below that
the order is not kept: an input without any noise is rarer in training than one with a little, and
some seeds doubt it more. With the published divergence loss the aleatoric doubt falls instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from lddu_pipe.models.calibration import SetCalibration, fit_set
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import (
    CalibrationLoss,
    ContrastiveQueue,
    LossWeights,
    deviation_size,
    lddu_loss,
)

pytestmark = pytest.mark.slow

SIZES = {"text": 12, "audio": 7, "vision": 5}
EASY, HARD = 3.0, 10.0
"""Noise; training rows have 0 to 10 of it."""


@dataclass(frozen=True)
class Doubt:
    """Means over rows and labels."""

    aleatoric: float
    epistemic: float
    wrong: float


def toy_rows(
    rows: int, seed: int, noise: float | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Each label adds or takes away its direction in every modality, under noise."""
    generator = torch.Generator().manual_seed(5)
    directions = {name: torch.randn(6, size, generator=generator) for name, size in SIZES.items()}
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(rows, 6, generator=generator) < 0.3).float()
    noises = 10 * torch.rand(rows, generator=generator) ** 2
    if noise is not None:
        noises = torch.full((rows,), noise)
    values = {}
    for name, size in SIZES.items():
        clean = ((2 * labels - 1) @ directions[name])[:, None]
        random = torch.randn(rows, 4, size, generator=generator)
        values[name] = clean + noises[:, None, None] * random
    return values, {name: torch.ones(rows, 4, dtype=torch.bool) for name in SIZES}, labels


def trained(loss: CalibrationLoss, seed: int) -> LDDUModel:
    torch.manual_seed(seed)
    config = LDDUConfig(
        feature_sizes=SIZES,
        hidden_size=32,
        latent_size=16,
        encoder_layers=dict.fromkeys(SIZES, 1),
        attention_heads=4,
        feed_forward_size=32,
        dropout=0.2,
    )
    model = LDDUModel(config).train()
    queue = ContrastiveQueue(256, 16)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(100):
        values, masks, labels = toy_rows(64, 1000 * seed + step)
        optimiser.zero_grad()
        output = model(values, masks)
        lddu_loss(output, labels, queue, LossWeights(contrastive=0.1), loss).total.backward()
        optimiser.step()
    return model.eval()


@torch.inference_mode()
def doubts(model: LDDUModel) -> tuple[Doubt, Doubt]:
    """Of easy and of hard rows."""
    values, masks, labels = toy_rows(600, 10**6)
    output = model(values, masks)
    fitted = fit_set(output.logits.numpy(), labels.numpy(), deviation_size(output).numpy())
    return doubt(model, fitted, EASY), doubt(model, fitted, HARD)


def doubt(model: LDDUModel, fitted: SetCalibration, noise: float) -> Doubt:
    values, masks, labels = toy_rows(400, 2 * 10**6, noise)
    gathered = model.gather(values, masks)
    output = model.classify(gathered)
    decided = fitted.decide(fitted.probabilities(output.logits.numpy()))
    sampled = fitted.probabilities(model.sample_logits(gathered, 16).numpy())
    return Doubt(
        aleatoric=float(fitted.aleatoric(deviation_size(output).numpy()).mean()),
        epistemic=float(sampled.std(axis=0).mean()),
        wrong=float((decided != (labels.numpy() > 0.5)).mean()),
    )


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_both_doubts_rise_with_noise(seed: int) -> None:
    easy, hard = doubts(trained("ranking", seed))
    assert hard.wrong > 2 * easy.wrong
    assert hard.aleatoric > easy.aleatoric + 0.005
    assert hard.epistemic > 1.1 * easy.epistemic


@pytest.mark.xfail(
    reason="the published loss orders |sigma| by y_dir, not by error",
    raises=AssertionError,
    strict=True,
)
def test_the_published_loss_makes_the_aleatoric_doubt_rise() -> None:
    easy, hard = doubts(trained("divergence", 0))
    assert hard.aleatoric > easy.aleatoric
