"""Train the expression network on FER+ train with soft crowd votes."""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ferplus import Faces, load_faces
from lddu_pipe.extractors.expression import (
    ExpressionConfig,
    ExpressionNetwork,
    standardise_faces,
)

logger = logging.getLogger("train_expression")

SHAPE = ExpressionConfig(stage_channels=(64, 128, 256), stage_blocks=(1, 2, 2))
RARITY = 0.25
"""How strongly rare expressions are drawn more often: by this power of how rare they are."""
MIXED_SHARE = 0.5
"""Share of the batches whose faces are blended in pairs."""


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move, turn, scale, mirror, re-light, blur and partly cover faces.

    Args:
        images: (faces, 48, 48) uint8.
        generator: source of the random numbers.

    Returns:
        (faces, 48, 48) float32 on the 0..1 scale (not clipped).
    """
    count = len(images)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    angle = uniform(-0.26, 0.26)
    scale = uniform(0.85, 1.15)
    mirror = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0)
    cosine, sine = torch.cos(angle) * scale, torch.sin(angle) * scale
    matrices = torch.stack(
        [
            torch.stack([cosine * mirror, -sine, uniform(-0.12, 0.12)], dim=1),
            torch.stack([sine * mirror, cosine, uniform(-0.12, 0.12)], dim=1),
        ],
        dim=1,
    )
    pixels = images[:, None].float() / 255
    grid = functional.affine_grid(matrices, list(pixels.shape), align_corners=False)
    moved = functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)
    moved = moved.clamp(1e-4, 1) ** torch.exp(uniform(-0.4, 0.4))[:, None, None, None]
    blurred = functional.avg_pool2d(moved, 3, stride=1, padding=1, count_include_pad=False)
    strength = (uniform(0, 1) < 0.25).float() * uniform(0.3, 1.0)
    moved = torch.lerp(moved, blurred, strength[:, None, None, None])
    # Random erasing (Zhong et al. 2020): hands, hair and frame edges cover parts of real faces.
    rows = torch.arange(images.shape[1])
    top, left = uniform(-8, 40), uniform(-8, 40)
    height, width = uniform(6, 20), uniform(6, 20)
    covered = (
        ((rows[None] >= top[:, None]) & (rows[None] < (top + height)[:, None]))[:, :, None]
        & ((rows[None] >= left[:, None]) & (rows[None] < (left + width)[:, None]))[:, None, :]
        & (uniform(0, 1) < 0.3)[:, None, None]
    )
    fill = uniform(0, 1)[:, None, None].expand_as(covered)
    return torch.where(covered, fill, moved[:, 0])


def mix(faces: Tensor, votes: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend faces in pairs, and their votes alike (mixup, Zhang et al. 2018)."""
    seed = int(torch.randint(1 << 30, (1,), generator=generator))
    share = float(np.random.default_rng(seed).beta(0.4, 0.4))
    other = torch.randperm(len(faces), generator=generator)
    return torch.lerp(faces[other], faces, share), torch.lerp(votes[other], votes, share)


@torch.inference_mode()
def evaluate(network: ExpressionNetwork, faces: Faces) -> tuple[float, float]:
    """Return top-1 accuracy against the majority and cross-entropy against the votes."""
    network.eval()
    images = torch.from_numpy(faces.images)
    log_probabilities = torch.cat(
        [
            functional.log_softmax(network(standardise_faces(chunk)).logits, dim=1)
            for chunk in images.split(512)
        ]
    )
    votes = torch.from_numpy(faces.votes)
    accuracy = (log_probabilities.argmax(1) == votes.argmax(1)).float().mean().item()
    return accuracy, -(votes * log_probabilities).sum(1).mean().item()


def train(data: Path, output: Path, epochs: int, batch_size: int, seed: int) -> None:
    """Train, keep the running average of the weights, and write it with its figures."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    train_faces = load_faces(data / "vision" / "ferplus_train.npz")
    valid_faces = load_faces(data / "vision" / "ferplus_valid.npz")
    images, votes = torch.from_numpy(train_faces.images), torch.from_numpy(train_faces.votes)
    majority = votes.argmax(dim=1)
    weights = torch.bincount(majority, minlength=votes.shape[1])[majority].float() ** -RARITY
    network = ExpressionNetwork(SHAPE).to(memory_format=torch.channels_last)
    batches = math.ceil(len(images) / batch_size)
    optimiser = torch.optim.SGD(
        [
            {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 5e-4},
            {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=0.1,
        momentum=0.9,
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=0.1,
        total_steps=epochs * batches,
        pct_start=0.1,
        cycle_momentum=False,
        final_div_factor=1e3,
    )
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    history = []
    output.mkdir(parents=True, exist_ok=True)
    for epoch in range(epochs):
        started = time.monotonic()
        network.train()
        order = torch.multinomial(
            weights, batches * batch_size, replacement=True, generator=generator
        )
        losses = []
        for chosen in order.split(batch_size):
            batch, target = standardise_faces(augment(images[chosen], generator)), votes[chosen]
            if torch.rand(1, generator=generator) < MIXED_SHARE:
                batch, target = mix(batch, target, generator)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = network(batch.contiguous(memory_format=torch.channels_last)).logits
            loss = functional.cross_entropy(logits.float(), target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(network)
            losses.append(loss.item())
        averaged: ExpressionNetwork = average.module
        accuracy, cross_entropy = evaluate(averaged, valid_faces)
        history.append(
            {
                "epoch": epoch,
                "train_loss": float(np.mean(losses)),
                "valid_top1": accuracy,
                "valid_cross_entropy": cross_entropy,
                "seconds": round(time.monotonic() - started, 1),
            }
        )
        logger.info("%s", json.dumps(history[-1]))
        averaged.save(output)
        (output / "expression_history.json").write_text(json.dumps(history, indent=2) + "\n")
    (output / "expression.done").touch()  # an interrupted run must not be taken for a finished one


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    train(arguments.data, arguments.output, arguments.epochs, arguments.batch_size, arguments.seed)
