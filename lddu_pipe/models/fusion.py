"""Uncertainty-aware fusion: three views of an utterance and a gate (paper, section 3.4)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lddu_pipe.models.config import Fusion, LDDUConfig
from lddu_pipe.models.dropout import Dropout
from lddu_pipe.models.latent import activation
from lddu_pipe.types import MODALITIES


class PerLabelLinear(nn.Module):
    """A linear classifier of its own for each label."""

    def __init__(self, labels: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(labels, features))
        self.bias = nn.Parameter(torch.zeros(labels))
        nn.init.normal_(self.weight, std=features**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, labels, features) to logits (batch, labels)."""
        return (features * self.weight).sum(dim=-1) + self.bias


class SharedLinear(nn.Linear):
    """One linear classifier for all labels."""

    def __init__(self, features: int) -> None:
        super().__init__(features, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, labels, features) to logits (batch, labels)."""
        return super().forward(features).squeeze(-1)


class PerLabelClassifier(nn.Module):
    """Two layers of its own for each label."""

    def __init__(self, config: LDDUConfig, features: int, hidden: int) -> None:
        super().__init__()
        labels = len(config.labels)
        self.weight = nn.Parameter(torch.empty(labels, features, hidden))
        self.bias = nn.Parameter(torch.zeros(labels, hidden))
        self.activation = activation(config)
        self.dropout = Dropout(config.head_dropout or 0.0)
        self.last = PerLabelLinear(labels, hidden)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, labels, features) to logits (batch, labels)."""
        hidden = torch.einsum("blf,lfh->blh", features, self.weight) + self.bias
        logits: Tensor = self.last(self.dropout(self.activation(hidden)))
        return logits


class GatedFusion(nn.Module):
    """Weighs what the centres say against what the uncertainties say."""

    def __init__(self, config: LDDUConfig) -> None:
        super().__init__()
        count, size = len(MODALITIES), config.hidden_size
        labels, hidden = len(config.labels), config.direct_size or config.hidden_size
        views = config.dropout if config.head_dropout is None else 0.0
        self.direct = nn.Sequential(
            Dropout(views),
            nn.Linear(count * size, hidden),
            activation(config),
            Dropout(config.dropout if config.head_dropout is None else config.head_dropout),
            PerLabelLinear(labels, hidden) if config.label_specific else SharedLinear(hidden),
        )
        self.centre, self.spread = (_of_labels(config) for _ in range(2))
        self.dropout = Dropout(views)

    def forward(self, gathered: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, ...]:
        """Classify each view.

        Args:
            gathered: Z, (batch, modalities, labels, hidden_size).
            mean: mu, (batch, modalities, labels, latent_size).
            std: sigma, (batch, modalities, labels, latent_size).

        Returns:
            Logits of y_dir, y_mu, y_sigma, each (batch, labels).
        """
        direct = self.direct(_concatenate(gathered))
        centre = self.centre(self.dropout(_concatenate(mean)))
        spread = self.spread(self.dropout(_concatenate(std)))
        return direct, centre, spread


def _of_labels(config: LDDUConfig) -> PerLabelLinear | PerLabelClassifier:
    features = len(MODALITIES) * config.latent_size
    if config.classifier_size is None:
        return PerLabelLinear(len(config.labels), features)
    return PerLabelClassifier(config, features, config.classifier_size)


def _concatenate(views: Tensor) -> Tensor:
    """(batch, modalities, labels, size) to (batch, labels, modalities * size)."""
    return views.transpose(1, 2).flatten(2)


def combine(fusion: Fusion, direct: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
    """Logit of y from the three views, in the way a configuration names.

    Args:
        fusion: "gated" is the paper's; the others are its ablations. "ungated" averages the
            three logits, "no_sigma" averages those of y_dir and y_mu, "mean_only" is y_mu,
            "direct_only" is y_dir.
        direct: logit of y_dir.
        centre: logit of y_mu.
        spread: logit of y_sigma.
    """
    match fusion:
        case "gated":
            return gate(direct, centre, spread)
        case "ungated":
            return (direct + centre + spread) / 3
        case "no_sigma":
            return (direct + centre) / 2
        case "mean_only":
            return centre
        case "direct_only":
            return direct


def gate(direct: Tensor, centre: Tensor, spread: Tensor) -> Tensor:
    """Logit of y = y_dir y_mu + (1 - y_dir) y_sigma, computed without leaving log space.

    Args:
        direct: logit of y_dir, the share given to the centres.
        centre: logit of y_mu.
        spread: logit of y_sigma.

    Returns:
        log y - log(1 - y), in the shape of the arguments; exact where y is near 0 or 1.
    """
    log_share, log_rest = functional.logsigmoid(direct), functional.logsigmoid(-direct)
    present = torch.logaddexp(
        log_share + functional.logsigmoid(centre), log_rest + functional.logsigmoid(spread)
    )
    absent = torch.logaddexp(
        log_share + functional.logsigmoid(-centre), log_rest + functional.logsigmoid(-spread)
    )
    return present - absent
