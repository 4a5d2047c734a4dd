"""A store small enough to train on in seconds, learnable all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.datasets.store import StoreInfo, StoreWriter
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES

SIZES = {"text": 16, "audio": 8, "vision": 6}


def toy_rows(
    count: int, seed: int, *, absent: float = 0.15, steps: tuple[int, int] = (3, 12)
) -> list[Example]:
    """Rows in which each label shows as an event of its own direction in every modality."""
    directions = {
        name: np.random.default_rng(9).normal(size=(6, size)) for name, size in SIZES.items()
    }
    random = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        labels = (random.random(6) < 0.35).astype(np.float32)
        sequences = {}
        for name in MODALITIES:
            if sequences and random.random() < absent:
                continue
            values = random.normal(size=(random.integers(*steps), SIZES[name]))
            for label in np.flatnonzero(labels):
                values[random.integers(len(values))] += 3 * directions[name][label]
            sequences[name] = Steps(values.astype(np.float32), np.ones(len(values), np.bool_))
        rows.append(Example.of(f"{seed}-{index}", labels, sequences))
    return rows


def write_toy(folder: Path, **sizes: int) -> Path:
    info = StoreInfo(
        "toy", MOSEI.labels, False, SIZES, {name: f"toy:{name}" for name in SIZES}, synthetic=True
    )
    with StoreWriter(folder, info) as writer:
        for seed, (split, count) in enumerate(sizes.items()):
            writer.write_rows(split, toy_rows(count, seed))
    return folder


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "store", train=256, valid=96, test=64)
