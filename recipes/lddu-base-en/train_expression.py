"""Train the expression network on FER+ train with soft crowd votes.

First on faces as they are, moved and re-lit; then, for some epochs more, on faces as they come in
video: small, compressed, blurred, noisy. Of the second part half of what is taught is what the
network made of the same face while it was clear (Hinton et al. 2015).
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ferplus import Faces, load_faces
from lddu_pipe.extractors.expression import (
    ExpressionConfig,
    ExpressionNetwork,
    standardise_faces,
)
from lddu_pipe.files import write_whole

logger = logging.getLogger("train_expression")

SHAPE = ExpressionConfig(stage_channels=(64, 128, 256), stage_blocks=(1, 2, 2))
RARITY = 0.25
"""How strongly rare expressions are drawn more often: by this power of how rare they are."""
MIXED_SHARE = 0.5
"""Share of the batches whose faces are blended in pairs."""
RATES = {"plain": 0.1, "video": 0.02}
"""The highest learning rate of each part."""
VIDEO_RARITY = 0.35
VIDEO_SHARE = 0.6
"""Of the faces of the second part, how many are spoilt as video spoils them."""
TAUGHT_SHARE = 0.5
"""Of the second part's targets, how much is the network's own; the rest is the votes."""


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


def spoil_as_video(images: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Faces, (faces, 48, 48), as a camera and a codec may leave them; some stay as they are."""
    found = images.copy()
    size = images.shape[1]
    for index, image in enumerate(images):
        if random.random() >= VIDEO_SHARE:
            continue
        face = image.astype(np.float32)
        if random.random() < 0.35:
            # Light from one side.
            ramp = np.linspace(random.uniform(0.25, 1.0), random.uniform(0.7, 1.3), size)
            ramp = ramp if random.random() < 0.5 else ramp[::-1]
            face *= ramp[None] if random.random() < 0.7 else ramp[:, None]
        if random.random() < 0.3:
            # The head moved while the picture was taken.
            length = int(random.integers(3, 8))
            kernel = np.zeros((length, length), np.float32)
            cv2.line(kernel, *_line(length, random.uniform(0, np.pi)), 1.0)
            face = cv2.filter2D(face, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
        if random.random() < 0.6:
            side = int(np.exp(random.uniform(np.log(14), np.log(size))))
            face = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        if random.random() < 0.3:
            face += random.normal(0, random.uniform(2, 14), face.shape).astype(np.float32)
        small = np.clip(face, 0, 255).astype(np.uint8)
        if random.random() < 0.5:
            quality = int(random.integers(12, 70))
            _, coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
            small = np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)
        found[index] = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    return found


def _line(length: int, angle: float) -> tuple[tuple[int, int], tuple[int, int]]:
    """Two ends of a line through the middle of a square."""
    middle = (length - 1) / 2
    across, down = middle * np.cos(angle), middle * np.sin(angle)
    begin = round(middle - across), round(middle - down)
    return begin, (round(middle + across), round(middle + down))


@torch.inference_mode()
def look_clearly(network: ExpressionNetwork, images: Tensor) -> Tensor:
    """(faces, 7) probabilities of faces as they are, seen twice."""
    network.eval()
    parts = [
        network.look_twice(standardise_faces(chunk)).logits.softmax(dim=1)
        for chunk in images.split(512)
    ]
    return torch.cat(parts)


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


def train_part(
    part: str,
    network: ExpressionNetwork,
    data: Path,
    output: Path,
    epochs: int,
    batch_size: int,
    seed: int,
) -> ExpressionNetwork:
    """Train for some epochs and give the running average of the weights.

    Args:
        part: "plain", or "video", in which faces are spoilt and the network teaches itself.
        network: to begin with.
        data: the folder of raw data.
        output: where an interrupted training goes on from, and its figures are written.
        epochs: of the part.
        batch_size: faces.
        seed: of what is drawn.
    """
    video = part == "video"
    torch.manual_seed(seed)
    generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    train_faces = load_faces(data / "vision" / "ferplus_train.npz")
    valid_faces = load_faces(data / "vision" / "ferplus_valid.npz")
    images, votes = torch.from_numpy(train_faces.images), torch.from_numpy(train_faces.votes)
    majority = votes.argmax(dim=1)
    rarity = VIDEO_RARITY if video else RARITY
    weights = torch.bincount(majority, minlength=votes.shape[1])[majority].float() ** -rarity
    if video:
        votes = torch.lerp(votes, look_clearly(network, images), TAUGHT_SHARE)
    network = network.to(memory_format=torch.channels_last)
    batches = math.ceil(len(images) / batch_size)
    optimiser = torch.optim.SGD(
        [
            {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": 5e-4},
            {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=RATES[part],
        momentum=0.9,
        nesterov=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        max_lr=RATES[part],
        total_steps=epochs * batches,
        pct_start=0.1,
        cycle_momentum=False,
        final_div_factor=1e3,
    )
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    averaged: ExpressionNetwork = average.module
    history: list[dict[str, float]] = []
    state = output / f"{part}.pt"
    kept = {"network": network, "average": average, "optimiser": optimiser, "schedule": schedule}
    if state.is_file():
        found = torch.load(state, weights_only=True)
        for name, item in kept.items():
            item.load_state_dict(found[name])
        generator.set_state(found["generator"])
        random.bit_generator.state = found["random"]
        torch.set_rng_state(found["torch"])
        history = found["history"]
    for epoch in range(len(history), epochs):
        started = time.monotonic()
        network.train()
        order = torch.multinomial(
            weights, batches * batch_size, replacement=True, generator=generator
        )
        losses = []
        for chosen in order.split(batch_size):
            faces, target = images[chosen], votes[chosen]
            if video:
                faces = torch.from_numpy(spoil_as_video(faces.numpy(), random))
            batch = standardise_faces(augment(faces, generator))
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
        accuracy, cross_entropy = evaluate(averaged, valid_faces)
        spoilt = valid_faces._replace(
            images=spoil_as_video(valid_faces.images, np.random.default_rng(0))
        )
        spoilt_accuracy, spoilt_entropy = evaluate(averaged, spoilt)
        history.append(
            {
                "epoch": epoch,
                "train_loss": float(np.mean(losses)),
                "valid_top1": accuracy,
                "valid_cross_entropy": cross_entropy,
                "spoilt_top1": spoilt_accuracy,
                "spoilt_cross_entropy": spoilt_entropy,
                "seconds": round(time.monotonic() - started, 1),
            }
        )
        logger.info("%s %s", part, json.dumps(history[-1]))
        found = {name: item.state_dict() for name, item in kept.items()} | {"history": history}
        found |= {"generator": generator.get_state(), "torch": torch.get_rng_state()}
        torch.save(found | {"random": random.bit_generator.state}, state.with_suffix(".part"))
        state.with_suffix(".part").replace(state)
        write_whole(output / f"expression_{part}.json", json.dumps(history, indent=2) + "\n")
    return averaged


def train(
    data: Path, output: Path, epochs: int, video_epochs: int, batch_size: int, seed: int
) -> None:
    """Train both parts and write the network."""
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    network = ExpressionNetwork(SHAPE)
    network = train_part("plain", network, data, output, epochs, batch_size, seed)
    network = train_part("video", network, data, output, video_epochs, batch_size, seed)
    network.save(output)
    (output / "expression.done").touch()  # an interrupted run must not be taken for a finished one


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--video-epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seed", type=int, default=7)
    train(**vars(parser.parse_args()))
