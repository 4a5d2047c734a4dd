"""From raw features to one vector per emotion and modality (paper, sections 3.2 and 3.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lddu_pipe.models.config import LDDUConfig


class UnimodalEncoder(nn.Module):
    """X^m to O^m: normalise, project, add learned positions, encode with masked attention."""

    def __init__(self, config: LDDUConfig, modality: str) -> None:
        super().__init__()
        size = config.hidden_size
        self.normalise = nn.LayerNorm(config.feature_sizes[modality])
        self.project = nn.Linear(config.feature_sizes[modality], size)
        self.positions = nn.Parameter(torch.zeros(config.max_steps[modality], size))
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                size,
                config.attention_heads,
                config.feed_forward_size,
                dropout=config.dropout,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.encoder_layers[modality])
        )
        self.finish = nn.LayerNorm(size)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Encode a batch of sequences.

        Args:
            values: X^m, (batch, time, features) float.
            mask: (batch, time) bool, True = real; each row needs one real step.

        Returns:
            O^m, (batch, time, hidden_size).
        """
        steps = values.shape[1]
        if steps > len(self.positions):
            raise ValueError(f"{steps} steps are more than the {len(self.positions)} positions")
        hidden = self.dropout(self.project(self.normalise(values)) + self.positions[:steps])
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=~mask)
        encoded: Tensor = self.finish(hidden)
        return encoded


class EmotionSpace(nn.Module):
    """O^m to Z^m: each emotion's query gathers what a sequence says of it (ESM)."""

    def __init__(self, config: LDDUConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.statistics = config.statistics_pooling
        self.keys = nn.Linear(size, size)
        self.values = nn.Linear(size, size)
        self.queries = nn.Linear(size, size)
        self.project = nn.Linear(2 * size if self.statistics else size, size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, labels: Tensor, encoded: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pool over time, once per label.

        Args:
            labels: L, (labels, hidden_size), the trainable label embedding.
            encoded: O^m, (batch, time, hidden_size).
            mask: (batch, time) bool, True = real; each row needs one real step.

        Returns:
            Z^m, (batch, labels, hidden_size), and the attention (batch, labels, time), whose
            rows sum to 1 over real steps.
        """
        scores = self.queries(labels) @ self.keys(encoded).transpose(1, 2)
        scores = scores / math.sqrt(labels.shape[-1])
        attention = scores.masked_fill(~mask[:, None, :], float("-inf")).softmax(dim=-1)
        values = self.values(encoded)
        pooled = attention @ values
        if self.statistics:
            variance = (attention @ values.square() - pooled.square()).clamp_min(1e-6)
            pooled = torch.cat([pooled, variance.sqrt()], dim=-1)
        gathered: Tensor = self.project(self.dropout(pooled))
        return gathered, attention
