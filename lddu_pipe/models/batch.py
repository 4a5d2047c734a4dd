"""From samples to padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lddu_pipe.types import MODALITIES, Sample


class Batch(NamedTuple):
    """Samples as `LDDUModel.forward` takes them; a modality no sample has is left out."""

    values: dict[str, Tensor]
    """By modality, (batch, time, features) float32, zero on padding."""
    masks: dict[str, Tensor]
    """By modality, (batch, time) bool, True = real."""

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(
            {name: value.to(device) for name, value in self.values.items()},
            {name: mask.to(device) for name, mask in self.masks.items()},
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Pad samples to their longest, modality by modality.

    Unaligned sequences are packed: steps that show nothing are left out, so that a face that
    comes and goes looks like a shorter sequence. Aligned ones keep every step, since a step is a
    word, and mask those that show nothing.

    Raises:
        ValueError: `samples` is empty.
    """
    if not samples:
        raise ValueError("a batch needs at least one sample")
    values: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for modality in MODALITIES:
        rows: list[tuple[NDArray[np.float32], NDArray[np.bool_]] | None] = []
        for sample in samples:
            sequence = sample.sequences.get(modality)
            if sequence is None:
                rows.append(None)
            elif sample.aligned:
                rows.append((sequence.values, sequence.valid))
            else:
                packed = sequence.values[sequence.valid]
                rows.append((packed, np.ones(len(packed), dtype=np.bool_)))
        if any(row is not None for row in rows):
            values[modality], masks[modality] = _pad(rows)
    return Batch(values, masks)


def _pad(
    rows: Sequence[tuple[NDArray[np.float32], NDArray[np.bool_]] | None],
) -> tuple[Tensor, Tensor]:
    given = [row for row in rows if row is not None]
    steps = max(len(values) for values, _ in given)
    padded = np.zeros((len(rows), steps, given[0][0].shape[1]), dtype=np.float32)
    mask = np.zeros((len(rows), steps), dtype=np.bool_)
    for index, row in enumerate(rows):
        if row is not None:
            values, real = row
            padded[index, : len(values)] = np.where(real[:, None], values, 0.0)
            mask[index, : len(values)] = real
    return torch.from_numpy(padded), torch.from_numpy(mask)
