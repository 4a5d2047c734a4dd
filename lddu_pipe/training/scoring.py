"""A model's raw scores of many rows, before any calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from lddu_pipe.datasets.collate import RowCollator
from lddu_pipe.datasets.selection import Rows
from lddu_pipe.models.lddu import LDDUModel, LDDUOutput
from lddu_pipe.models.losses import deviation_size


@dataclass(frozen=True)
class RawScores:
    """What a model says of rows, in their order."""

    logits: NDArray[np.float32]
    """(rows, labels)."""
    deviation: NDArray[np.float32]
    """(rows, labels), |sigma| as in `losses.deviation_size`."""
    sampled: NDArray[np.float32]
    """(passes, rows, labels), logits of dropout passes of the head; none where not asked."""
    present: NDArray[np.bool_]
    """(rows, modalities)."""
    labels: NDArray[np.float32]
    """(rows, labels) in 0..1, the truth."""

    scale_mean: NDArray[np.float32]
    """(rows, scales) in -1..1, of the model's scales."""
    scale_deviation: NDArray[np.float32]
    """(rows, scales), the standard deviation that the model expects around its mean."""
    scales: NDArray[np.float32]
    """(rows, scales) in -1..1, the truth, NaN where unknown."""

    def at(self, chosen: NDArray[np.bool_]) -> RawScores:
        """Those of the rows where `chosen`, (rows,), is True."""
        return RawScores(
            **{name: item.compress(chosen, _axis(name)) for name, item in vars(self).items()}
        )


def _axis(name: str) -> int:
    """Along which the rows of a field lie."""
    return 1 if name == "sampled" else 0


def put_together(parts: Sequence[tuple[NDArray[np.bool_], RawScores]]) -> RawScores:
    """Scores of all rows from those of some.

    Args:
        parts: (rows,) bool, where the rows stand among all, and their scores; each row once.
    """
    order = np.argsort(np.concatenate([np.flatnonzero(chosen) for chosen, _ in parts]))
    return RawScores(
        **{
            item.name: np.concatenate(
                [getattr(scores, item.name) for _, scores in parts], _axis(item.name)
            ).take(order, _axis(item.name))
            for item in fields(RawScores)
        }
    )


@torch.inference_mode()
def score_rows(
    model: LDDUModel,
    rows: Rows,
    *,
    passes: int = 0,
    batch_size: int = 64,
    progress: Callable[[float], None] | None = None,
) -> RawScores:
    """Score every row of a split or selection.

    Args:
        model: on its device; put into evaluation mode.
        rows: with features the model was made for.
        passes: of the head, for epistemic uncertainty.
        batch_size: rows at once; the result does not depend on it beyond rounding.
        progress: called with the share that is done.
    """
    model.eval()
    device = model.label_embedding.device
    collate = RowCollator(model.config.max_steps, rows.info.aligned)
    count, labels = len(rows), len(model.config.labels)
    logits, deviation = np.zeros((2, count, labels), np.float32)
    sampled = np.zeros((passes, count, labels), np.float32)
    present = np.zeros((count, 3), np.bool_)
    scale_mean, scale_deviation = np.zeros((2, count, len(model.config.scales)), np.float32)
    # Rows of similar length together: less padding.
    total = sum(rows.lengths(modality) for modality in ("text", "audio", "vision"))
    order = np.argsort(total, kind="stable")
    for begin in range(0, count, batch_size):
        chosen = order[begin : begin + batch_size]
        batch = collate([rows[int(index)] for index in chosen])
        gathered = model.gather(
            {name: value.to(device) for name, value in batch["values"].items()},
            {name: mask.to(device) for name, mask in batch["masks"].items()},
        )
        output = model.classify(gathered)
        logits[chosen] = output.logits.float().cpu().numpy()
        deviation[chosen] = deviation_size(output).float().cpu().numpy()
        present[chosen] = output.present.cpu().numpy()
        scale_mean[chosen], scale_deviation[chosen] = scales_of(output)
        if passes:
            sampled[:, chosen] = model.sample_logits(gathered, passes).float().cpu().numpy()
        if progress is not None:
            progress(min(1.0, (begin + batch_size) / count))
    scales = known_scales(model.config.scales, rows)
    return RawScores(
        *(logits, deviation, sampled, present, rows.labels, scale_mean, scale_deviation, scales)
    )


def scales_of(output: LDDUOutput) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Means and standard deviations of the scales, each (batch, scales)."""
    deviation = torch.exp(output.scale_log_var.float() / 2)
    return output.scale_mean.float().cpu().numpy(), deviation.cpu().numpy()


def known_scales(names: Sequence[str], rows: Rows) -> NDArray[np.float32]:
    """Truth of the scales with these names, (rows, scales); NaN where the rows do not know it."""
    known = dict(zip(rows.info.scales, rows.scales.T, strict=True))
    found = np.full((len(rows.scales), len(names)), np.nan, np.float32)
    for index, name in enumerate(names):
        found[:, index] = known.get(name, np.nan)
    return found
