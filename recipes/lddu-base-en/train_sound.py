r"""Train the head that tells speech, vocal bursts, other sounds and silence apart.

Music and effects are inputs from Debian packages; get and unpack them first:

    apt-get download wesnoth-1.16-music sonic-pi-samples hydrogen-drumkits frozen-bubble-data \
        sound-theme-freedesktop
    for package in *.deb; do dpkg -x "$package" NOISES; done

People and pieces of music are in one split each: those for training, those that the threshold is
chosen on, and those that the figures are of.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.bursts import BurstFinder
from lddu_pipe.extractors.features import WHISPER
from lddu_pipe.extractors.heard import HEARD, SoundNetwork
from lddu_pipe.extractors.prosody import HOP_LENGTH, SAMPLE_RATE
from lddu_pipe.extractors.whisper_layers import WhisperLayers
from lddu_pipe.types import TimeSpan
from scenes import EXCERPT, NOISES, Scene, list_material, make_scenes

logger = logging.getLogger("train_sound")

COUNTS = {"burst": 1800, "speech": 800, "music": 800, "effect": 700, "made": 600, "empty": 300}
"""Scenes to train on, by kind; a sixth as many to choose on, and to report on."""
EPOCHS = 30
BATCH_SIZE = 256
DROPOUT = 0.3
"""Share of the features of a moment that are left out at a time."""
FALSE_BURSTS = 0.25
"""A minute of music, effects and made sounds, at most, where the threshold is chosen."""
THRESHOLDS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


class Moments(NamedTuple):
    """Steps of scenes as the network is given them."""

    pooled: NDArray[np.float32]
    """(steps, features)."""
    heard: NDArray[np.int64]
    """(steps,) places in `HEARD`: what is heard in the middle of each."""


class PatientFinder(BurstFinder):
    """Listens to each sound once, however many thresholds are tried."""

    def __init__(self, encoder: WhisperLayers, network: SoundNetwork) -> None:
        super().__init__(encoder, network)
        self._known: dict[bytes, NDArray[np.float32]] = {}

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """As those of a `BurstFinder`."""
        mark = hashlib.sha256(samples.tobytes()).digest()
        if mark not in self._known:
            self._known[mark] = super().probabilities(samples)
        return self._known[mark]


def describe(scenes: Iterable[Scene], encoder: WhisperLayers, network: SoundNetwork) -> Moments:
    """Pool the encoder's frames of each scene."""
    step = round(network.config.step * SAMPLE_RATE / HOP_LENGTH)
    parts, heard = [], []
    for scene in scenes:
        parts.append(network.pool(encoder(scene.waveform)))
        middles = np.arange(len(parts[-1])) * step + step // 2
        heard.append(scene.heard[np.minimum(middles, len(scene.heard) - 1)])
    return Moments(np.concatenate(parts), np.concatenate(heard))


def train(network: SoundNetwork, moments: Moments, seed: int) -> None:
    """Fit the network; what it is given is brought to one scale, which its first layer keeps."""
    torch.manual_seed(seed)
    inputs, heard = torch.from_numpy(moments.pooled), torch.from_numpy(moments.heard)
    mean, scale = inputs.mean(0), inputs.std(0).clamp_min(1e-3)
    inputs = (inputs - mean) / scale
    weights = torch.bincount(heard, minlength=len(HEARD)).float() ** -0.5
    batches = -(-len(inputs) // BATCH_SIZE)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, EPOCHS * batches)
    for epoch in range(EPOCHS):
        losses = []
        for chosen in torch.randperm(len(inputs)).split(BATCH_SIZE):
            given = functional.dropout(inputs[chosen], DROPOUT)
            loss = functional.cross_entropy(
                network(given), heard[chosen], weights / weights.mean(), label_smoothing=0.05
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        logger.info("epoch %d: %.4f", epoch, np.mean(losses))
    first = network.classify[0]
    with torch.no_grad():
        first.weight /= scale
        first.bias -= first.weight @ mean
    network.eval()


def confusion(network: SoundNetwork, moments: Moments) -> dict[str, dict[str, int]]:
    """Moments by what is heard and, within that, by what the network says."""
    with torch.inference_mode():
        said = network(torch.from_numpy(moments.pooled)).argmax(1)
    counts = np.zeros((len(HEARD), len(HEARD)), int)
    np.add.at(counts, (moments.heard, said.numpy()), 1)
    return {
        name: dict(zip(HEARD, row.tolist(), strict=True))
        for name, row in zip(HEARD, counts, strict=True)
    }


def found(finder: BurstFinder, scenes: Sequence[Scene]) -> dict[str, dict[str, float]]:
    """What becomes of whole scenes, by kind: in how many somebody is heard without words."""
    counts: dict[str, list[float]] = defaultdict(list)
    shortest = finder.config.shortest * SAMPLE_RATE / HOP_LENGTH
    for scene in scenes:
        if scene.kind == "burst" and (scene.heard == HEARD.index("burst")).sum() < shortest:
            continue
        span = TimeSpan(0.0, len(scene.waveform) / SAMPLE_RATE)
        counts[scene.kind].append(len(finder.over(scene.waveform).within(span)))
    return {
        kind: {
            "scenes": len(numbers),
            "with_a_burst": int(np.count_nonzero(numbers)),
            "share": round(float(np.mean(np.greater(numbers, 0))), 4),
        }
        for kind, numbers in counts.items()
    }


def false_bursts(finder: BurstFinder, scenes: Sequence[Scene]) -> float:
    """How many bursts a minute are found where there is no voice."""
    without = [scene for scene in scenes if scene.kind not in ("burst", "speech")]
    number = sum(item["with_a_burst"] for item in found(finder, without).values())
    return 60 * number / (len(without) * EXCERPT)


def choose(network: SoundNetwork, encoder: WhisperLayers, scenes: Sequence[Scene]) -> None:
    """Give the network the lowest threshold at which few bursts are found where none are."""
    finder = PatientFinder(encoder, network)
    for threshold in THRESHOLDS:
        network.config = replace(network.config, threshold=threshold)
        false = false_bursts(finder, scenes)
        logger.info("threshold %.2f: %.2f false bursts a minute", threshold, false)
        if false <= FALSE_BURSTS:
            break


def run(data: Path, noises: Path, output: Path, seed: int, share: float) -> None:
    """Train, choose, and write the weights and their figures."""
    random = np.random.default_rng(seed)
    material = list_material(data, noises)
    torch.manual_seed(seed)
    network = SoundNetwork()
    encoder = WhisperLayers(resolve(WHISPER, offline=True), network.config.layers)
    many = {kind: round(number * share) for kind, number in COUNTS.items()}
    few = {kind: -(-number // 6) for kind, number in many.items()}
    moments = describe(make_scenes(material["train"], many, random), encoder, network)
    logger.info("%d moments to train on", len(moments.heard))
    train(network, moments, seed)
    choose(network, encoder, list(make_scenes(material["choose"], few, random)))
    output.mkdir(parents=True, exist_ok=True)
    network.save(output)
    network = SoundNetwork.load(output)  # in half precision, as it will be used
    finder = PatientFinder(encoder, network)
    scenes = list(make_scenes(material["report"], few, random))
    figures = {
        "files": {split: material[split].count() for split in material},
        "noises": NOISES,
        "threshold": network.config.threshold,
        "moments": confusion(network, describe(scenes, encoder, network)),
        "scenes": found(finder, scenes),
        "false_bursts_a_minute": round(false_bursts(finder, scenes), 3),
    }
    content = json.dumps(figures, indent=2) + "\n"
    (output / "sound_evaluation.json").write_text(content, encoding="utf-8")
    (output / "sound.done").touch()  # an interrupted run must not be taken for a finished one


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--noises", type=Path, required=True, help="unpacked Debian packages")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--share", type=float, default=1.0, help="of the scenes, to try it")
    arguments = parser.parse_args()
    run(
        arguments.data,
        arguments.noises,
        arguments.output,
        arguments.seed,
        arguments.share,
    )
