"""Text features: the token vectors of a Transformer encoder, grouped into words."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peft import PeftModel
from transformers import AutoTokenizer

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.base import WordExtractor
from lddu_pipe.extractors.hub import load_network
from lddu_pipe.types import ModalitySequence, Utterance, Word
from lddu_pipe.weights import tensor_shapes

BATCH_SIZE = 32


@dataclass(frozen=True)
class TextSettings:
    """What decides the text features."""

    encoder: str = "all-MiniLM-L6-v2"
    max_tokens: int = 256
    """Word pieces of one pass, fewer where the encoder's own limit is below; longer texts are
    read in several passes."""


class TextExtractor(WordExtractor):
    """Turns words into one vector each: the mean of the last hidden states of its pieces."""

    name = "text"
    settings: TextSettings

    def __init__(
        self,
        encoder: Path,
        settings: TextSettings,
        weights: Mapping[str, str],
        *,
        adapter: Path | None = None,
        device: str = "cpu",
        space: str | None = None,
        languages: Sequence[str] = (),
    ) -> None:
        """Load the encoder.

        Args:
            encoder: the folder of any encoder that transformers knows.
            settings: what decides the features.
            weights: sha256 by file name, the adapter's among them.
            adapter: a folder with ``adapter_config.json`` and ``adapter_model.safetensors``:
                low-rank changes of the encoder's weights (Hu et al. 2021, "LoRA").
            device: "cpu", "cuda" or "mps".
            space: whose numbers the encoder gives; by default those of `settings.encoder`.
            languages: codes of those that the encoder reads, where they are known.

        Raises:
            IncompatibleModelError: the adapter is damaged.
        """
        self.device = torch.device(device)
        # A tokenizer keeps what it was told about padding, so threads take it in turns.
        self._alone = threading.Lock()
        self._tokenizer = _load_tokenizer(encoder)
        model = load_network(encoder)
        if adapter is not None:
            try:
                _check_adapter(adapter)
                model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
            except Exception as error:  # what libraries raise for damaged files has no common base
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                raise IncompatibleModelError(
                    f"the adapter {adapter} cannot be loaded ({reason}); get the model again"
                ) from error
        self._model = model.eval().to(self.device)
        own = getattr(model.config, "max_position_embeddings", None) or settings.max_tokens
        self._max_tokens = min(settings.max_tokens, self._tokenizer.model_max_length, own)
        super().__init__(
            settings,
            weights,
            space=space or settings.encoder,
            names=(f"token_{index:03d}" for index in range(model.config.hidden_size)),
            languages=languages,
        )

    def extract(self, utterances: Sequence[Utterance]) -> list[ModalitySequence]:
        """Extract features of many utterances at once.

        Returns:
            One (words, features) sequence an utterance, in the same order. An utterance
            without words gives an empty one.
        """
        passes: list[tuple[int, tuple[Word, ...]]] = []
        for index, utterance in enumerate(utterances):
            passes.extend((index, part) for part in self._split(utterance.words))
        # Texts of like length share a batch, so that little of it is padding.
        order = sorted(range(len(passes)), key=lambda number: len(passes[number][1]))
        vectors: dict[int, NDArray[np.float32]] = {}
        for begin in range(0, len(order), BATCH_SIZE):
            chosen = order[begin : begin + BATCH_SIZE]
            with self._alone:
                encoded = self._encode([passes[number][1] for number in chosen])
            vectors.update(zip(chosen, encoded, strict=True))
        rows: list[list[NDArray[np.float32]]] = [[] for _ in utterances]
        for number, (index, _) in enumerate(passes):
            rows[index].append(vectors[number])
        return [
            self._sequence(utterance.words, parts)
            for utterance, parts in zip(utterances, rows, strict=True)
        ]

    def _split(self, words: tuple[Word, ...]) -> list[tuple[Word, ...]]:
        """Cut words into runs that fit one pass of the encoder."""
        if not words:
            return []
        with self._alone:
            pieces = self._tokenizer([word.text for word in words], add_special_tokens=False)
        limit = self._max_tokens - self._tokenizer.num_special_tokens_to_add()
        parts: list[tuple[Word, ...]] = []
        start = used = 0
        for index, tokens in enumerate(pieces["input_ids"]):
            if index > start and used + len(tokens) > limit:
                parts.append(words[start:index])
                start, used = index, 0
            used += len(tokens)
        parts.append(words[start:])
        return parts

    @torch.inference_mode()
    def _encode(self, texts: Sequence[tuple[Word, ...]]) -> list[NDArray[np.float32]]:
        batch = self._tokenizer(
            [[word.text for word in words] for words in texts],
            is_split_into_words=True,
            padding=True,
            truncation=True,
            max_length=self._max_tokens,
            return_tensors="pt",
        )
        hidden = self._model(**batch.to(self.device)).last_hidden_state.float().cpu().numpy()
        return [
            _group(hidden[row], batch.word_ids(row), len(words)) for row, words in enumerate(texts)
        ]

    def _sequence(
        self, words: tuple[Word, ...], parts: list[NDArray[np.float32]]
    ) -> ModalitySequence:
        empty = np.zeros((0, self.spec.size), np.float32)
        values = np.concatenate(parts) if parts else empty
        # A word of which the tokenizer knows no piece has no vector.
        valid = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
        spans = [(word.span.start, word.span.end) for word in words]
        return self.sequence(np.where(valid[:, None], values, 0.0), spans, valid)


def _load_tokenizer(encoder: Path) -> Any:  # noqa: ANN401 - each encoder has a class of its own
    options = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(encoder), **options)
    if getattr(tokenizer, "add_prefix_space", None) is False:
        # Words are given one by one; those of byte-level vocabularies begin with their space.
        return AutoTokenizer.from_pretrained(str(encoder), add_prefix_space=True, **options)
    return tokenizer


def _check_adapter(folder: Path) -> None:
    """Refuse a configuration that is not of plain low-rank changes of the weights beside it.

    Other kinds fetch tokenizers or import modules that their configuration names, and other ranks
    take more memory than the weights do.
    """
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    if settings.get("peft_type") != "LORA" or settings.get("megatron_config"):
        raise ValueError("it is no plain adapter of low rank")
    if settings.get("rank_pattern") or settings.get("layer_replication"):
        raise ValueError("it has other ranks for some layers, or copies layers")
    shapes = tensor_shapes(folder / "adapter_model.safetensors")
    ranks = {shape[0] for name, shape in shapes.items() if name.endswith("lora_A.weight")}
    if ranks - {settings["r"]}:
        raise ValueError(f"its weights are of another rank than {settings['r']}")


def _group(
    hidden: NDArray[np.float32], word_ids: list[int | None], count: int
) -> NDArray[np.float32]:
    """Mean vector of each word's pieces, (count, features); NaN for a word without pieces."""
    owners = np.array([-1 if owner is None else owner for owner in word_ids])
    sums = np.zeros((count, hidden.shape[1]), dtype=np.float32)
    owned = owners >= 0
    np.add.at(sums, owners[owned], hidden[owned])
    counts = np.bincount(owners[owned], minlength=count)[:, None]
    with np.errstate(invalid="ignore"):  # 0 / 0 marks a word without pieces
        means: NDArray[np.float32] = (sums / counts).astype(np.float32)
    return means
