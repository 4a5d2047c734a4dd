"""Data that look like the published features and can be learned from, for tests and tutorials.

Nothing here is about emotion: figures on such data compare methods with each other, no more. Each
label leaves short events at random places of some modalities. An event is two opposite halves, so
that it adds nothing to the mean over time: a model has to look at steps. A weaker part of the
evidence does show in the mean, so that pooling works somewhat, as it does on real features.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.official import LABEL_SETS
from lddu_pipe.datasets.store import StoreInfo, StoreWriter
from lddu_pipe.datasets.targets import END, FIRST_LABEL, START
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.types import MODALITIES, Modality

FEATURE_SIZES: dict[str, dict[Modality, int]] = {
    "mosei": {"text": 768, "audio": 74, "vision": 35},
    "m3ed": {"text": 768, "audio": 342, "vision": 1024},
}
PREVALENCE: dict[str, dict[str, float]] = {
    # Shares of CMU-MOSEI segments with an intensity above 0.
    "mosei": {
        "happy": 0.53, "sad": 0.25, "anger": 0.21, "surprise": 0.10, "disgust": 0.17, "fear": 0.08,
    },
    "m3ed": {
        "happy": 0.35, "neutral": 0.80, "sad": 0.25, "disgust": 0.20, "anger": 0.45, "fear": 0.12,
        "surprise": 0.35,
    },
}  # fmt: skip
STEPS = {"aligned": 50, "m3ed": 60, "unaligned": 500}
SHOWN_IN = (("text",), ("audio", "vision"), ("text", "audio"), ("vision",), ("text", "vision"))
"""Which modalities carry a label, in turn."""
EVENT, TREND, NOISE, NUISANCE = 1.0, 0.12, 1.0, 0.5
FLIPPED = 0.03
"""Share of labels that are wrong."""


@dataclass(frozen=True)
class _World:
    """What is the same for all rows of a data set."""

    kind: str
    aligned: bool
    events: Mapping[Modality, NDArray[np.float64]]
    """(labels, features), unit length times the square root of the features' number."""
    trends: Mapping[Modality, NDArray[np.float64]]


def synthesize(
    kind: str,
    sizes: Mapping[str, int],
    output: Path,
    *,
    seed: int = 0,
    aligned: bool = True,
    official: bool = False,
) -> None:
    """Write a data set.

    Args:
        kind: "mosei" or "m3ed": whose labels, feature sizes and lengths.
        sizes: rows by split.
        output: folder of the store; with `official`, the pickle, beside which a CSV of labels
            of the same name is written.
        seed: same seed, same data.
        aligned: one step a word; else sound and pictures have up to 500 steps of their own.
        official: write the published layout in place of a store.

    Raises:
        UnusableInputError: `output` is taken.
    """
    if official and output.suffix == ".csv":
        raise UnusableInputError(f"{output}: the labels get that name; call the features .pkl")
    for path in (output, output.with_suffix(".csv")) if official else ():
        if path.exists():
            raise UnusableInputError(f"{path} exists; name another file")
    random = np.random.default_rng(seed)
    world = _world(kind, random, aligned=aligned)
    rows = {split: [_row(world, random, f"{split}-{i}") for i in range(count)]
            for split, count in sizes.items()}  # fmt: skip
    if official:
        _write_official(world, rows, output, random)
        return
    info = StoreInfo(
        name=f"{kind}-like synthetic data",
        labels=LABEL_SETS[kind].labels,
        aligned=aligned,
        feature_sizes=FEATURE_SIZES[kind],
        fingerprints={name: f"synthetic-{kind}:{name}:{seed}" for name in MODALITIES},
        synthetic=True,
        notes={"seed": seed},
    )
    with StoreWriter(output, info) as writer:
        for split, items in rows.items():
            writer.write_rows(split, items)


def _world(kind: str, random: np.random.Generator, *, aligned: bool) -> _World:
    count = len(LABEL_SETS[kind])

    def directions(size: int) -> NDArray[np.float64]:
        drawn = random.normal(size=(count, size))
        unit: NDArray[np.float64] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return np.asarray(unit * np.sqrt(size), np.float64)

    sizes = FEATURE_SIZES[kind]
    events = {name: directions(size) * EVENT for name, size in sizes.items()}
    trends = {name: directions(size) * TREND for name, size in sizes.items()}
    return _World(kind, aligned, events, trends)


def _row(world: _World, random: np.random.Generator, identifier: str) -> Example:
    label_set = LABEL_SETS[world.kind]
    labels = _labels(world.kind, random)
    longest = STEPS["m3ed"] if world.kind == "m3ed" else STEPS["aligned"]
    words = int(random.integers(8, longest + 1))
    sequences: dict[Modality, Steps] = {}
    for name, size in FEATURE_SIZES[world.kind].items():
        steps = words if world.aligned or name == "text" else words * STEPS["unaligned"] // longest
        values = random.normal(size=(steps, size)) * NOISE
        values += random.normal(size=size) * NUISANCE  # a speaker, a microphone, a room
        for label in np.flatnonzero(labels):
            if name in SHOWN_IN[label % len(SHOWN_IN)]:
                values += world.trends[name][label] * random.uniform(0, 1.5)
                for _ in range(int(random.integers(1, 4))):
                    first, second = random.choice(steps, 2, replace=False)
                    strength = random.uniform(0.3, 1.0)
                    values[first] += strength * world.events[name][label]
                    values[second] -= strength * world.events[name][label]
        sequences[name] = Steps(values.astype(np.float32), np.ones(steps, np.bool_))
    flipped = random.random(len(label_set)) < FLIPPED
    target = np.where(flipped, 1 - labels, labels).astype(np.float32)
    return Example.of(identifier, target, sequences, f"synthetic row {identifier}")


def _labels(kind: str, random: np.random.Generator) -> NDArray[np.float64]:
    """Labels with the prevalence of the data set; negative ones go together, as they do there."""
    shares = np.array([PREVALENCE[kind][label] for label in LABEL_SETS[kind]])
    mood = random.uniform(0.4, 1.6)
    bright = np.array([label in ("happy", "surprise", "neutral") for label in LABEL_SETS[kind]])
    drawn = random.random(len(shares)) < shares * np.where(bright, 2 - mood, mood)
    return drawn.astype(np.float64)


def _write_official(
    world: _World, rows: Mapping[str, list[Example]], output: Path, random: np.random.Generator
) -> None:
    longest = STEPS["m3ed"] if world.kind == "m3ed" else STEPS["aligned"]
    content: dict[str, dict[str, Any]] = {}
    lines = ["mode,tgt"]
    for split, items in rows.items():
        part: dict[str, Any] = {"synthetic": True}
        for name, size in FEATURE_SIZES[world.kind].items():
            steps = longest if world.aligned or name == "text" else STEPS["unaligned"]
            padded = np.zeros((len(items), steps, size), np.float32)
            for index, row in enumerate(items):
                values = row.sequences[name].values
                padded[index, : len(values)] = values
            part[name] = padded
            if not world.aligned and name != "text":
                part[f"{name}_lengths"] = [len(row.sequences[name].values) for row in items]
        sound = part["audio"]
        sound[random.random(sound.shape) < 1e-5] = -np.inf  # as in the published file
        part["id"] = [row.id for row in items]
        part["raw_text"] = [row.utterance.text for row in items]
        part["tgt"] = [
            [START, *(FIRST_LABEL + np.flatnonzero(row.labels >= 0.5)).tolist(), END]
            for row in items
        ]
        lines += [f'{split},"{target}"' for target in part["tgt"]]
        content[split] = part
    output.parent.mkdir(parents=True, exist_ok=True)
    with output.open("wb") as file:
        pickle.dump(content, file, protocol=4)
    output.with_suffix(".csv").write_text("\n".join(lines) + "\n")
