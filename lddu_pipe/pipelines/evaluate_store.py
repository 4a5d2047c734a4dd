"""How right a model is on a feature store, under a named protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from itertools import product
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.selection import Rows
from lddu_pipe.datasets.store import FeatureStore
from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.models.calibration import Calibration, modalities_of, sigmoid
from lddu_pipe.pipelines.checkpoint import Checkpoint
from lddu_pipe.pipelines.evaluation import Evaluation, evaluate_answers
from lddu_pipe.pipelines.predict import NOTHING_TO_SEE
from lddu_pipe.training.scoring import RawScores, score_rows
from lddu_pipe.types import MODALITIES, Answers, ScaleAnswers

Protocol = Literal["validation-selected", "paper"]
PROTOCOLS: tuple[Protocol, ...] = get_args(Protocol)
"""Both use the weights chosen on the validation split.

"validation-selected": calibrated probabilities, and thresholds, abstention and label sets learned
on the validation split. "paper": the model's own probabilities at the fixed threshold of the
published run; it never abstains.
"""
PAPER_THRESHOLD = 0.21
PASSES = 16
ByFold = list[tuple[NDArray[np.bool_], Calibration]]
"""Rows, (rows,) bool, and a calibration that was fitted on the other rows."""


def check_fit(checkpoint: Checkpoint, store: FeatureStore) -> None:
    """Refuse features or labels that the model was not trained on.

    Raises:
        IncompatibleModelError: the message says what differs.
    """
    config, info = checkpoint.config, store.info
    if config.labels != info.labels:
        raise IncompatibleModelError(
            f"{config.name} knows the labels {', '.join(config.labels)}; {store.folder} has "
            f"{', '.join(info.labels)}"
        )
    for modality in MODALITIES:
        trained, found = config.fingerprints.get(modality), info.fingerprints[modality]
        size, width = config.feature_sizes[modality], info.feature_sizes[modality]
        if trained != found or size != width:
            raise IncompatibleModelError(
                f"{config.name} was trained on {modality} features {trained} of size {size}; "
                f"{store.folder} holds {found} of size {width}"
            )
    if not config.accepts(aligned=info.aligned):
        kind = "aligned" if info.aligned else "unaligned"
        raise IncompatibleModelError(
            f"{config.name} was trained on {config.alignment} sequences; {store.folder} is {kind}"
        )


def evaluate_store(
    checkpoint: Checkpoint,
    store: FeatureStore,
    split: str = "test",
    *,
    protocol: Protocol = "validation-selected",
    tell: Callable[[float], None] | None = None,
) -> Evaluation:
    """Score a split of a store and compare with its labels.

    Args:
        checkpoint: its model on the device to use.
        store: with features the model was trained on.
        split: "train", "valid" or "test".
        protocol: see `PROTOCOLS`.
        tell: called with the share that is done.

    Raises:
        UnusableInputError: there is no such split.
        IncompatibleModelError: the model was trained on other features or labels.
    """
    check_fit(checkpoint, store)
    rows = store.split(split)
    raw = score_rows(checkpoint.model, rows, passes=PASSES, progress=tell)
    return evaluate_scores(checkpoint, rows, split, raw, protocol)


def evaluate_scores(
    checkpoint: Checkpoint,
    rows: Rows,
    split: str,
    raw: RawScores,
    protocol: Protocol,
    *,
    by_fold: ByFold | None = None,
) -> Evaluation:
    """The same on scores that are there already, so that one pass serves both protocols.

    With `by_fold`, each (rows,) of it is judged by the calibration beside it, and not by the
    checkpoint's, which was fitted on these rows.
    """
    calibration = checkpoint.calibration
    everywhere = np.ones(len(raw.labels), np.bool_)
    by_fold = by_fold or [(everywhere, calibration)]
    applied = apply_calibrations(by_fold, raw)
    probabilities, thresholds = applied.probabilities, applied.thresholds
    decisions, abstained, members = applied.decisions, applied.abstained, applied.label_sets
    if protocol == "paper":
        probabilities = sigmoid(raw.logits)
        thresholds = np.full_like(thresholds, PAPER_THRESHOLD)
        decisions = probabilities >= thresholds
        abstained, members = np.zeros_like(abstained), None
    answers = Answers(
        model=f"{checkpoint.config.name} {checkpoint.config.version}",
        protocol=protocol,
        labels=rows.info.labels,
        ids=rows.ids,
        splits=(split,) * len(rows.ids),
        speakers=rows.speakers,
        truth=raw.labels >= 0.5,
        probabilities=probabilities,
        decisions=decisions,
        abstained=abstained,
        uncertainty=applied.uncertainty,
        present=raw.present,
    )
    return evaluate_answers(
        answers,
        thresholds=thresholds,
        base_rates=calibration.base_rates,
        label_sets=members,
        scales=_scales(by_fold, checkpoint.config.scales, raw),
        data=rows.info.name,
        split=split,
        synthetic=rows.info.synthetic,
    )


@dataclass(frozen=True)
class Applied:
    """What calibrations make of raw scores."""

    probabilities: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    decisions: NDArray[np.bool_]
    label_sets: NDArray[np.bool_] | None
    """None where label sets were not calibrated for every row's modalities."""
    abstained: NDArray[np.bool_]
    uncertainty: dict[str, NDArray[np.float64]]


def apply_calibrations(calibrations: ByFold, raw: RawScores) -> Applied:
    """Calibrate each row by its set of present modalities; each row is in one of the folds."""
    shape = raw.logits.shape
    probabilities, thresholds, aleatoric, epistemic = np.zeros((4, *shape))
    decisions, label_sets = np.zeros((2, *shape), np.bool_)
    abstained = np.zeros(len(raw.logits), np.bool_)
    all_sets = True
    for (fold, calibration), pattern in product(calibrations, np.unique(raw.present, axis=0)):
        chosen = fold & (raw.present == pattern).all(axis=1)
        if not chosen.any():
            continue
        if not pattern.any():
            # As pipelines answer where nothing is known of an input.
            probabilities[chosen], thresholds[chosen] = calibration.base_rates, 1.0
            aleatoric[chosen], epistemic[chosen] = astuple(NOTHING_TO_SEE)
            abstained[chosen], all_sets = True, False
            continue
        of_set = calibration.of(modalities_of(pattern))
        probabilities[chosen] = of_set.probabilities(raw.logits[chosen])
        thresholds[chosen] = of_set.threshold
        decisions[chosen] = of_set.decide(probabilities[chosen])
        aleatoric[chosen] = of_set.aleatoric(raw.deviation[chosen])
        epistemic[chosen] = of_set.probabilities(raw.sampled[:, chosen]).std(axis=0)
        abstained[chosen] = of_set.abstains(probabilities[chosen], aleatoric[chosen])
        members = of_set.label_set(probabilities[chosen])
        if members is None:
            all_sets = False
        else:
            label_sets[chosen] = members
    return Applied(
        probabilities,
        thresholds,
        decisions,
        label_sets if all_sets else None,
        abstained,
        {"aleatoric": aleatoric, "epistemic": epistemic},
    )


def _scales(
    calibrations: ByFold,
    names: list[str],
    raw: RawScores,
) -> ScaleAnswers:
    """The place of each row on each scale; each row is in one of the folds."""
    low, high = np.full((2, *raw.scales.shape), np.nan)
    for fold, calibration in calibrations:
        low[fold], high[fold] = calibration.intervals(
            names, raw.scale_mean[fold], raw.scale_deviation[fold]
        )
    return ScaleAnswers(tuple(names), raw.scales, raw.scale_mean, low, high)
