"""Calibrate a trained model on half of the validation data and write the checkpoint."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer import Composer
from corpora import Corpora, ExampleRows, VisionCorpus, corpus_of, load_valid
from ferplus import load_faces
from judgements import read_judgements
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import MOSEI
from lddu_pipe.models.calibration import (
    UNCLEAR_SHARE,
    Calibration,
    Method,
    SetCalibration,
    ShownRows,
    SmallFaces,
    Target,
    Widening,
    fit_set,
    fit_small_faces,
    set_name,
)
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.scoring import score_examples
from lddu_pipe.pipelines.checkpoint import read_model, save_checkpoint
from lddu_pipe.types import MODALITIES, Modality
from left_out import read_widenings
from manifests import asked_for, calibrating, known_labels
from small_faces import FULL_SIDE, SIDES, changed_faces, height_of, shrink
from texts import read_split

VERSION = "1.0.0"
ROWS: Mapping[Modality, int] = {"text": 6000, "audio": 1200}
"""Drawn to calibrate texts alone and voices alone, from every corpus as many."""
COMPOSED_ROWS = 3000
SETS_OF_MODALITIES: list[tuple[Modality, ...]] = [
    present for size in range(1, len(MODALITIES) + 1) for present in combinations(MODALITIES, size)
]
TARGETS: dict[tuple[Modality, ...], Target] = {("text",): Target("f1")}
"""What thresholds are chosen for: texts have any number of labels, faces and voices one or none,
and people who judged several channels together named one, too."""
METHODS: dict[tuple[Modality, ...], Method] = {("vision",): "matrix"}
"""Faces seldom show two emotions, so one speaks against the others; of voices there are too few to
learn how much. Platt scaling everywhere else."""


def drawn_alike(
    ids: tuple[str, ...], count: int, random: np.random.Generator
) -> NDArray[np.int64]:
    """Places of rows, from every corpus as many, whatever its size."""
    corpora = np.array([corpus_of(row) for row in ids])
    names = np.unique(corpora)
    each = [random.choice(np.flatnonzero(corpora == name), count // len(names)) for name in names]
    return np.concatenate(each)


def half_balanced(labels: NDArray[np.floating], random: np.random.Generator) -> NDArray[np.int64]:
    """Places of rows: each once, and as many again in which every class is as frequent.

    Of most collections of faces a third or more shows no emotion, of films far fewer do; the
    thresholds are to serve both.
    """
    present = labels >= 0.5
    classes = np.where(present.any(axis=1), present.argmax(axis=1), present.shape[1])
    names, counts = np.unique(classes, return_counts=True)
    shares = (1 / counts / len(names))[np.searchsorted(names, classes)]
    again = random.choice(len(labels), len(labels), p=shares)
    return np.concatenate([np.arange(len(labels)), again])


class Calibrator:
    """Fits sets of modalities of one model on the rows that calibrate."""

    def __init__(self, model: LDDUModel, data: Path, random: np.random.Generator) -> None:
        self._model, self._random = model, random
        self._asked = asked_for(read_split(data / "text", "valid"))
        self._people = read_judgements(data / "labels", "calibrate")

    def shown(self, corpora: Corpora, present: tuple[Modality, ...]) -> ShownRows:
        """What the model says of rows to calibrate one set of modalities on.

        They are real ones where there are any.
        """
        if len(present) > 1:
            composer = Composer(corpora, self._people, vary=False)
            rows = [composer.composed(present, self._random) for _ in range(COMPOSED_ROWS)]
            places = np.arange(len(rows))
        else:
            of_corpus = corpora[present[0]].rows
            rows = [of_corpus[place] for place in range(len(of_corpus))]
            places = np.arange(len(rows))
            if present[0] in ROWS:
                places = drawn_alike(of_corpus.ids, ROWS[present[0]], self._random)
        raw = score_examples(self._model, rows)
        labels = np.stack([row.labels for row in rows])
        truth = known_labels([row.id for row in rows], labels, self._asked)
        return ShownRows(raw.logits[places], truth[places], raw.deviation[places])

    def fit(
        self, shown: ShownRows, present: tuple[Modality, ...], widening: Widening | None
    ) -> SetCalibration:
        """One set of modalities."""
        choosing = None
        if present == ("vision",):
            choosing = half_balanced(shown.truth, self._random)
        return fit_set(
            shown.logits,
            shown.truth,
            shown.deviation,
            unclear_share=UNCLEAR_SHARE,
            method=METHODS.get(present, "platt"),
            target=TARGETS.get(present, Target("top-1")),
            choosing=choosing,
            widening=widening,
        )


def widening_of(
    present: tuple[Modality, ...], known: Mapping[Modality, Widening]
) -> Widening | None:
    """That of a modality; of several the mean, as each has its part in what is said."""
    none = Widening(1.0, (0.0,) * len(MOSEI))
    lines = [known.get(name, none) for name in present]
    if all(line == none for line in lines):
        return None
    slope = np.exp(np.mean([np.log(line.slope) for line in lines]))
    return Widening(float(slope), tuple(np.mean([line.offset for line in lines], axis=0).tolist()))


def calibrate(
    data: Path,
    features: Path,
    companions: Path,
    model_folder: Path,
    left_out: Path,
    output: Path,
    seed: int,
) -> None:
    """Fit every set of modalities and put the checkpoint together."""
    random = np.random.default_rng(seed)
    corpora = load_valid(features, lambda rows: calibrating(rows.ids, rows.speakers))
    # What ships is written in half precision, so that is what is calibrated.
    model = read_model(model_folder).half().float()
    calibrator = Calibrator(model, data, random)
    widenings = dict(read_widenings(left_out))
    sets, plain = {}, {}
    for present in SETS_OF_MODALITIES:
        shown = calibrator.shown(corpora, present)
        sets[set_name(present)] = calibrator.fit(shown, present, widening_of(present, widenings))
        if "vision" in present:
            plain[set_name(present)] = calibrator.fit(shown, present, None)
    extractors = FeatureSet(Companions.load(companions), offline=True)
    faces = fit_faces(calibrator, plain, corpora, data, extractors)
    rates = np.mean([corpora[name].labels.mean(axis=0) for name in MODALITIES], axis=0)
    model.config.version = VERSION
    calibration = Calibration(sets, tuple(rates.tolist()), small_faces=faces)
    save_checkpoint(output, model.half(), calibration, [companions])


def fit_faces(
    calibrator: Calibrator,
    sets: Mapping[str, SetCalibration],
    corpora: Corpora,
    data: Path,
    features: FeatureSet,
) -> dict[str, SmallFaces]:
    """What small faces are worth alone, and in composed utterances, by set of modalities.

    Logits of small faces are brought to what they would be of large ones, so `sets` are calibrated
    and not widened: that comes after.
    """
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    names = {row.partition(":")[2] for row in corpora["vision"].rows.ids}
    with_faces = [present for present in SETS_OF_MODALITIES if "vision" in present]
    shown: dict[str, dict[float, ShownRows]] = {set_name(present): {} for present in with_faces}
    for side in SIDES:
        examples = changed_faces(features, faces, names, partial(shrink, side=side))
        some: Corpora = {**corpora, "vision": VisionCorpus(ExampleRows(examples))}
        for present in with_faces:
            shown[set_name(present)][height_of(side)] = calibrator.shown(some, present)
    full = height_of(FULL_SIDE)
    return {name: fit_small_faces(sets[name], of_set, full) for name, of_set in shown.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="the folder of all stores")
    parser.add_argument("--companions", type=Path, required=True, help="what was trained first")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--left-out", type=Path, required=True, help="what left_out.py wrote")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    calibrate(
        arguments.data,
        arguments.features,
        arguments.companions,
        arguments.model,
        arguments.left_out,
        arguments.output,
        arguments.seed,
    )
