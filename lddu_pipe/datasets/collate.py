"""From rows of a store to the tensors of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from lddu_pipe.evidence import Example
from lddu_pipe.models.batch import collate_rows


class LabelledBatch(TypedDict):
    """What a trainer hands to the model and the loss."""

    values: dict[str, Tensor]
    """By modality, (batch, time, features) float32."""
    masks: dict[str, Tensor]
    """By modality, (batch, time) bool, True = real."""
    labels: Tensor
    """(batch, labels) float32 in 0..1."""
    scales: Tensor
    """(batch, scales) float32 in -1..1, NaN where unknown."""
    weights: Tensor
    """(batch,) float32, how much each row counts."""
    damage: Tensor
    """(batch,) float32 in 0..1."""


@dataclass(frozen=True)
class RowCollator:
    """Pads rows of a store to a batch; a class, so that it travels to other processes."""

    max_steps: Mapping[str, int]
    """Of the model, by modality; longer sequences are pooled."""
    aligned: bool

    def __call__(self, rows: Sequence[Example]) -> LabelledBatch:
        """Put rows together; a modality that none of them has is left out."""
        batch = collate_rows([row.sequences for row in rows], self.max_steps, aligned=self.aligned)
        labels, scales = (
            torch.from_numpy(np.stack([getattr(row, name) for row in rows]))
            for name in ("labels", "scales")
        )
        return {
            "values": batch.values,
            "masks": batch.masks,
            "labels": labels,
            "scales": scales,
            "weights": torch.tensor([row.weight for row in rows]),
            "damage": torch.tensor([row.damage for row in rows]),
        }
