"""Latent distributions: each (modality, emotion) is a Gaussian (DDL; paper, section 3.3)."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.dropout import Dropout

LOG_VAR_RANGE = (-6.0, 1.0)
"""Bounds of the log-variance of a modality that is present."""


class LatentGaussian(NamedTuple):
    """Diagonal Gaussians, one per row, modality and label."""

    mean: Tensor
    """mu, (batch, modalities, labels, latent_size)."""
    log_var: Tensor
    """log sigma^2, (batch, modalities, labels, latent_size)."""

    @property
    def std(self) -> Tensor:
        """Sigma = exp(log_var / 2), (batch, modalities, labels, latent_size), positive."""
        return torch.exp(self.log_var / 2)


def activation(config: LDDUConfig) -> nn.Module:
    """What stands between the linear layers of the head."""
    return nn.ReLU() if config.head_activation == "relu" else nn.GELU()


class LatentHead(nn.Module):
    """Z^m to (mu^m, log sigma^m squared) by an MLP d, 3d/4, d/2, d/2 and two linear heads."""

    def __init__(self, config: LDDUConfig) -> None:
        super().__init__()
        size = config.hidden_size
        sizes = (size, size * 3 // 4, size // 2, size // 2)
        layers: list[nn.Module] = []
        for size_in, size_out in itertools.pairwise(sizes):
            layers += [nn.Linear(size_in, size_out), activation(config)]
            if config.head_dropout is None:
                layers.append(Dropout(config.dropout))
        self.shared = nn.Sequential(*layers)
        self.mean = nn.Linear(sizes[-1], config.latent_size)
        self.log_var = nn.Linear(sizes[-1], config.latent_size)
        self._initial_deviation = config.initial_deviation

    @torch.no_grad()
    def widen(self) -> None:
        """Let sigma begin near the configuration's `initial_deviation`, where it names one."""
        if self._initial_deviation is not None:
            low, high = LOG_VAR_RANGE
            share = (2 * math.log(self._initial_deviation) - low) / (high - low)
            self.log_var.bias.fill_(math.log(share / (1 - share)))

    def forward(self, gathered: Tensor) -> tuple[Tensor, Tensor]:
        """Place emotions in the latent space.

        Args:
            gathered: Z^m, (batch, labels, hidden_size).

        Returns:
            mu^m and log sigma^m squared, each (batch, labels, latent_size); the latter lies
            inside `LOG_VAR_RANGE`, smoothly, so that no gradient dies at a bound.
        """
        shared = self.shared(gathered)
        low, high = LOG_VAR_RANGE
        log_var = low + (high - low) * torch.sigmoid(self.log_var(shared))
        return self.mean(shared), log_var


class MissingState(nn.Module):
    """What stands for a modality that is not there: learned, and wider than any that is."""

    def __init__(self, config: LDDUConfig) -> None:
        super().__init__()
        labels = len(config.labels)
        self.gathered = nn.Parameter(torch.zeros(labels, config.hidden_size))
        self.mean = nn.Parameter(torch.zeros(labels, config.latent_size))
        self.extra_log_var = nn.Parameter(torch.zeros(labels, config.latent_size))

    @property
    def log_var(self) -> Tensor:
        """(labels, latent_size), above the upper bound of a modality that is present."""
        return LOG_VAR_RANGE[1] + functional.softplus(self.extra_log_var)
