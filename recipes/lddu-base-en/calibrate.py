"""Calibrate a trained model on half of the validation data and write the checkpoint."""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpora import TEXT_CORPORA, Composer, Corpora, load_split, mosei_sets
from lddu_pipe.assets import ASSETS
from lddu_pipe.extractors.audio import AudioExtractor, AudioSettings
from lddu_pipe.extractors.base import fingerprint
from lddu_pipe.extractors.companions import ADAPTER_FILE, EXPRESSION_FILE
from lddu_pipe.extractors.text import TextExtractor, TextSettings
from lddu_pipe.extractors.vision import VisionExtractor, VisionSettings
from lddu_pipe.files import sha256_of_file
from lddu_pipe.models.calibration import (
    UNCLEAR_SHARE,
    Calibration,
    Method,
    Target,
    fit_set,
    set_name,
)
from lddu_pipe.pipelines.checkpoint import read_model, save_checkpoint
from lddu_pipe.types import MODALITIES, Modality
from train_lddu import Row, score_rows, single_rows

ROWS_PER_CORPUS = 1200
COMPOSED_ROWS = 3000
TARGETS: dict[tuple[Modality, ...], Target] = {
    ("text",): Target("f1"),
    ("audio",): Target("top-1"),
    ("vision",): Target("top-1"),
}
"""What thresholds are chosen for: faces and voices have one label or none. Composed rows are no
evidence of how often emotions are there, so with several modalities a label is present where it is
more likely than not."""
METHODS: dict[tuple[Modality, ...], Method] = {("vision",): "matrix"}
"""Faces seldom show two emotions, so one speaks against the others; of voices there are too few to
learn how much. Platt scaling everywhere else."""


def calibration_rows(
    corpora: Corpora,
    sets: NDArray[np.bool_],
    present: tuple[Modality, ...],
    random: np.random.Generator,
) -> list[Row]:
    """Rows to calibrate one set of modalities on: real ones where there are any."""
    if len(present) > 1:
        composer = Composer(corpora, sets, random, vary=False)
        return [composer.composed(present) for _ in range(COMPOSED_ROWS)]
    rows = single_rows(corpora, present[0])
    if present != ("text",):
        return rows
    # Every text corpus counts the same, whatever its size.
    groups = corpora.text.groups
    chosen = [
        random.choice(np.flatnonzero(groups == corpus), ROWS_PER_CORPUS) for corpus in TEXT_CORPORA
    ]
    return [rows[index] for index in np.concatenate(chosen)]


def hard(rows: list[Row], corpora: Corpora, present: tuple[Modality, ...]) -> np.ndarray:
    """Labels as an evaluation counts them: the majority's expression of a face, alone."""
    labels = np.stack([labels for _, labels in rows])
    if present == ("vision",):
        # FER+ columns are neutral first, then our labels in another order.
        order = np.array([-1, 0, 3, 1, 2, 4, 5])[corpora.vision.majority]
        return np.eye(7)[order][:, :6]
    return (labels >= 0.5).astype(np.float64)


def calibrate(
    data: Path,
    features: Path,
    model_folder: Path,
    expression: Path,
    adapter: Path,
    output: Path,
    seed: int,
) -> None:
    """Fit every set of modalities and put the checkpoint together."""
    random = np.random.default_rng(seed)
    corpora = load_split(features, "calibrate")
    label_sets = mosei_sets(data)
    # What ships is written in half precision, so that is what is calibrated.
    model = read_model(model_folder).half().float()
    sets = {}
    for size in range(1, len(MODALITIES) + 1):
        for present in combinations(MODALITIES, size):
            rows = calibration_rows(corpora, label_sets, present, random)
            logits, deviations, _ = score_rows(model, rows)
            truth = hard(rows, corpora, present)
            sets[set_name(present)] = fit_set(
                logits,
                truth,
                deviations,
                unclear_share=UNCLEAR_SHARE,
                method=METHODS.get(present, "platt"),
                target=TARGETS.get(present, Target("half")),
            )
    rates = [
        np.mean(hard(single_rows(corpora, name), corpora, (name,)), axis=0) for name in MODALITIES
    ]
    files = {name: dict(asset.files) for name, asset in ASSETS.items()}
    model.config.fingerprints = {
        "text": fingerprint(
            TextExtractor.name,
            TextSettings(),
            files["all-MiniLM-L6-v2"] | {ADAPTER_FILE: sha256_of_file(adapter / ADAPTER_FILE)},
        ),
        "audio": fingerprint(AudioExtractor.name, AudioSettings(), files["whisper-tiny.en"]),
        "vision": fingerprint(
            VisionExtractor.name,
            VisionSettings(),
            files["face-landmarker"]
            | {EXPRESSION_FILE: sha256_of_file(expression / EXPRESSION_FILE)},
        ),
    }
    model.config.version = "0.6.0"
    base_rates = tuple(float(rate) for rate in np.mean(rates, axis=0))
    save_checkpoint(output, model.half(), Calibration(sets, base_rates), [expression, adapter])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--expression", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    calibrate(
        arguments.data,
        arguments.features,
        arguments.model,
        arguments.expression,
        arguments.adapter,
        arguments.output,
        arguments.seed,
    )
