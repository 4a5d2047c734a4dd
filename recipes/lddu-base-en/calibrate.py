"""Calibrate a trained model on half of the validation data and write the checkpoint."""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np

from corpora import Composer, Corpora, load_split, mosei_sets
from lddu_pipe.evidence import Example
from lddu_pipe.models.calibration import (
    UNCLEAR_SHARE,
    Calibration,
    Method,
    Target,
    fit_set,
    set_name,
)
from lddu_pipe.models.scoring import score_examples
from lddu_pipe.pipelines.checkpoint import read_model, save_checkpoint
from lddu_pipe.types import MODALITIES, Modality

TEXT_ROWS = 3600
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
    composer: Composer,
    present: tuple[Modality, ...],
    random: np.random.Generator,
) -> list[Example]:
    """Rows to calibrate one set of modalities on: real ones where there are any."""
    if len(present) > 1:
        return [composer.composed(present, random) for _ in range(COMPOSED_ROWS)]
    rows = corpora[present[0]].rows
    places = np.arange(len(rows))
    if present == ("text",):
        # Every text corpus counts the same, whatever its size: that is what its rows weigh.
        weights = rows.weights.astype(np.float64)
        places = random.choice(places, TEXT_ROWS, p=weights / weights.sum())
    return [rows[int(place)] for place in places]


def calibrate(data: Path, features: Path, model_folder: Path, output: Path, seed: int) -> None:
    """Fit every set of modalities and put the checkpoint together."""
    random = np.random.default_rng(seed)
    _, corpora = load_split(features, "valid")
    composer = Composer(corpora, mosei_sets(data), vary=False)
    # What ships is written in half precision, so that is what is calibrated.
    model = read_model(model_folder).half().float()
    sets = {}
    for size in range(1, len(MODALITIES) + 1):
        for present in combinations(MODALITIES, size):
            rows = calibration_rows(corpora, composer, present, random)
            raw = score_examples(model, rows)
            sets[set_name(present)] = fit_set(
                raw.logits,
                np.stack([row.labels for row in rows]),
                raw.deviation,
                unclear_share=UNCLEAR_SHARE,
                method=METHODS.get(present, "platt"),
                target=TARGETS.get(present, Target("half")),
            )
    rates = np.mean([corpora[name].labels.mean(axis=0) for name in MODALITIES], axis=0)
    model.config.version = "0.6.0"
    calibration = Calibration(sets, tuple(rates.tolist()))
    save_checkpoint(output, model.half(), calibration, [features / "spoken"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    calibrate(
        arguments.data, arguments.features, arguments.model, arguments.output, arguments.seed
    )
