"""Calibrate a trained model on half of the validation data and write the checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from corpora import Composer, Corpora, ShrunkFaces, load_split, mosei_sets
from ferplus import load_faces
from lddu_pipe.evidence import Example
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.models.calibration import (
    UNCLEAR_SHARE,
    Calibration,
    Method,
    SetCalibration,
    ShownRows,
    SmallFaces,
    Target,
    fit_set,
    fit_small_faces,
    set_name,
)
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.scoring import score_examples
from lddu_pipe.pipelines.checkpoint import read_model, save_checkpoint
from lddu_pipe.types import MODALITIES, Modality
from small_faces import FULL_SIDE, SIDES, height_of, shrunk_faces

TEXT_ROWS = 3600
COMPOSED_ROWS = 3000
SETS_OF_MODALITIES: list[tuple[Modality, ...]] = [
    present for size in range(1, len(MODALITIES) + 1) for present in combinations(MODALITIES, size)
]
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
    corpus = corpora[present[0]]
    rows = corpus.rows
    places = np.arange(len(rows))
    if present == ("text",):
        # Every text corpus counts the same, whatever its size: that is what its rows weigh.
        weights = rows.weights.astype(np.float64)
        places = random.choice(places, TEXT_ROWS, p=weights / weights.sum())
    return [corpus.example(int(place)) for place in places]


def fit_faces(
    model: LDDUModel,
    sets: Mapping[str, SetCalibration],
    corpora: Corpora,
    data: Path,
    features: FeatureSet,
    random: np.random.Generator,
) -> dict[str, SmallFaces]:
    """What small faces are worth alone, and in composed utterances, by set of modalities."""
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    rows = corpora["vision"].rows
    with_faces = [present for present in SETS_OF_MODALITIES if "vision" in present]
    shown: dict[str, dict[float, ShownRows]] = {set_name(present): {} for present in with_faces}
    for side in SIDES:
        shrunk = ShrunkFaces(rows, shrunk_faces(features, faces, set(rows.ids), side))
        some = {**corpora, "vision": shrunk}
        composer = Composer(some, mosei_sets(data), vary=False)
        for present in with_faces:
            examples = calibration_rows(some, composer, present, random)
            raw = score_examples(model, examples)
            truth = np.stack([example.labels for example in examples])
            shown[set_name(present)][height_of(side)] = ShownRows(raw.logits, truth, raw.deviation)
    full = height_of(FULL_SIDE)
    return {name: fit_small_faces(sets[name], of_set, full) for name, of_set in shown.items()}


def calibrate(data: Path, features: Path, model_folder: Path, output: Path, seed: int) -> None:
    """Fit every set of modalities and put the checkpoint together."""
    random = np.random.default_rng(seed)
    _, corpora = load_split(features, "valid")
    composer = Composer(corpora, mosei_sets(data), vary=False)
    # What ships is written in half precision, so that is what is calibrated.
    model = read_model(model_folder).half().float()
    sets = {}
    for present in SETS_OF_MODALITIES:
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
    extractors = FeatureSet(Companions.load(features / "spoken"), offline=True)
    faces = fit_faces(model, sets, corpora, data, extractors, random)
    rates = np.mean([corpora[name].labels.mean(axis=0) for name in MODALITIES], axis=0)
    model.config.version = "0.6.0"
    calibration = Calibration(sets, tuple(rates.tolist()), small_faces=faces)
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
