"""How the model weighs words, voice and face against each other, beside what people answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from composer import SETS, Composer
from corpora import Corpora
from judgements import NONE, Judgements, read_judgements
from lddu_pipe.evidence import Example
from lddu_pipe.metrics import expected_calibration_error, least_calibration_error
from lddu_pipe.models.calibration import CalibratedScores, set_name
from lddu_pipe.pipelines.predict import Predictor
from lddu_pipe.types import Modality

ROWS = 2000
"""Utterances that are put together for each set of modalities."""


def classes_of(found: CalibratedScores) -> NDArray[np.int64]:
    """(rows,) the most probable label that is present, or `NONE`."""
    return _most_probable(found.probabilities, found.decisions)


def _most_probable(
    probabilities: NDArray[np.floating], decisions: NDArray[np.bool_]
) -> NDArray[np.int64]:
    return np.where(
        decisions.any(axis=1), np.where(decisions, probabilities, -1.0).argmax(axis=1), NONE
    )


def majority(
    classes: Sequence[NDArray[np.int64]], found: Sequence[CalibratedScores]
) -> NDArray[np.int64]:
    """(rows,) what most modalities say; where none does, the one that is surest."""
    said = np.stack(classes)
    sure = np.stack([_confidence(one, scores) for one, scores in zip(classes, found, strict=True)])
    votes = np.stack(
        [((said == kind) * (1 + 1e-3 * sure)).sum(axis=0) for kind in range(NONE + 1)]
    )
    return votes.argmax(axis=0)


def _confidence(said: NDArray[np.int64], found: CalibratedScores) -> NDArray[np.float64]:
    """(rows,) how probable what is said is, 0..1."""
    probabilities = found.probabilities
    none = 1 - probabilities.max(axis=1, keepdims=True)
    return np.concatenate([probabilities, none], axis=1)[np.arange(len(said)), said]


def mean_of(found: Sequence[CalibratedScores]) -> NDArray[np.int64]:
    """(rows,) what the mean of the probabilities says, decided at the mean of the thresholds."""
    probabilities = np.mean([one.probabilities for one in found], axis=0)
    thresholds = np.mean([one.thresholds for one in found], axis=0)
    return _most_probable(probabilities, probabilities >= thresholds)


def from_answers(judged: Judgements, learned: Judgements) -> NDArray[np.int64]:
    """(rows,) what people mostly answered to such channels elsewhere: a bound for all who know.

    Channels that were never met are answered with the first one's class.
    """
    counts: dict[tuple[int, ...], NDArray[np.floating]] = {}
    for channels, joint in zip(learned.channels.tolist(), _with_none(learned), strict=True):
        key = tuple(channels)
        counts[key] = counts.get(key, np.zeros(NONE + 1)) + joint
    return np.array(
        [
            counts[key].argmax() if (key := tuple(channels)) in counts else channels[0]
            for channels in judged.channels.tolist()
        ]
    )


def _with_none(judged: Judgements) -> NDArray[np.floating]:
    """(utterances, labels + 1) shares of the people, of no emotion the last."""
    none = 1 - judged.joint.sum(axis=1, keepdims=True)
    return np.concatenate([judged.joint, none], axis=1)


def fusion_figures(
    predictor: Predictor, corpora: Corpora, data: Path, seed: int
) -> dict[str, dict[str, float | str]]:
    """Agreement with people by set of modalities, of rows put together of ones never used else.

    Args:
        predictor: the model.
        corpora: the reporting half.
        data: the folder of raw data.
        seed: of what is put together.
    """
    random = np.random.default_rng(seed)
    people = read_judgements(data / "labels", "report")
    learned = read_judgements(data / "labels", "train")
    composer = Composer(corpora, people, vary=False)
    found = {}
    for present in SETS:
        weights = people[present].weights
        places = random.choice(len(weights), ROWS, p=weights)
        rows = [composer.judged(present, int(place), random) for place in places]
        judged = people[present].at(places)
        known = from_answers(judged, learned[present])
        found[set_name(present)] = _figures(predictor, present, rows, judged, known)
    return found


def _figures(
    predictor: Predictor,
    present: tuple[Modality, ...],
    rows: Sequence[Example],
    judged: Judgements,
    known: NDArray[np.int64],
) -> dict[str, float | str]:
    fused = predictor.calibrated(rows)
    alone = {
        name: predictor.calibrated(
            [Example.of(row.id, row.labels, {name: row.sequences[name]}) for row in rows]
        )
        for name in present
    }
    answers = _with_none(judged).argmax(axis=1)
    classes = {name: classes_of(one) for name, one in alone.items()}
    guesses: dict[str, NDArray[np.int64]] = {
        "fused": classes_of(fused),
        **classes,
        "majority": majority([*classes.values()], [*alone.values()]),
        "mean": mean_of([*alone.values()]),
        "answers": known,
    }
    conflict = judged.conflict
    agreement = {name: guess == answers for name, guess in guesses.items()}
    truth = judged.joint >= 0.5
    best = max(present, key=lambda name: agreement[name].mean())
    return {
        "n": len(rows),
        "conflicts": int(conflict.sum()),
        "best": best,
        **{f"{name}_agreement": float(right.mean()) for name, right in agreement.items()},
        **{
            f"{name}_agreement_in_conflict": float(right[conflict].mean())
            for name, right in agreement.items()
        },
        "ece": float(expected_calibration_error(truth, fused.probabilities).mean()),
        "least_ece": float(least_calibration_error(fused.probabilities).mean()),
        "ece_in_conflict": float(
            expected_calibration_error(truth[conflict], fused.probabilities[conflict]).mean()
        ),
        "abstained": float(fused.abstained.mean()),
    }
