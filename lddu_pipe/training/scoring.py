"""A model's raw scores of many rows, beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.selection import Rows
from lddu_pipe.models.batch import Batch, collate_rows
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.scores import RawScores
from lddu_pipe.models.scoring import score_rows
from lddu_pipe.types import MODALITIES


@dataclass(frozen=True)
class LabelledScores(RawScores):
    """What a model says of rows, and the truth, in their order."""

    labels: NDArray[np.float32]
    """(rows, labels) in 0..1."""
    scales: NDArray[np.float32]
    """(rows, scales) in -1..1, NaN where unknown."""


def score_labelled(
    model: LDDUModel,
    rows: Rows,
    *,
    passes: int = 0,
    progress: Callable[[float], None] | None = None,
) -> LabelledScores:
    """Score every row of a split or selection.

    Args:
        model: on its device; put into evaluation mode.
        rows: with features the model was made for.
        passes: dropout passes of the head, for epistemic uncertainty.
        progress: called with the share that is done.
    """

    def read(places: NDArray[np.int64]) -> Batch:
        found = [rows[int(place)].sequences for place in places]
        return collate_rows(found, model.config.max_steps, aligned=rows.info.aligned)

    lengths = np.stack([rows.lengths(name) for name in MODALITIES], axis=1)
    scores = score_rows(
        *(model, lengths, read), aligned=rows.info.aligned, passes=passes, progress=progress
    )
    known = known_scales(model.config.scales, rows)
    return LabelledScores(**vars(scores), labels=rows.labels, scales=known)


def known_scales(names: Sequence[str], rows: Rows) -> NDArray[np.float32]:
    """Truth of the scales with these names, (rows, scales); NaN where the rows do not know it."""
    known = dict(zip(rows.info.scales, rows.scales.T, strict=True))
    found = np.full((len(rows.scales), len(names)), np.nan, np.float32)
    for index, name in enumerate(names):
        found[:, index] = known.get(name, np.nan)
    return found
