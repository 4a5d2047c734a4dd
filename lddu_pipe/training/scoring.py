"""A model's raw scores of many rows, before any calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lddu_pipe.datasets.collate import RowCollator
from lddu_pipe.datasets.selection import Rows
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import deviation_size


@dataclass(frozen=True)
class RawScores:
    """What a model says of rows, in their order."""

    logits: NDArray[np.float32]
    """(rows, labels)."""
    deviation: NDArray[np.float32]
    """(rows, labels), |sigma| as in `losses.deviation_size`."""
    sampled: NDArray[np.float32]
    """(passes, rows, labels), logits of thinned copies of the head; no passes where not asked."""
    present: NDArray[np.bool_]
    """(rows, modalities)."""
    labels: NDArray[np.float32]
    """(rows, labels) in 0..1, the truth."""

    def at(self, chosen: NDArray[np.bool_]) -> RawScores:
        """Those of the rows where `chosen`, (rows,), is True."""
        return RawScores(
            self.logits[chosen],
            self.deviation[chosen],
            self.sampled[:, chosen],
            self.present[chosen],
            self.labels[chosen],
        )


def put_together(parts: Sequence[tuple[NDArray[np.bool_], RawScores]]) -> RawScores:
    """Scores of all rows from those of some.

    Args:
        parts: (rows,) bool, where the rows stand among all, and their scores; each row once.
    """
    order = np.argsort(np.concatenate([np.flatnonzero(chosen) for chosen, _ in parts]))
    found = [scores for _, scores in parts]
    return RawScores(
        np.concatenate([item.logits for item in found])[order],
        np.concatenate([item.deviation for item in found])[order],
        np.concatenate([item.sampled for item in found], axis=1)[:, order],
        np.concatenate([item.present for item in found])[order],
        np.concatenate([item.labels for item in found])[order],
    )


@torch.inference_mode()
def score_rows(
    model: LDDUModel,
    rows: Rows,
    *,
    passes: int = 0,
    batch_size: int = 64,
    tell: Callable[[float], None] | None = None,
) -> RawScores:
    """Score every row of a split or selection.

    Args:
        model: on its device; put into evaluation mode.
        rows: with features the model was made for.
        passes: of the head, for epistemic uncertainty.
        batch_size: rows at once; the result does not depend on it beyond rounding.
        tell: called with the share that is done.
    """
    model.eval()
    collate = RowCollator(model.config.max_steps, rows.info.aligned)
    count, labels = len(rows), len(model.config.labels)
    logits, deviation = np.zeros((2, count, labels), np.float32)
    sampled = np.zeros((passes, count, labels), np.float32)
    present = np.zeros((count, 3), np.bool_)
    # Rows of similar length together: less padding.
    total = sum(rows.lengths(modality) for modality in ("text", "audio", "vision"))
    order = np.argsort(total, kind="stable")
    for begin in range(0, count, batch_size):
        chosen = order[begin : begin + batch_size]
        batch = collate([rows[int(index)] for index in chosen])
        gathered = model.gather(
            {name: value.to(model.device) for name, value in batch["values"].items()},
            {name: mask.to(model.device) for name, mask in batch["masks"].items()},
        )
        output = model.classify(gathered)
        logits[chosen] = output.logits.float().cpu().numpy()
        deviation[chosen] = deviation_size(output).float().cpu().numpy()
        present[chosen] = output.present.cpu().numpy()
        if passes:
            sampled[:, chosen] = model.sample_logits(gathered, passes).float().cpu().numpy()
        if tell is not None:
            tell(min(1.0, (begin + batch_size) / count))
    return RawScores(logits, deviation, sampled, present, rows.labels)
