"""How right a model is on a feature store, under a named protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.selection import Rows
from lddu_pipe.datasets.store import FeatureStore
from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.models.calibration import Calibration, apply_calibration, sigmoid
from lddu_pipe.pipelines.checkpoint import Checkpoint
from lddu_pipe.pipelines.evaluation import Evaluation, evaluate_calibrated
from lddu_pipe.training.scoring import LabelledScores, score_labelled
from lddu_pipe.types import MODALITIES

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
    raw = score_labelled(checkpoint.model, rows, passes=PASSES, progress=tell)
    return evaluate_scores(checkpoint, rows, split, raw, protocol)


def evaluate_scores(
    checkpoint: Checkpoint,
    rows: Rows,
    split: str,
    raw: LabelledScores,
    protocol: Protocol,
    *,
    by_fold: ByFold | None = None,
) -> Evaluation:
    """The same on scores that are there already, so that one pass serves both protocols.

    With `by_fold`, each (rows,) of it is judged by the calibration beside it, and not by the
    checkpoint's, which was fitted on these rows.
    """
    found = apply_calibration(raw, by_fold or checkpoint.calibration, checkpoint.config.scales)
    if protocol == "paper":
        probabilities = sigmoid(raw.logits)
        nothing = np.zeros_like(found.abstained)
        found = replace(
            found,
            probabilities=probabilities,
            thresholds=np.full_like(probabilities, PAPER_THRESHOLD),
            decisions=probabilities >= PAPER_THRESHOLD,
            abstained=nothing,
            has_set=nothing,
        )
    return evaluate_calibrated(
        checkpoint,
        found,
        protocol=protocol,
        ids=rows.ids,
        splits=(split,) * len(rows.ids),
        speakers=rows.speakers,
        truth=raw.labels >= 0.5,
        scales=raw.scales,
        data=rows.info.name,
        split=split,
        synthetic=rows.info.synthetic,
    )
