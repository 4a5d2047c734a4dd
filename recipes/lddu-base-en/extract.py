"""Extract features of texts and voices, and of the validation data, as `lddu-pipe extract` does.

Faces that training sees, which are moved and covered in many ways, are those of extract_faces.py.
"""

from __future__ import annotations

import argparse
import io
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from damage import add_noise
from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.files import write_whole
from lddu_pipe.labels import MOSEI
from lddu_pipe.pipelines.extract import extract_manifest
from lddu_pipe.pipelines.settings import PipelineSettings
from manifests import CORPORA
from ravdess import SAMPLE_RATE, VALID_ACTORS, Clip, distort, list_clips, read_waveform
from soft_labels import FILE_NAME, SoftLabels
from texts import training_rows

logger = logging.getLogger("extract")


def sounds(clip: Clip, copies: int, seed: int) -> Iterator[tuple[NDArray[np.float32], float]]:
    """A clip, distorted copies, and one drowned in noise; with how far each is spoilt, 0..1."""
    random = np.random.default_rng([seed, *clip.path.stem.encode()])
    waveform = read_waveform(clip)
    yield waveform, 0.0
    for _ in range(copies):
        yield distort(waveform, random), 0.0
    yield add_noise(waveform, random.uniform(-4, 3), random), 1.0


def voices(data: Path, folder: Path, copies: int, seed: int) -> list[ManifestRow]:
    """Training clips, written into a folder; each emotion weighs the same."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for clip in list_clips(data / "audio" / "ravdess"):
        if clip.actor in VALID_ACTORS:
            continue
        for number, (waveform, damage) in enumerate(sounds(clip, copies, seed)):
            path = folder / f"{clip.path.stem}-{number}.flac"
            if not path.is_file():  # one that is new would be heard anew
                content = io.BytesIO()
                soundfile.write(content, waveform, SAMPLE_RATE, format="FLAC")
                write_whole(path, content.getvalue())
            labels = {clip.emotion: 1.0} if clip.emotion else {}
            speaker = f"actor-{clip.actor:02d}"
            rows.append(
                ManifestRow(
                    *(path.stem, str(path)),
                    audio=path,
                    speaker=speaker,
                    split="train",
                    labels=labels,
                    damage=damage,
                )
            )
    counts = Counter(tuple(row.labels or ()) for row in rows)
    return [replace(row, weight=1 / counts[tuple(row.labels or ())]) for row in rows]


def validation_rows(manifests: Path) -> list[ManifestRow]:
    """The half that chooses and calibrates; every corpus of a modality weighs the same."""
    rows = []
    for corpus in CORPORA:
        found = read_manifest(manifests / f"{corpus}_calibrate.jsonl")
        rows += [replace(row, split="valid", weight=1 / len(found)) for row in found]
    return rows


def extract(
    data: Path, manifests: Path, companions: Path, output: Path, copies: int, seed: int
) -> None:
    """Write the feature store ``output``; its train split has no faces."""
    texts = training_rows(
        data / "text", SoftLabels(companions / FILE_NAME), np.random.default_rng(seed)
    )
    heard = voices(data, output.with_name("sounds"), copies, seed)
    extract_manifest(
        FeatureSet(Companions.load(companions), offline=True),
        PipelineSettings(),
        [*texts, *heard, *validation_rows(manifests)],
        output,
        name="texts and voices",
        label_set=MOSEI,
        progress=lambda stage, share: logger.info("%s %.1f %%", stage, 100 * share),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--manifests", type=Path, required=True, help="those of manifests.py")
    parser.add_argument("--companions", type=Path, required=True, help="what was trained first")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--copies", type=int, default=6)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    extract(
        arguments.data,
        arguments.manifests,
        arguments.companions,
        arguments.output,
        arguments.copies,
        arguments.seed,
    )
