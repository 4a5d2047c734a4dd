"""From raw features to one vector per emotion and modality (paper, sections 3.2 and 3.3)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.dropout import Dropout


class EncoderLayer(nn.TransformerEncoderLayer):
    """torch's layer with dropout that is quick on a CPU; its parameters have the same names."""

    def __init__(self, config: LDDUConfig) -> None:
        super().__init__(
            config.hidden_size,
            config.attention_heads,
            config.feed_forward_size,
            dropout=config.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.dropout, self.dropout1, self.dropout2 = (Dropout(config.dropout) for _ in range(3))
        self.attention_dropout = Dropout(config.dropout)

    def _sa_block(
        self,
        x: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
    ) -> Tensor:
        """Self-attention; torch's own, of the same formula, draws its dropout slowly."""
        attention = self.self_attn
        heads, size = attention.num_heads, attention.head_dim
        batch, steps, width = x.shape
        projected = functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
        query, key, value = projected.view(batch, steps, 3, heads, size).permute(2, 0, 3, 1, 4)
        scores = (query / math.sqrt(size)) @ key.transpose(-2, -1)
        if key_padding_mask is not None:  # torch has made it a sum: 0 for real, -inf for padding
            scores = scores + key_padding_mask[:, None, None, :]
        gathered = self.attention_dropout(scores.softmax(dim=-1)) @ value
        attended = attention.out_proj(gathered.transpose(1, 2).reshape(batch, steps, width))
        dropped: Tensor = self.dropout1(attended)
        return dropped


class UnimodalEncoder(nn.Module):
    """X^m to O^m: normalise, project, add learned positions, encode with masked attention."""

    def __init__(self, config: LDDUConfig, modality: str) -> None:
        super().__init__()
        size = config.hidden_size
        self.normalise = nn.LayerNorm(config.feature_sizes[modality])
        self.project = nn.Linear(config.feature_sizes[modality], size)
        self.positions = nn.Parameter(torch.zeros(config.max_steps[modality], size))
        self.dropout = Dropout(config.dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(config) for _ in range(config.encoder_layers[modality])
        )
        self.finish = nn.LayerNorm(size)
        self._normal = config.initialisation == "normal"

    def initialise(self) -> None:
        """Begin with the configuration's weights, where these are not Xavier's; and positions."""
        if self._normal:
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.normal_(module.weight, std=0.02)
                elif isinstance(module, nn.MultiheadAttention):
                    nn.init.normal_(module.in_proj_weight, std=0.02)
        nn.init.normal_(self.positions, std=0.02)

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
        self.residual = config.label_specific
        self.keys = nn.Linear(size, size)
        self.values = None if config.shared_keys else nn.Linear(size, size)
        self.queries = nn.Linear(size, size)
        self.project = nn.Linear(2 * size if self.statistics else size, size)
        self.dropout = Dropout(
            config.dropout if config.head_dropout is None else config.head_dropout
        )

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
        keys = self.keys(encoded)
        scores = self.queries(labels) @ keys.transpose(1, 2)
        scores = scores / math.sqrt(labels.shape[-1])
        attention = scores.masked_fill(~mask[:, None, :], float("-inf")).softmax(dim=-1)
        values = keys if self.values is None else self.values(encoded)
        pooled = attention @ values
        if self.statistics:
            variance = (attention @ values.square() - pooled.square()).clamp_min(1e-6)
            pooled = torch.cat([pooled, variance.sqrt()], dim=-1)
        gathered: Tensor = self.project(self.dropout(pooled))
        return gathered + labels if self.residual else gathered, attention
