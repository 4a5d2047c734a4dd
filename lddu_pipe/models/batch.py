"""From samples to padded tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lddu_pipe.alignment import pool_neighbours
from lddu_pipe.evidence import Steps
from lddu_pipe.types import MODALITIES, Modality


class Batch(NamedTuple):
    """Samples as `LDDUModel.forward` takes them; a modality no sample has is left out."""

    values: dict[str, Tensor]
    """By modality, (batch, time, features) float32, zero on padding."""
    masks: dict[str, Tensor]
    """By modality, (batch, time) bool, True = real."""

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        return Batch(
            {name: _move(value, device) for name, value in self.values.items()},
            {name: _move(mask, device) for name, mask in self.masks.items()},
        )


def _move(tensor: Tensor, device: torch.device) -> Tensor:
    if device.type == "cuda":
        # From pinned memory the copy runs while this side goes on to the next tensor.
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def limits_of(max_steps: Mapping[str, int], *, aligned: bool) -> Mapping[str, int]:
    """Steps by modality to which a model's longer sequences are pooled.

    Args:
        max_steps: of the model, by modality.
        aligned: all modalities keep one step a word, so the shortest limit is that of all.
    """
    return dict.fromkeys(max_steps, min(max_steps.values())) if aligned else max_steps


def collate_rows(
    rows: Sequence[Mapping[Modality, Steps]],
    max_steps: Mapping[str, int],
    *,
    aligned: bool,
) -> Batch:
    """Pool what is longer than the model takes, and pad rows to their longest by modality.

    Training and use both come through here. Unaligned sequences are packed: steps that show
    nothing are left out, so that a face that comes and goes looks like a shorter sequence.
    Aligned ones keep every step, since a step is a word, and mask those that show nothing.

    Args:
        rows: by modality, of any length.
        max_steps: of the model, by modality.
        aligned: whether a step is a word.
    """
    limits = limits_of(max_steps, aligned=aligned)
    values: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for modality in MODALITIES:
        found = [
            None if item is None else pool_neighbours(item.values, item.valid, limits[modality])
            for item in (row.get(modality) for row in rows)
        ]
        if not aligned:
            found = [None if item is None else _packed(*item) for item in found]
        if any(item is not None for item in found):
            values[modality], masks[modality] = _pad(found)
    return Batch(values, masks)


def _packed(
    values: NDArray[np.float32], valid: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    if valid.all():
        return values, valid
    kept = values[valid]
    return kept, np.ones(len(kept), dtype=np.bool_)


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
