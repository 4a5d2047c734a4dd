"""The LDDU model: unimodal encoders, emotion space, latent Gaussians, gated fusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import cast

import torch
from torch import Tensor, nn

from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.encoders import EmotionSpace, UnimodalEncoder
from lddu_pipe.models.fusion import GatedFusion, PerLabelClassifier, PerLabelLinear, combine
from lddu_pipe.models.latent import LatentGaussian, LatentHead, MissingState
from lddu_pipe.models.scales import ScaleHead
from lddu_pipe.types import MODALITIES


@dataclass(frozen=True)
class LDDUOutput:
    """Everything a forward pass says; labels and modalities in the configuration's order."""

    logits: Tensor
    """Logit of y, (batch, labels)."""
    direct_logits: Tensor
    """Logit of y_dir, (batch, labels)."""
    centre_logits: Tensor
    """Logit of y_mu, (batch, labels)."""
    spread_logits: Tensor
    """Logit of y_sigma, (batch, labels)."""
    mean: Tensor
    """mu, (batch, modalities, labels, latent_size)."""
    log_var: Tensor
    """log sigma^2, (batch, modalities, labels, latent_size)."""
    scale_mean: Tensor
    """(batch, scales) in -1..1, of the scales that the configuration names."""
    scale_log_var: Tensor
    """Log-variance of the values around `scale_mean`, (batch, scales)."""
    present: Tensor
    """(batch, modalities) bool, the modalities that were used."""
    attention: dict[str, Tensor]
    """By modality: (batch, labels, time), zero on padding."""

    def float(self) -> LDDUOutput:
        """The same in single precision, as losses need it after a pass in a lower one."""
        return LDDUOutput(
            **{
                item.name: getattr(self, item.name).float()
                for item in fields(self)
                if item.name not in ("present", "attention")
            },
            present=self.present,
            attention=self.attention,
        )

    @property
    def probabilities(self) -> Tensor:
        """y, (batch, labels) in 0..1, before any calibration."""
        return torch.sigmoid(self.logits)

    @property
    def latent(self) -> LatentGaussian:
        """The Gaussians, one per row, modality and label."""
        return LatentGaussian(self.mean, self.log_var)


@dataclass(frozen=True)
class Gathered:
    """What the encoders leave to the head: Z, and where it is real."""

    values: Tensor
    """Z, (batch, modalities, labels, hidden_size); rows of absent modalities mean nothing."""
    present: Tensor
    """(batch, modalities) bool."""
    attention: dict[str, Tensor]


class LDDUModel(nn.Module):
    """Multi-label emotions from any subset of text, audio and vision sequences."""

    def __init__(self, config: LDDUConfig) -> None:
        super().__init__()
        self.config = config
        used = config.modalities
        self.encoders = nn.ModuleDict({name: UnimodalEncoder(config, name) for name in used})
        self.label_embedding = nn.Parameter(torch.empty(len(config.labels), config.hidden_size))
        self.spaces = nn.ModuleDict({name: EmotionSpace(config) for name in used})
        self.latents = nn.ModuleDict({name: LatentHead(config) for name in MODALITIES})
        self.missing = nn.ModuleDict({name: MissingState(config) for name in MODALITIES})
        self.fusion = GatedFusion(config)
        self.scales = ScaleHead(config) if config.scales else None
        self.apply(self._init_weights)

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.MultiheadAttention):
            nn.init.xavier_uniform_(module.in_proj_weight)
            nn.init.zeros_(module.in_proj_bias)
        elif isinstance(module, PerLabelLinear | PerLabelClassifier):
            # One matrix a label: its features are the second dimension.
            nn.init.normal_(module.weight, std=module.weight.shape[1] ** -0.5)
            nn.init.zeros_(module.bias)
        elif isinstance(module, UnimodalEncoder):
            module.initialise()
        elif isinstance(module, MissingState):
            nn.init.normal_(module.gathered, std=0.02)
            nn.init.normal_(module.mean, std=0.02)
            nn.init.zeros_(module.extra_log_var)
        elif isinstance(module, LDDUModel):
            module.initialise()

    def initialise(self) -> None:
        """Begin with the configuration's label embeddings and sigma."""
        if self.config.initialisation == "normal":
            nn.init.xavier_uniform_(self.label_embedding)
        else:
            nn.init.normal_(self.label_embedding, std=1.0)
        for head in self.latents.values():
            cast(LatentHead, head).widen()

    def forward(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> LDDUOutput:
        """Score a batch.

        Args:
            values: X^m by modality, (batch, time, features) float; a modality may be left out,
                and lengths may differ between modalities.
            masks: by modality, (batch, time) bool, True = real. A row without any True lacks
                the modality, and so do all where the configuration leaves it out.

        Raises:
            ValueError: no modality is given, or an unknown one.
        """
        return self.classify(self.gather(values, masks))

    def gather(self, values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> Gathered:
        """Run encoders and label attention: the costly part, free of any sampling in `eval`."""
        if not values or not set(values) <= set(MODALITIES) or set(values) != set(masks):
            raise ValueError(
                f"values and masks need the same modalities out of {MODALITIES}, "
                f"got {tuple(values)} and {tuple(masks)}"
            )
        first = next(iter(values.values()))
        batch, labels = len(first), len(self.config.labels)
        gathered: list[Tensor] = []
        present: list[Tensor] = []
        attention: dict[str, Tensor] = {}
        for name in MODALITIES:
            if name not in values or name not in self.encoders:
                gathered.append(first.new_zeros(batch, labels, self.config.hidden_size))
                present.append(torch.zeros(batch, dtype=torch.bool, device=first.device))
                continue
            here = masks[name].any(dim=1)
            pooled, weights = self._gather_rows(name, values[name], masks[name], here)
            gathered.append(pooled)
            present.append(here)
            attention[name] = weights
        return Gathered(
            torch.stack(gathered, dim=1),
            self._drop_modalities(torch.stack(present, dim=1)),
            attention,
        )

    def _gather_rows(
        self, name: str, values: Tensor, mask: Tensor, here: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Z^m and attention of the rows that have a modality; zeros, and no work, elsewhere."""
        rows = here.nonzero().squeeze(1)
        if len(rows) == len(values):
            return self.gather_steps(name, values, mask)
        pooled = values.new_zeros(len(values), len(self.config.labels), self.config.hidden_size)
        weights = values.new_zeros(len(values), len(self.config.labels), values.shape[1])
        if len(rows) == 0:
            return pooled, weights
        found, attention = self.gather_steps(name, values[rows], mask[rows])
        return (
            pooled.index_copy(0, rows, found.to(pooled.dtype)),
            weights.index_copy(0, rows, attention.to(weights.dtype)),
        )

    def gather_steps(self, name: str, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Z^m and attention of one modality that every row has; see `gather`."""
        encoded = self.encoders[name](values, mask)
        found, attention = self.spaces[name](self.label_embedding, encoded, mask)
        return found, attention

    def classify(self, gathered: Gathered) -> LDDUOutput:
        """Run latent heads, fusion and the scales on what `gather` returned."""
        keep = gathered.present[:, :, None, None]
        states = [cast(MissingState, self.missing[name]) for name in MODALITIES]
        latents = [
            self.latents[name](gathered.values[:, index]) for index, name in enumerate(MODALITIES)
        ]
        pooled = torch.where(
            keep, gathered.values, torch.stack([state.gathered for state in states])
        )
        mean = torch.where(
            keep,
            torch.stack([mean for mean, _ in latents], dim=1),
            torch.stack([state.mean for state in states]),
        )
        log_var = torch.where(
            keep,
            torch.stack([log_var for _, log_var in latents], dim=1),
            torch.stack([state.log_var for state in states]),
        )
        direct, centre, spread = self.fusion(pooled, mean, torch.exp(log_var / 2))
        none = pooled[:, 0, 0, :0]  # not of a length, which would fix the batch in ONNX
        scale_mean, scale_log_var = (none, none) if self.scales is None else self.scales(pooled)
        return LDDUOutput(
            logits=combine(self.config.fusion, direct, centre, spread),
            direct_logits=direct,
            centre_logits=centre,
            spread_logits=spread,
            mean=mean,
            log_var=log_var,
            scale_mean=scale_mean,
            scale_log_var=scale_log_var,
            present=gathered.present,
            attention=gathered.attention,
        )

    def _drop_modalities(self, present: Tensor) -> Tensor:
        """Hide modalities at random in training, never the last one of a row."""
        if not self.training or self.config.modality_dropout == 0:
            return present
        drawn = torch.rand(present.shape, device=present.device) * present
        luckiest = drawn == drawn.max(dim=1, keepdim=True).values
        kept: Tensor = present & (luckiest | (drawn >= self.config.modality_dropout))
        return kept

    @torch.no_grad()
    def sample_logits(self, gathered: Gathered, passes: int, seed: int = 0) -> Tensor:
        """Logits of several dropout passes of the head (Monte Carlo dropout, Gal 2016).

        A pass uses the same dropout masks for every row, so a row's spread does not depend on
        the rows beside it, and the masks follow from `seed`, so that two runs are equal.

        Returns:
            (passes, batch, labels).
        """
        rows = len(gathered.values)
        # All passes as one batch: for a single utterance it costs little more than one of them.
        repeated = Gathered(
            gathered.values.repeat(passes, 1, 1, 1), gathered.present.repeat(passes, 1), {}
        )
        with _dropout_masks([self.latents, self.fusion], passes, seed):
            logits = self.classify(repeated).logits
        return logits.view(passes, rows, -1)


@contextmanager
def _dropout_masks(parts: list[nn.Module], passes: int, seed: int) -> Iterator[None]:
    """Let each dropout layer inside `parts` drop whole features, the same in a pass's rows."""
    generator = torch.Generator().manual_seed(seed)

    def drop(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        probability = cast(nn.Dropout, layer).p
        kept = torch.rand(passes, output.shape[-1], generator=generator) >= probability
        by_pass = output.reshape(passes, -1, output.shape[-1])
        scale = kept.to(output)[:, None] / (1 - probability)
        return (by_pass * scale).reshape(output.shape)

    layers = [layer for part in parts for layer in part.modules() if isinstance(layer, nn.Dropout)]
    hooks = [layer.register_forward_hook(drop) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
