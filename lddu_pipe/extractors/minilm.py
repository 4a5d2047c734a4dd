"""The default text encoder on torch alone: transformers and peft take longer to load than torch.

all-MiniLM-L6-v2 (Wang et al. 2020, "MiniLM") is a BERT (Devlin et al. 2019). A test compares it
with transformers' own, and the adapter with peft's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from torch.nn import functional

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.text import Passage, Pieces

HEADS = 12
EPSILON = 1e-12  # of the layer norms
_NOTHING, _BEGIN, _END = 0, 101, 102
"""Pieces of BERT's that stand for none: [PAD], [CLS] before a text and [SEP] after it."""
_PREFIX = "base_model.model."
"""What peft puts before the name of a weight that it changes."""
_OF_NO_WEIGHT = {
    *("auto_mapping", "base_model_name_or_path", "bias", "inference_mode", "init_lora_weights"),
    *("layers_to_transform", "lora_alpha", "lora_dropout", "megatron_core", "peft_type"),
    *("peft_version", "qalora_group_size", "r", "revision", "target_modules", "task_type"),
}
"""What may be set for an adapter without its changes being others than B A alpha / r."""


class MiniLM:
    """Reads texts that are cut into words; several threads may use it at once."""

    def __init__(
        self,
        folder: Path,
        max_tokens: int,
        *,
        context_pieces: int = 0,
        adapter: Path | None = None,
        device: str = "cpu",
    ) -> None:
        """Load the encoder.

        Args:
            folder: of the asset all-MiniLM-L6-v2.
            max_tokens: word pieces of one pass, the two marks of begin and end among them; with
                `context_pieces` at most 512.
            context_pieces: of what was said before, more; 0: that is passed over.
            adapter: a folder with ``adapter_config.json`` and ``adapter_model.safetensors``:
                low-rank changes of the encoder's weights (Hu et al. 2021, "LoRA").
            device: "cpu", "cuda" or "mps".

        Raises:
            IncompatibleModelError: the adapter is damaged.
        """
        weights = load_file(folder / "model.safetensors")
        if adapter is not None:
            try:
                weights |= _adapted(weights, adapter)
            except Exception as error:  # what libraries raise for damaged files has no common base
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise IncompatibleModelError(
                    f"the adapter {adapter} cannot be loaded ({reason}); get the model again"
                ) from error
        self._device = torch.device(device)
        self._weights = {name: tensor.to(self._device) for name, tensor in weights.items()}
        self._layers = sum(name.endswith(".intermediate.dense.weight") for name in weights)
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._context_pieces = context_pieces
        self.size = weights["embeddings.word_embeddings.weight"].shape[1]
        self.room = max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)

    def count_pieces(self, words: Sequence[str]) -> list[int]:
        """How many word pieces each word is cut into."""
        found = self._tokenizer.encode_batch(list(words), add_special_tokens=False)
        return [len(one) for one in found]

    def __call__(self, texts: Sequence[Passage]) -> list[Pieces]:
        """Encode texts of which each fits one pass.

        With what was said before, a text is read as [CLS] text [SEP] line [SEP] line [SEP], the
        newest line first. Of a line that does not fit `context_pieces` its end is read.
        """
        found = self._cut([text.words for text in texts])
        own = [[_BEGIN, *one.ids[: self.room], _END] for one in found]
        earlier = [self._earlier(text.earlier) for text in texts]
        lengths = [len(first) + len(rest) for first, rest in zip(own, earlier, strict=True)]
        pieces = torch.full((len(texts), max(lengths)), _NOTHING)
        kinds, mask = torch.zeros_like(pieces), torch.zeros(pieces.shape, dtype=torch.bool)
        for row, (first, rest) in enumerate(zip(own, earlier, strict=True)):
            pieces[row, : lengths[row]] = torch.tensor([*first, *rest])
            kinds[row, len(first) : lengths[row]] = 1
            mask[row, : lengths[row]] = True
        hidden = self.encode(pieces, mask, kinds).numpy()
        owners = [[None, *one.word_ids[: self.room]] for one in found]
        return [
            Pieces(row, whose + [None] * (len(row) - len(whose)))
            for row, whose in zip(hidden, owners, strict=True)
        ]

    def _earlier(self, lines: Sequence[Sequence[str]]) -> list[int]:
        """Pieces of what was said before, each line with a mark after it."""
        if not (lines and self._context_pieces):
            return []
        pieces: list[int] = []
        for line in self._cut(lines):
            room = self._context_pieces - len(pieces) - 1
            if room <= 0:
                break
            pieces += [*line.ids[-room:], _END]
        return pieces

    def _cut(self, texts: Sequence[Sequence[str]]) -> list[Encoding]:
        """Cut texts into word pieces, without marks."""
        return self._tokenizer.encode_batch(
            [list(text) for text in texts], is_pretokenized=True, add_special_tokens=False
        )

    @torch.inference_mode()
    def encode(self, pieces: Tensor, mask: Tensor, kinds: Tensor) -> Tensor:
        """Last hidden states.

        Args:
            pieces: (batch, time) int64, numbers of word pieces.
            mask: (batch, time) bool, True = real.
            kinds: (batch, time) int64, 0 for a text and 1 for what was said before it.

        Returns:
            (batch, time, size) float32 on the CPU.
        """
        names = ("word_embeddings", "token_type_embeddings", "position_embeddings")
        words, types, places = (self._weights[f"embeddings.{name}.weight"] for name in names)
        hidden = words[pieces.to(self._device)] + types[kinds.to(self._device)]
        hidden = self._normal("embeddings", hidden + places[: pieces.shape[1]])
        # torch takes a quicker way where nothing is hidden, and rounds another way in it.
        seen = None if mask.all() else mask[:, None, None, :].to(self._device)
        for index in range(self._layers):
            layer = f"encoder.layer.{index}"
            query, key, value = (
                self._linear(f"{layer}.attention.self.{name}", hidden)
                .view(*pieces.shape, HEADS, -1)
                .transpose(1, 2)
                for name in ("query", "key", "value")
            )
            found = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
            found = self._linear(
                f"{layer}.attention.output.dense", found.transpose(1, 2).flatten(2)
            )
            hidden = self._normal(f"{layer}.attention.output", found + hidden)
            found = functional.gelu(self._linear(f"{layer}.intermediate.dense", hidden))
            found = self._linear(f"{layer}.output.dense", found)
            hidden = self._normal(f"{layer}.output", found + hidden)
        return hidden.cpu()

    def _linear(self, name: str, values: Tensor) -> Tensor:
        weight, bias = (self._weights[f"{name}.{part}"] for part in ("weight", "bias"))
        return functional.linear(values, weight, bias)

    def _normal(self, name: str, values: Tensor) -> Tensor:
        weight, bias = (self._weights[f"{name}.LayerNorm.{part}"] for part in ("weight", "bias"))
        return functional.layer_norm(values, values.shape[-1:], weight, bias, EPSILON)


def _adapted(weights: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """The weights that an adapter changes, changed.

    Raises:
        ValueError: it is no plain adapter of low rank, or one of other weights.
    """
    settings: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    if settings.get("peft_type") != "LORA" or settings.get("bias") != "none":
        raise ValueError("it is no plain adapter of low rank")
    if others := [name for name in settings if settings[name] and name not in _OF_NO_WEIGHT]:
        raise ValueError(f"it is no plain adapter of low rank, but one with {min(others)}")
    parts = load_file(folder / "adapter_model.safetensors")
    changed: dict[str, Tensor] = {}
    for name in [name for name in parts if name.endswith(".lora_A.weight")]:
        narrow, wide = parts.pop(name), parts.pop(name.replace(".lora_A.", ".lora_B."))
        if len(narrow) != settings["r"]:
            raise ValueError(f"its weights are of another rank than {settings['r']}")
        target = name.removeprefix(_PREFIX).replace(".lora_A.", ".")
        if weights[target].shape != (len(wide), narrow.shape[1]):
            raise ValueError(f"{name} is for a weight of another shape")
        change = wide.float() @ narrow.float() * (settings["lora_alpha"] / settings["r"])
        changed[target] = weights[target] + change
    if parts:
        raise ValueError(f"it holds {min(parts)}, which is no change of low rank")
    return changed
