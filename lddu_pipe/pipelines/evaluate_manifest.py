"""How right the pipeline is on labelled rows of a manifest."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Example
from lddu_pipe.labels import LabelSet
from lddu_pipe.models.calibration import CalibratedScores
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.evaluation import Evaluation, evaluate_calibrated
from lddu_pipe.pipelines.rows import samples_of_rows
from lddu_pipe.training.progress import ProgressCallback, ignore

PRESENT = 0.5
"""Share of a label from which a row counts as having it, where labels are shares."""


@dataclass(frozen=True)
class LabelledExamples:
    """The rows of a manifest that could be used, in its order."""

    examples: list[Example]
    """With labels, and with scales as the model's."""
    splits: tuple[str | None, ...]
    skipped: list[dict[str, str]]
    """Id and error of each row that was left out."""

    @property
    def labels(self) -> NDArray[np.float32]:
        """(rows, labels) in 0..1."""
        return np.stack([example.labels for example in self.examples])

    @property
    def scales(self) -> NDArray[np.float32]:
        """(rows, scales) in -1..1, NaN where unknown."""
        return np.stack([example.scales for example in self.examples])


def read_labelled(
    pipeline: EmotionPipeline, rows: Sequence[ManifestRow], progress: ProgressCallback
) -> LabelledExamples:
    """Extract labelled rows, each as one utterance.

    Only the modalities a row names are used: nothing is transcribed, so a row with sound alone
    is judged by its sound. Rows whose media cannot be used are listed and left out.

    Args:
        pipeline: whose extractors are used.
        rows: of a manifest; each needs labels.
        progress: told of stages and the share of each that is done.

    Raises:
        UnusableInputError: a row has no labels or an unknown one, or no row can be used.
    """
    config = pipeline.checkpoint.config
    label_set = LabelSet(config.name, pipeline.labels)
    targets = [row.target(label_set) for row in rows]
    examples: list[Example] = []
    splits: list[str | None] = []
    skipped: list[dict[str, str]] = []
    found = samples_of_rows(pipeline.extractors, pipeline.settings, rows, progress)
    for row, labels, item in zip(rows, targets, found, strict=True):
        if isinstance(item, str):
            skipped.append({"id": row.id, "error": item})
        else:
            scales = row.scale_values(config.scales)
            examples.append(replace(item, labels=labels, scales=scales))
            splits.append(row.split)
    if not examples:
        raise UnusableInputError(
            f"none of the {len(rows)} rows can be used: {skipped[0]['error']}"
        )
    return LabelledExamples(examples, tuple(splits), skipped)


@dataclass(frozen=True)
class ScoredRows:
    """Labelled rows with what the model says of them."""

    given: LabelledExamples
    calibrated: CalibratedScores

    @property
    def truth(self) -> NDArray[np.bool_]:
        """(rows, labels)."""
        return self.given.labels >= PRESENT

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the rows."""
        return tuple(example.id for example in self.given.examples)

    def only(self, ids: Collection[str]) -> ScoredRows:
        """Those of the rows, in the same order, that `ids` names."""
        kept = [index for index, name in enumerate(self.ids) if name in ids]
        given = LabelledExamples(
            [self.given.examples[index] for index in kept],
            tuple(self.given.splits[index] for index in kept),
            [row for row in self.given.skipped if row["id"] in ids],
        )
        return ScoredRows(given, self.calibrated.at(kept))


def score_manifest(
    pipeline: EmotionPipeline,
    rows: Sequence[ManifestRow],
    progress: ProgressCallback | None = None,
) -> ScoredRows:
    """Read labelled rows as `read_labelled` does, and score them."""
    given = read_labelled(pipeline, rows, progress or ignore)
    found = pipeline.predictor.calibrated(given.examples)
    if progress:
        progress("score", 1.0)
    return ScoredRows(given, found)


def evaluate_manifest(
    pipeline: EmotionPipeline,
    rows: Sequence[ManifestRow],
    progress: ProgressCallback | None = None,
) -> Evaluation:
    """Score labelled rows as `score_manifest` does, and compare with their labels.

    Args:
        pipeline: what is evaluated.
        rows: of a manifest; each needs labels.
        progress: told of stages and the share of each that is done.

    Returns:
        Figures as of `evaluate_answers`, under the protocol "validation-selected" (what the
        checkpoint's calibration learned is applied), with ``skipped`` (id and error of rows left
        out).

    Raises:
        UnusableInputError: a row has no labels or an unknown one, or no row can be used.
    """
    return evaluate_scored(pipeline, score_manifest(pipeline, rows, progress))


def evaluate_scored(pipeline: EmotionPipeline, scored: ScoredRows) -> Evaluation:
    """What `evaluate_manifest` returns, of rows that were scored already."""
    given = scored.given
    found = evaluate_calibrated(
        pipeline.checkpoint,
        scored.calibrated,
        protocol="validation-selected",
        ids=scored.ids,
        splits=given.splits,
        speakers=tuple(example.utterance.speaker for example in given.examples),
        truth=scored.truth,
        scales=given.scales,
    )
    return replace(found, figures={**found.figures, "skipped": given.skipped})
