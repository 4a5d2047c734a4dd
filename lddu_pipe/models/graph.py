"""The model and its calibration as one graph of tensors, for runtimes other than torch.

Such a runtime cannot look up a calibration by the name of a set of modalities. So what
`SetCalibration` does in numpy is done here on tables, one row a set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from lddu_pipe.models.calibration import NEVER, Calibration, Curve
from lddu_pipe.models.lddu import Gathered, LDDUModel
from lddu_pipe.models.losses import deviation_size
from lddu_pipe.types import MODALITIES, Modality

INPUTS = tuple(name for modality in MODALITIES for name in (modality, f"{modality}_mask"))
"""Names of the arguments of `CalibratedHead.forward`, in order."""
_BEYOND = 2.0
"""A threshold above every probability."""


class HeadOutput(NamedTuple):
    """What `CalibratedHead` says of a batch; labels in the configuration's order."""

    probabilities: Tensor
    """(batch, labels) float32, calibrated; the base rates where every modality is absent."""
    decisions: Tensor
    """(batch, labels) bool, True where a label is present."""
    abstained: Tensor
    """(batch,) bool, True where the model does not answer, so that its decisions do not count."""
    aleatoric: Tensor
    """(batch, labels) float32 in 0..1, see `SetCalibration.aleatoric`."""
    logits: Tensor
    """(batch, labels) float32, before calibration."""
    deviation: Tensor
    """(batch, labels) float32, the |sigma| that `aleatoric` is the expected error of."""


class CalibratedHead(nn.Module):
    """From padded features to calibrated probabilities and decisions, without a branch."""

    slope: Tensor
    offset: Tensor
    others: Tensor
    threshold: Tensor
    abstain_above: Tensor
    abstain_aleatoric: Tensor
    has_curve: Tensor
    base_rates: Tensor
    bits: Tensor

    def __init__(self, model: LDDUModel, calibration: Calibration) -> None:
        """Lay a calibration out in tables.

        Args:
            model: in evaluation mode.
            calibration: of that model.

        Raises:
            IncompatibleModelError: a set of modalities has no calibration.
        """
        super().__init__()
        self.model = model
        sets = [calibration.of(present) for present in _sets()]
        labels = len(calibration.base_rates)
        silent = [
            np.inf if item.abstain_aleatoric is None else item.abstain_aleatoric for item in sets
        ]
        others = [np.asarray(item.others or np.zeros((labels, labels))) for item in sets]
        self._table("slope", [item.slope for item in sets], nothing=0.0)
        self._table("offset", [item.offset for item in sets], nothing=0.0)
        self._table("others", others, nothing=0.0)
        self._table("threshold", [_reached(item.threshold) for item in sets], nothing=_BEYOND)
        self._table("abstain_above", [item.abstain_above for item in sets], nothing=-1.0)
        self._table("abstain_aleatoric", silent, nothing=-1.0)
        rates = torch.tensor(calibration.base_rates, dtype=torch.float32)
        self.register_buffer("base_rates", rates)
        self.register_buffer("bits", 2 ** torch.arange(len(MODALITIES)))
        self.errors = Ramps([item.error_lines for item in sets], nothing=0.5, dtype=torch.float32)
        self.with_matrix = any(item.others for item in sets)
        self.curves: Ramps | None = None
        if any(curve is not None for item in sets for curve in item.curves):
            curves = [item.curves or (None,) * labels for item in sets]
            # Double: knots of a curve may lie closer than single precision tells apart.
            self.curves = Ramps(
                [[_knots(curve) for curve in row] for row in curves],
                nothing=0.0,
                dtype=torch.float64,
            )
            has_curve = [[curve is not None for curve in row] for row in curves]
            self._table("has_curve", has_curve, nothing=0.0)

    def _table(self, name: str, rows: ArrayLike, *, nothing: float) -> None:
        """Keep one row a set; the first, of `nothing`, is for no modality at all."""
        known = np.asarray(rows, np.float64)
        table = np.concatenate([np.full_like(known[:1], nothing), known])
        self.register_buffer(name, torch.tensor(table, dtype=torch.float32))

    def forward(
        self,
        text: Tensor,
        text_mask: Tensor,
        audio: Tensor,
        audio_mask: Tensor,
        vision: Tensor,
        vision_mask: Tensor,
    ) -> HeadOutput:
        """Score a batch.

        Args:
            text: (batch, time, features) float32, zero on padding.
            text_mask: (batch, time) bool, True = real. A row without any True lacks the
                modality; time may be 0 where every row does.
            audio: as `text`; its time may be another.
            audio_mask: as `text_mask`.
            vision: as `text`; its time may be another.
            vision_mask: as `text_mask`.
        """
        given = ((text, text_mask), (audio, audio_mask), (vision, vision_mask))
        gathered, present = [], []
        for modality, (values, mask) in zip(MODALITIES, given, strict=True):
            # Runtimes disagree on `any` over no steps, so one that is False is always there.
            here = torch.cat([mask, mask.new_zeros(mask.shape[0], 1)], dim=1).any(dim=1)
            # A row without the modality attends to its padding; what comes of it is not used.
            pooled, _ = self.model.gather_steps(modality, values, mask | ~here[:, None])
            gathered.append(pooled)
            present.append(here)
        output = self.model.classify(
            Gathered(torch.stack(gathered, dim=1), torch.stack(present, dim=1), {})
        )
        which = (output.present * self.bits).sum(dim=1)
        return self._calibrate(output.logits, deviation_size(output), which)

    def _calibrate(self, logits: Tensor, deviation: Tensor, which: Tensor) -> HeadOutput:
        """Do what `SetCalibration` does; `which`, (batch,), are rows of the tables."""
        probabilities = self._probabilities(logits, which)
        aleatoric = self.errors(deviation, which)
        decisions = probabilities >= self.threshold[which]
        expected = torch.where(decisions, 1 - probabilities, probabilities).mean(dim=-1)
        abstained = (expected > self.abstain_above[which]) | (
            aleatoric.mean(dim=-1) > self.abstain_aleatoric[which]
        )
        return HeadOutput(probabilities, decisions, abstained, aleatoric, logits, deviation)

    def _probabilities(self, logits: Tensor, which: Tensor) -> Tensor:
        moved = logits * self.slope[which] + self.offset[which]
        if self.with_matrix:
            moved = moved + (self.others[which] @ logits[:, :, None]).squeeze(-1)
        scaled = torch.sigmoid(moved)
        if self.curves is not None:
            scaled = torch.where(self.has_curve[which] > 0, self.curves(logits, which), scaled)
        return torch.where(which[:, None] == 0, self.base_rates, scaled)


Knots = tuple[ArrayLike, ArrayLike]
"""Where a line bends, never falling, and its height there."""


class Ramps(nn.Module):
    """`numpy.interp` for each set and label, as a sum of ramps from knot to knot."""

    starts: Tensor
    widths: Tensor
    rises: Tensor
    first: Tensor

    def __init__(
        self, knots: Sequence[Sequence[Knots]], *, nothing: float, dtype: torch.dtype
    ) -> None:
        """Lay lines out in tables.

        Args:
            knots: by set and label.
            nothing: height of a level line, for no modality at all.
            dtype: in which is computed.
        """
        super().__init__()
        labels = len(knots[0])
        rows = [[_level(nothing)] * labels, *knots]
        longest = max(len(np.asarray(places)) for row in rows for places, _ in row)
        starts, widths, rises = np.zeros((3, len(rows), labels, longest - 1 or 1))
        first = np.zeros((len(rows), labels))
        widths += 1  # a ramp that is not there is one that does not rise
        for index in np.ndindex(len(rows), labels):
            places, heights = (np.asarray(item) for item in rows[index[0]][index[1]])
            steps = len(places) - 1
            starts[index][:steps] = places[:-1]
            # Where knots lie upon each other the line jumps.
            widths[index][:steps] = np.maximum(np.diff(places), 1e-12)
            rises[index][:steps] = np.diff(heights)
            first[index] = heights[0]
        self.register_buffer("starts", torch.tensor(starts, dtype=dtype))
        self.register_buffer("widths", torch.tensor(widths, dtype=dtype))
        self.register_buffer("rises", torch.tensor(rises, dtype=dtype))
        self.register_buffer("first", torch.tensor(first, dtype=dtype))

    def forward(self, values: Tensor, which: Tensor) -> Tensor:
        """Heights at `values`, (batch, labels) float32, of the lines of sets `which`, (batch,)."""
        gone = (values.to(self.starts.dtype)[:, :, None] - self.starts[which]) / self.widths[which]
        heights = (gone.clamp(0, 1) * self.rises[which]).sum(dim=-1)
        return (self.first[which] + heights).float()


def _sets() -> list[tuple[Modality, ...]]:
    """All sets of modalities but the empty one; that at place n has those of the bits of n + 1."""
    return [
        tuple(name for place, name in enumerate(MODALITIES) if bits >> place & 1)
        for bits in range(1, 2 ** len(MODALITIES))
    ]


def _reached(thresholds: Sequence[float]) -> NDArray[np.float64]:
    limits = np.asarray(thresholds, np.float64)
    return np.where(limits < NEVER, limits, _BEYOND)


def _knots(curve: Curve | None) -> Knots:
    return _level(0.0) if curve is None else (curve.logits, curve.probabilities)


def _level(height: float) -> Knots:
    return [0.0], [height]
