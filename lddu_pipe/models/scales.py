"""Values on continuous scales, such as valence, beside the labels; not in the paper."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.dropout import Dropout
from lddu_pipe.models.latent import activation
from lddu_pipe.types import MODALITIES

LOG_VAR_RANGE = (-7.0, 1.0)
"""Bounds of the log-variance: from a deviation of 0.03, finer than people rate, to one of 1.6."""
BETA = 0.5
"""How much the variance weighs rows, see `scale_loss`; the value of Seitzer et al. (2022)."""


class ScaleHead(nn.Module):
    """Z, averaged over labels, to a mean and a log-variance of each scale."""

    def __init__(self, config: LDDUConfig) -> None:
        super().__init__()
        size, dropout = config.hidden_size, config.head_dropout
        self.shared = nn.Sequential(
            nn.Linear(len(MODALITIES) * size, size),
            activation(config),
            Dropout(config.dropout if dropout is None else dropout),
        )
        self.mean = nn.Linear(size, len(config.scales))
        self.log_var = nn.Linear(size, len(config.scales))

    def forward(self, gathered: Tensor) -> tuple[Tensor, Tensor]:
        """Place rows on the scales.

        Args:
            gathered: Z, (batch, modalities, labels, hidden_size), missing states in their place.

        Returns:
            Means in -1..1 and log-variances inside `LOG_VAR_RANGE`, each (batch, scales).
        """
        shared = self.shared(gathered.mean(dim=2).flatten(1))
        low, high = LOG_VAR_RANGE
        log_var = low + (high - low) * torch.sigmoid(self.log_var(shared))
        return torch.tanh(self.mean(shared)), log_var


def scale_loss(mean: Tensor, log_var: Tensor, truth: Tensor) -> Tensor:
    """Negative log-likelihood of Gaussians, values weighted by their variance to the power beta.

    Plain likelihood gives up on what is hard: a large variance leaves its mean hardly any gradient
    (Seitzer et al. 2022, "On the Pitfalls of Heteroscedastic Uncertainty Estimation").

    Args:
        mean: (batch, scales).
        log_var: (batch, scales).
        truth: (batch, scales), NaN where unknown: that says nothing and moves nothing.

    Returns:
        Mean over the known values; 0 where none is.
    """
    known = ~torch.isnan(truth)
    gap = mean - torch.nan_to_num(truth)  # even NaN times 0 would reach gradients
    weight = torch.exp(BETA * log_var.detach()) * known
    likelihood = (log_var + gap.square() * torch.exp(-log_var)) / 2
    return (weight * likelihood).sum() / known.sum().clamp_min(1)
