"""What a training step costs beside its own forward pass, and whether memory stays flat.

Usage: python benchmarks/training_step.py [--steps N] [--device cpu|cuda] [--precision fp32|bf16]
           [--method default|paper]

A batch of 64 rows, 60 steps, features 768/74/35, six labels, a queue of 8192: the paper's sizes.
The forward pass is of the same batch, without gradient and in evaluation mode. Each step is timed
right beside a forward pass, so that other work on the machine slows both; the ratio is the median
of these pairs. Memory is what the process holds after each step, on a GPU what is allocated.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from lddu_pipe.datasets.store import StoreInfo
from lddu_pipe.labels import MOSEI
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import ContrastiveQueue, LossWeights, lddu_loss
from lddu_pipe.training.run import model_config
from lddu_pipe.training.settings import METHODS, read_settings

SIZES = {"text": 768, "audio": 74, "vision": 35}
BATCH, TIME, QUEUE = 64, 60, 8192
WARM_UP = 2
"""Steps before anything is measured; the queue is full from the first."""


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Wall time of one call."""
    begun = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def held_megabytes(device: torch.device) -> float:
    """Memory in use now: of the process, or of this process on the GPU."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated() / 2**20
    resident_pages = int(Path("/proc/self/statm").read_text().split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def past_vectors(
    count: int, config: LDDUConfig, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of norm sqrt(2) and classes, as eight batches would have left them."""
    halves = torch.randn(count, 2, config.latent_size, device=device)
    classes = torch.randint(0, 2 * len(SIZES) * len(config.labels), (count,), device=device)
    return functional.normalize(halves, dim=-1).flatten(1), classes


def measure(
    steps: int, device: torch.device, precision: str = "fp32", method: str = "default"
) -> dict[str, object]:
    torch.manual_seed(0)
    settings = read_settings("mosei-aligned", ["data=-", "output=-", f"method={method}"])
    info = StoreInfo("made up", MOSEI.labels, True, SIZES, dict.fromkeys(SIZES, "made up"))
    config = model_config(settings, info)
    model = LDDUModel(config).to(device)
    values = {name: torch.randn(BATCH, TIME, size, device=device) for name, size in SIZES.items()}
    masks = {name: torch.ones(BATCH, TIME, dtype=torch.bool, device=device) for name in SIZES}
    labels = (torch.rand(BATCH, 6, device=device) < 0.3).float()
    queue = ContrastiveQueue(QUEUE, config.latent_size).to(device)
    queue.push(*past_vectors(QUEUE, config, device))
    weights = LossWeights(contrastive=settings.loss.contrastive_weight)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-4, fused=True)  # as Trainer has it
    lower = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")

    def forward() -> None:
        model.eval()
        with torch.no_grad(), lower:
            model(values, masks)

    def step() -> None:
        model.train()
        with lower:
            output = model(values, masks)
        loss = lddu_loss(output.float(), labels, queue, weights)
        optimiser.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    for _ in range(WARM_UP):
        forward()
        step()
    pairs, held = [], []
    for _ in range(steps):
        pairs.append((seconds(forward, device), seconds(step, device)))
        held.append(held_megabytes(device))
    forward_s, step_s = (statistics.median(times) for times in zip(*pairs, strict=True))
    third = max(len(held) // 3, 1)
    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "precision": precision,
        "method": method,
        "forward_s": round(forward_s, 4),
        "step_s": round(step_s, 4),
        "step_over_forward": round(statistics.median(late / early for early, late in pairs), 2),
        "rows_per_second": round(BATCH / step_s, 1),
        # Medians, since allocators give and take a few megabytes from step to step.
        "memory_mb_first_third": round(statistics.median(held[:third]), 1),
        "memory_mb_last_third": round(statistics.median(held[-third:]), 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--method", choices=METHODS, default="default")
    given = parser.parse_args()
    found = measure(given.steps, torch.device(given.device), given.precision, given.method)
    print(json.dumps(found, indent=1))
