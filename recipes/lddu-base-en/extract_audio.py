"""Extract audio features of RAVDESS, clean, distorted and spoilt."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from damage import add_noise
from lddu_pipe.assets import resolve
from lddu_pipe.extractors.audio import AudioExtractor, AudioSettings
from lddu_pipe.extractors.whisper_layers import WhisperLayers
from ravdess import VALID_ACTORS, distort, list_clips, read_waveform
from store import FeatureRow, write_rows


def extract(data: Path, output: Path, copies: int, seed: int) -> None:
    """Write ``audio_train`` and ``audio_valid``.

    Only training clips get distorted copies, and one whose voice drowns in noise.
    """
    settings = AudioSettings()
    encoder = WhisperLayers(resolve(settings.encoder), settings.layers)
    extractor = AudioExtractor(encoder, settings, {})
    random = np.random.default_rng(seed)
    rows: dict[str, list[FeatureRow]] = {"train": [], "valid": []}
    for clip in list_clips(data / "audio" / "ravdess"):
        split = "valid" if clip.actor in VALID_ACTORS else "train"
        waveform = read_waveform(clip)
        variants = [(waveform, 0.0)]
        if split == "train":
            variants += [(distort(waveform, random), 0.0) for _ in range(copies)]
            variants.append((add_noise(waveform, random.uniform(-4, 3), random), 1.0))
        for variant, damage in variants:
            sequence = extractor.extract(variant)
            rows[split].append(
                FeatureRow(
                    name=clip.path.stem,
                    group=f"actor-{clip.actor:02d}",
                    values=sequence.values[sequence.valid],
                    labels={clip.emotion: 1.0} if clip.emotion else {},
                    damage=damage,
                )
            )
    for split, found in rows.items():
        write_rows(output / f"audio_{split}.npz", found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    extract(arguments.data, arguments.output, arguments.copies, arguments.seed)
