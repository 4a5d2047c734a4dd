"""Describe training voices as the extractor does, as they are and distorted."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from damage import add_noise
from lddu_pipe.datasets.store import StoreWriter
from lddu_pipe.evidence import Example
from lddu_pipe.extractors.base import SoundExtractor
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import MOSEI
from stores import store_info
from voices import Clip, distort, list_clips, read_waveform

logger = logging.getLogger("extract_voices")

COPIES = {"ravdess": 7, "emogator": 2}
"""Distorted ones of each training clip: there are nine times as many bursts as sentences."""
DROWNED = {"ravdess": 1.0, "emogator": 0.15}
"""Share of the training clips of which one more copy is drowned in noise."""
CLIPS_AT_ONCE = 120


def sounds(clip: Clip, seed: int) -> Iterator[tuple[NDArray[np.float32], float]]:
    """A clip as it is and changed, with how far each is spoilt, 0..1."""
    random = np.random.default_rng([seed, *clip.key.encode()])
    waveform = read_waveform(clip)
    yield waveform, 0.0
    for _ in range(COPIES[clip.corpus]):
        yield distort(waveform, random), 0.0
    if random.random() < DROWNED[clip.corpus]:
        yield add_noise(waveform, random.uniform(-4, 3), random), 1.0


def describe(
    extractor: SoundExtractor, clips: Sequence[Clip], weights: dict[str, float], seed: int
) -> tuple[list[Example], None]:
    """Rows of clips; those in which nothing is loud enough to be heard are left out."""
    rows = []
    for clip in clips:
        labels = np.array([label == clip.emotion for label in MOSEI], np.float32)
        for number, (waveform, damage) in enumerate(sounds(clip, seed)):
            steps = extractor.extract(waveform)
            if steps.present:
                rows.append(
                    Example.of(
                        *(f"{clip.key}-{number}", labels, {"audio": steps}),
                        speaker=clip.speaker,
                        weight=weights[clip.key],
                        damage=damage,
                    )
                )
    return rows, None


def extract(data: Path, output: Path, seed: int) -> None:
    """Write the feature store."""
    clips = [clip for clip in list_clips(data / "audio") if clip.split == "train"]
    kinds = Counter((clip.corpus, clip.emotion) for clip in clips)
    # Each emotion of each corpus weighs the same.
    weights = {clip.key: 1 / kinds[clip.corpus, clip.emotion] for clip in clips}
    features = FeatureSet(offline=True)
    with StoreWriter(output, store_info("voices", features), resumable=True) as writer:
        for begin in range(0, len(clips), CLIPS_AT_ONCE):
            some = clips[begin : begin + CLIPS_AT_ONCE]
            make = partial(describe, features.audio, some, weights, seed)
            writer.write_shard("train", f"{seed} {COPIES} {DROWNED} {some[0].key}", make)
            logger.info("%d of %d", begin + len(some), len(clips))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    extract(**vars(parser.parse_args()))
