"""The default text encoder on torch alone: transformers and peft take longer to load than torch.

all-MiniLM-L6-v2 (Wang et al. 2020, "MiniLM") is a BERT (Devlin et al. 2019). A test compares it
with transformers' own, and the adapter with peft's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from tokenizers import Encoding, Tokenizer
from torch import Tensor
from torch.nn import functional

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.text import Passage, Pieces

HEADS = 12
EPSILON = 1e-12  # of the layer norms
_BEGIN, _END = 101, 102
"""The marks [CLS] before a text and [SEP] after it."""
_PREFIX = "base_model.model."
"""What peft puts before the name of a weight that it changes."""
_OF_NO_WEIGHT = {
    *("auto_mapping", "base_model_name_or_path", "bias", "inference_mode", "init_lora_weights"),
    *("layers_to_transform", "lora_alpha", "lora_dropout", "megatron_core", "peft_type"),
    *("peft_version", "qalora_group_size", "r", "revision", "target_modules", "task_type"),
}
"""What may be set for an adapter without its changes being others than B A alpha / r."""


class Numbers(NamedTuple):
    """A text as the encoder takes it."""

    own: list[int]
    """Of its word pieces, with the marks around them."""
    words: list[int | None]
    """Which word each of those is a piece of; None for a mark."""
    earlier: list[int]
    """Of the pieces and marks of what was said before."""


class PieceCutter:
    """Cuts texts into word pieces and lays them out with what was said before."""

    def __init__(self, folder: Path, max_tokens: int, context_pieces: int) -> None:
        """Arguments as of `MiniLM`."""
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._context_pieces = context_pieces
        self.room = max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        """Pieces of a text that fit one pass."""

    def count_pieces(self, words: Sequence[str]) -> list[int]:
        """How many word pieces each word is cut into."""
        found = self._tokenizer.encode_batch(list(words), add_special_tokens=False)
        return [len(one) for one in found]

    def __call__(self, texts: Sequence[Passage]) -> list[Numbers]:
        """Lay each text out as [CLS] text [SEP] line [SEP] line [SEP], the newest line first.

        Of a text that does not fit one pass its beginning is left, of a line that does not fit
        `context_pieces` its end.
        """
        lines = iter(self._cut([line for text in texts for line in text.earlier]))
        laid = []
        for text, one in zip(texts, self._cut([text.words for text in texts]), strict=True):
            earlier: list[int] = []
            for _ in text.earlier:
                line, room = next(lines), self._context_pieces - len(earlier) - 1
                earlier += [*line.ids[-room:], _END] if room > 0 else []
            own = [_BEGIN, *one.ids[: self.room], _END]
            laid.append(Numbers(own, [None, *one.word_ids[: self.room], None], earlier))
        return laid

    def _cut(self, texts: Sequence[Sequence[str]]) -> list[Encoding]:
        """Cut texts into word pieces, without marks."""
        return self._tokenizer.encode_batch(
            [list(text) for text in texts], is_pretokenized=True, add_special_tokens=False
        )


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
        self._cutter = PieceCutter(folder, max_tokens, context_pieces)
        self.size = weights["embeddings.word_embeddings.weight"].shape[1]
        self.room = self._cutter.room
        self.count_pieces = self._cutter.count_pieces

    def __call__(self, texts: Sequence[Passage]) -> list[Pieces]:
        """Encode texts of which each fits one pass."""
        found = self._cutter(texts)
        hidden = self.encode([one.own for one in found], [one.earlier for one in found])
        return [
            Pieces(values.numpy(), one.words) for values, one in zip(hidden, found, strict=True)
        ]

    @torch.inference_mode()
    def encode(
        self, texts: Sequence[Sequence[int]], earlier: Sequence[Sequence[int]]
    ) -> list[Tensor]:
        """Last hidden states.

        Texts are written one after the other, and only attention is computed one by one: with
        padding, half of the work would be on it.

        Args:
            texts: of each, the numbers of its word pieces and marks.
            earlier: of each, those of what was said before; there may be none.

        Returns:
            Of each text (pieces, size) float32 on the CPU; nothing of what was said before.
        """
        own, before = [len(text) for text in texts], [len(rest) for rest in earlier]
        whole = [sum(lengths) for lengths in zip(own, before, strict=True)]
        pieces = [[*text, *rest] for text, rest in zip(texts, earlier, strict=True)]
        counts = torch.tensor(list(zip(own, before, strict=True))).flatten()
        kinds = torch.tensor([0, 1]).repeat(len(texts)).repeat_interleave(counts)
        places = torch.cat([torch.arange(length) for length in whole])
        hidden = self._embedded(torch.tensor(list(chain.from_iterable(pieces))), kinds, places)
        is_own = (kinds == 0).to(self._device)
        for index in range(self._layers):
            last = index == self._layers - 1
            asking = hidden[is_own] if last else hidden
            hidden = self._layer(
                f"encoder.layer.{index}", hidden, whole, asking, own if last else whole
            )
        return list(hidden.cpu().split_with_sizes(own))

    def _embedded(self, pieces: Tensor, kinds: Tensor, places: Tensor) -> Tensor:
        tables = ("word_embeddings", "token_type_embeddings", "position_embeddings")
        words, types, positions = (
            self._weights[f"embeddings.{name}.weight"][numbers.to(self._device)]
            for name, numbers in zip(tables, (pieces, kinds, places), strict=True)
        )
        return self._normal("embeddings", words + types + positions)

    def _layer(
        self, layer: str, hidden: Tensor, whole: list[int], asking: Tensor, lengths: list[int]
    ) -> Tensor:
        """What a layer makes of the pieces `asking`, of `hidden`, as many of each text as said."""
        query, key, value = (
            self._linear(f"{layer}.attention.self.{name}", values).view(len(values), HEADS, -1)
            for name, values in (("query", asking), ("key", hidden), ("value", hidden))
        )
        seen = []
        for parts in zip(
            query.split_with_sizes(lengths),
            key.split_with_sizes(whole),
            value.split_with_sizes(whole),
            strict=True,
        ):
            asked, keys, values = (part.transpose(0, 1)[None] for part in parts)
            attended = functional.scaled_dot_product_attention(asked, keys, values)
            seen.append(attended[0].transpose(0, 1))
        found = self._linear(f"{layer}.attention.output.dense", torch.cat(seen).flatten(1))
        hidden = self._normal(f"{layer}.attention.output", found + asking)
        found = functional.gelu(self._linear(f"{layer}.intermediate.dense", hidden))
        return self._normal(
            f"{layer}.output", self._linear(f"{layer}.output.dense", found) + hidden
        )

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
