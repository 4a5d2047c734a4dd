"""How right the pipeline is on labelled rows of a manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import LabelSet
from lddu_pipe.models.calibration import decide
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.evaluation import Evaluation, evaluate_answers
from lddu_pipe.pipelines.rows import samples_of_rows
from lddu_pipe.training.progress import ProgressCallback
from lddu_pipe.types import MODALITIES, Answers, Prediction, Sample, ScaleAnswers

PRESENT = 0.5
"""Share of a label from which a row counts as having it, where labels are shares."""


@dataclass(frozen=True)
class ScoredRows:
    """The rows of a manifest that could be used, in its order, with what the model says."""

    samples: list[Sample]
    predictions: list[Prediction]
    truth: NDArray[np.bool_]
    """(rows, labels)."""
    splits: tuple[str | None, ...]
    skipped: list[dict[str, str]]
    """Id and error of each row that was left out."""
    scales: ScaleAnswers
    """Of the model's scales."""

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """(rows, labels), calibrated."""
        return np.array(
            [[score.probability for score in item.emotions] for item in self.predictions]
        )

    @property
    def uncertainty(self) -> dict[str, NDArray[np.float64]]:
        """By name, "aleatoric" and "epistemic": (rows, labels) in 0..1."""
        return {
            name: np.array(
                [
                    [getattr(score.uncertainty, name) for score in item.emotions]
                    for item in self.predictions
                ]
            )
            for name in ("aleatoric", "epistemic")
        }

    @property
    def aleatoric(self) -> NDArray[np.float64]:
        """(rows,) mean of the labels' aleatoric uncertainty, 0..1."""
        mean: NDArray[np.float64] = self.uncertainty["aleatoric"].mean(axis=1)
        return mean

    @property
    def label_sets(self) -> NDArray[np.bool_] | None:
        """(rows, labels); None where the model makes no set for some rows."""
        sets = [
            None
            if item.label_set is None
            else [score.label in item.label_set for score in item.emotions]
            for item in self.predictions
        ]
        return None if None in sets else np.array(sets)

    def only(self, ids: Collection[str]) -> ScoredRows:
        """Those of the rows, in the same order, that `ids` names."""
        kept = [index for index, sample in enumerate(self.samples) if sample.utterance.id in ids]
        return ScoredRows(
            [self.samples[index] for index in kept],
            [self.predictions[index] for index in kept],
            self.truth[kept],
            tuple(self.splits[index] for index in kept),
            [row for row in self.skipped if row["id"] in ids],
            self.scales.at(kept),
        )


def score_manifest(
    pipeline: EmotionPipeline, rows: Sequence[ManifestRow], hook: ProgressCallback | None = None
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
    splits: list[str | None] = []
    known: list[NDArray[np.float32]] = []
    names = tuple(pipeline.checkpoint.config.scales)
    found = samples_of_rows(pipeline.extractors, pipeline.settings, rows, hook or _ignore)
    for row, target, sample in zip(rows, targets, found, strict=True):
        if isinstance(sample, str):
            skipped.append({"id": row.id, "error": sample})
        else:
            samples.append(sample)
            truth.append(target)
            splits.append(row.split)
            known.append(row.scale_values(names))
    if not samples:
        raise UnusableInputError(
            f"none of the {len(rows)} rows can be used: {skipped[0]['error']}"
        )
    predictions = pipeline.predictor.predict(samples)
    if hook:
        hook("score", 1.0)
    scales = ScaleAnswers(names, np.stack(known), *_places(names, predictions))
    return ScoredRows(
        *(samples, predictions, np.stack(truth) >= PRESENT, tuple(splits), skipped, scales)
    )


def _places(
    names: Sequence[str], predictions: Sequence[Prediction]
) -> Iterator[NDArray[np.float64]]:
    """Values, lower and upper ends, each (rows, scales); NaN where there is none."""
    for part in ("value", "low", "high"):
        yield np.array(
            [
                [getattr(item.scales.get(name), part, None) for name in names]
                for item in predictions
            ],
            dtype=np.float64,  # None becomes NaN
        )


def evaluate_manifest(
    pipeline: EmotionPipeline, rows: Sequence[ManifestRow], hook: ProgressCallback | None = None
) -> Evaluation:
    """Score labelled rows as `score_manifest` does, and compare with their labels.

    Args:
        pipeline: what is evaluated.
        rows: of a manifest; each needs labels.
        hook: told of stages and the share of each that is done.

    Returns:
        Figures as of `evaluate_answers`, under the protocol "validation-selected" (what the
        checkpoint's calibration learned is applied), with ``skipped`` (id and error of rows left
        out).

    Raises:
        UnusableInputError: a row has no labels or an unknown one, or no row can be used.
    """
    return evaluate_scored(pipeline, score_manifest(pipeline, rows, hook))


def evaluate_scored(pipeline: EmotionPipeline, scored: ScoredRows) -> Evaluation:
    """What `evaluate_manifest` returns, of rows that were scored already."""
    checkpoint, samples = pipeline.checkpoint, scored.samples
    probabilities, uncertainty = scored.probabilities, scored.uncertainty
    thresholds = np.array([pipeline.predictor.thresholds(sample) for sample in samples])
    answers = Answers(
        model=f"{checkpoint.config.name} {checkpoint.config.version}",
        protocol="validation-selected",
        labels=pipeline.labels,
        ids=tuple(sample.utterance.id for sample in samples),
        splits=scored.splits,
        speakers=tuple(sample.utterance.speaker for sample in samples),
        truth=scored.truth,
        probabilities=probabilities,
        decisions=decide(probabilities, thresholds),
        abstained=np.array([item.abstained for item in scored.predictions]),
        uncertainty=uncertainty,
        present=np.array(
            [[name not in item.missing for name in MODALITIES] for item in scored.predictions]
        ),
    )
    found = evaluate_answers(
        answers,
        thresholds=thresholds,
        base_rates=checkpoint.calibration.base_rates,
        label_sets=scored.label_sets,
        scales=scored.scales,
    )
    return replace(found, figures={**found.figures, "skipped": scored.skipped})


def _ignore(stage: str, share: float) -> None:
    """The hook of a caller who does not want one."""
