"""Dropout that costs little on a CPU, where drawing random numbers is most of a training step."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

_LEVELS = 1 << 16


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` that draws four decisions from one random number on a CPU.

    The probability is rounded to 1/65536. Elsewhere it is torch's own.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Zero elements with probability `p` in training and scale the others by 1 / (1 - p)."""
        if not self.training or self.p == 0:
            return input
        if input.device.type != "cpu":
            return functional.dropout(input, self.p)
        return input * keep_mask(input.detach(), self.p)


def keep_mask(values: Tensor, probability: float) -> Tensor:
    """A factor for each value: 0 with `probability`, else what keeps the expectation."""
    count = values.numel()
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64)
    drawn.random_(-(2**63), None)  # all 64 bits
    levels = drawn.view(torch.int16)[:count].view(values.shape)
    dropped = round(probability * _LEVELS)
    factor = torch.empty_like(values, memory_format=torch.contiguous_format)
    torch.ge(levels, dropped - _LEVELS // 2, out=factor)  # int16 runs from -32768
    return factor.mul_(_LEVELS / (_LEVELS - dropped))
