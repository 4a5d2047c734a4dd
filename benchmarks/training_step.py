"""What a training step costs beside its own forward pass, and whether memory stays flat.

Usage: python benchmarks/training_step.py [--steps N] [--device cpu|cuda]

A batch of 64 rows, 60 steps, features 768/74/35, six labels, a queue of 8192: the paper's sizes.
The forward pass is the same batch without gradient. Ratios of medians in one process.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import torch

from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import ContrastiveQueue, LossWeights, lddu_loss

SIZES = {"text": 768, "audio": 74, "vision": 35}
BATCH, TIME, QUEUE = 64, 60, 8192


def median_seconds(work: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Median of the wall times of several calls, after two that are not counted."""
    times = []
    for repeat in range(repeats + 2):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        if repeat >= 2:
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def measure(steps: int, device: torch.device) -> dict[str, float]:
    torch.manual_seed(0)
    config = LDDUConfig(feature_sizes=SIZES, max_steps=dict.fromkeys(SIZES, TIME))
    model = LDDUModel(config).to(device)
    values = {name: torch.randn(BATCH, TIME, size, device=device) for name, size in SIZES.items()}
    masks = {name: torch.ones(BATCH, TIME, dtype=torch.bool, device=device) for name in SIZES}
    labels = (torch.rand(BATCH, 6, device=device) < 0.3).float()
    queue = ContrastiveQueue(QUEUE, config.latent_size).to(device)
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-4, fused=True)  # as Trainer has it

    def forward() -> None:
        with torch.no_grad():
            model(values, masks)

    def step() -> None:
        loss = lddu_loss(model(values, masks), labels, queue, LossWeights())
        optimiser.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()

    for _ in range(9):  # 1152 vectors a step: the queue is full after eight
        step()
    early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    step_time = median_seconds(step, steps, device)
    late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model.eval()
    forward_time = median_seconds(forward, steps, device)
    return {
        "forward_s": round(forward_time, 4),
        "step_s": round(step_time, 4),
        "step_over_forward": round(step_time / forward_time, 2),
        "rows_per_second": round(BATCH / step_time, 1),
        "peak_memory_growth_mb": round((late - early) / 1024, 1),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.steps, torch.device(arguments.device)), indent=1))
