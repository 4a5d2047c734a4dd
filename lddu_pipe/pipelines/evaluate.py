"""How right the pipeline is on labelled rows of a manifest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import LabelSet
from lddu_pipe.metrics import summarise
from lddu_pipe.models.calibration import decide
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.rows import samples_of_rows
from lddu_pipe.pipelines.settings import Hook
from lddu_pipe.types import Prediction, Sample

PRESENT = 0.5
"""Share of a label from which a row counts as having it, where labels are shares."""


@dataclass(frozen=True)
class ScoredRows:
    """The rows of a manifest that could be used, in its order, with what the model says."""

    samples: list[Sample]
    predictions: list[Prediction]
    truth: NDArray[np.bool_]
    """(rows, labels)."""
    skipped: list[dict[str, str]]
    """Id and error of each row that was left out."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(rows, labels), calibrated."""
        return np.array(
            [[score.probability for score in item.emotions] for item in self.predictions]
        )

    @property
    def aleatoric(self) -> NDArray[np.float64]:
        """(rows,) mean of the labels' aleatoric uncertainty, 0..1."""
        return np.array(
            [
                np.mean([score.uncertainty.aleatoric for score in item.emotions])
                for item in self.predictions
            ]
        )

    def only(self, ids: Collection[str]) -> ScoredRows:
        """Those of the rows, in the same order, that `ids` names."""
        kept = [index for index, sample in enumerate(self.samples) if sample.utterance.id in ids]
        return ScoredRows(
            [self.samples[index] for index in kept],
            [self.predictions[index] for index in kept],
            self.truth[kept],
            [row for row in self.skipped if row["id"] in ids],
        )


def score_manifest(
    pipeline: EmotionPipeline, rows: Sequence[ManifestRow], hook: Hook | None = None
) -> ScoredRows:
    """Score labelled rows, each as one utterance.

    Only the modalities a row names are used: nothing is transcribed, so a row with sound alone
    is judged by its sound. Rows whose media cannot be used are listed and left out.

    Args:
        pipeline: what scores.
        rows: of a manifest; each needs labels.
        hook: told of stages and the share of each that is done.

    Raises:
        UnusableInputError: a row has no labels or an unknown one, or no row can be used.
    """
    label_set = LabelSet(pipeline.checkpoint.config.name, pipeline.labels)
    targets = [row.target(label_set) for row in rows]
    skipped: list[dict[str, str]] = []
    samples: list[Sample] = []
    truth: list[NDArray[np.float32]] = []
    found = samples_of_rows(pipeline.extractors, pipeline.settings, rows, hook or _ignore)
    for row, target, sample in zip(rows, targets, found, strict=True):
        if isinstance(sample, str):
            skipped.append({"id": row.id, "error": sample})
        else:
            samples.append(sample)
            truth.append(target)
    if not samples:
        raise UnusableInputError(
            f"none of the {len(rows)} rows can be used: {skipped[0]['error']}"
        )
    predictions = pipeline.predictor.predict(samples)
    if hook:
        hook("score", 1.0)
    return ScoredRows(samples, predictions, np.stack(truth) >= PRESENT, skipped)


def evaluate_manifest(
    pipeline: EmotionPipeline, rows: Sequence[ManifestRow], hook: Hook | None = None
) -> dict[str, Any]:
    """Score labelled rows as `score_manifest` does, and compare with their labels.

    Decisions are those at the checkpoint's thresholds, also where the pipeline would abstain;
    ``abstained`` says how often that is.

    Args:
        pipeline: what is evaluated.
        rows: of a manifest; each needs labels.
        hook: told of stages and the share of each that is done.

    Returns:
        The figures of `metrics.summarise`, with ``model``, ``protocol`` (what the checkpoint's
        calibration learned is applied, "validation-selected"), ``abstained`` (share of rows),
        ``modalities`` (rows by set) and ``skipped`` (id and error of rows left out).

    Raises:
        UnusableInputError: a row has no labels or an unknown one, or no row can be used.
    """
    return figures_of(pipeline, score_manifest(pipeline, rows, hook))


def figures_of(pipeline: EmotionPipeline, scored: ScoredRows) -> dict[str, Any]:
    """The figures that `evaluate_manifest` returns, of rows that were scored already."""
    probabilities = scored.probabilities
    thresholds = np.array([pipeline.predictor.thresholds(sample) for sample in scored.samples])
    same = (thresholds == thresholds[0]).all()
    sets = [
        "+".join(sample.sequences) if sample.sequences else "none" for sample in scored.samples
    ]
    return {
        "model": f"{pipeline.checkpoint.config.name} {pipeline.checkpoint.config.version}",
        "protocol": "validation-selected",
        **summarise(
            scored.truth,
            probabilities,
            decide(probabilities, thresholds),
            labels=pipeline.labels,
            thresholds=thresholds[0].tolist() if same else [None] * len(pipeline.labels),
        ),
        "abstained": float(np.mean([item.abstained for item in scored.predictions])),
        "modalities": {name: sets.count(name) for name in sorted(set(sets))},
        "skipped": scored.skipped,
    }


def _ignore(stage: str, share: float) -> None:
    """The hook of a caller who does not want one."""
