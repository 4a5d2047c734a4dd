"""Any text encoder of the Hugging Face hub whose tokenizer tells which word a piece is of."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from lddu_pipe.extractors.hub import load_network
from lddu_pipe.extractors.text import Passage, Pieces


class HuggingFaceTextEncoder:
    """Calls an encoder such as BERT on texts that are cut into words, and on nothing before."""

    def __init__(self, encoder: Path, max_tokens: int, *, device: str = "cpu") -> None:
        """Load the encoder.

        Args:
            encoder: its folder.
            max_tokens: word pieces of one pass, fewer where the encoder's own limit is below.
            device: "cpu", "cuda" or "mps".
        """
        self._device = torch.device(device)
        # A tokenizer keeps what it was told about padding, so threads take it in turns.
        self._alone = threading.Lock()
        self._tokenizer = _load_tokenizer(encoder)
        self._model = load_network(encoder).eval().to(self._device)
        own = getattr(self._model.config, "max_position_embeddings", None) or max_tokens
        self._max_tokens = min(max_tokens, self._tokenizer.model_max_length, own)
        self.size: int = self._model.config.hidden_size
        self.room: int = self._max_tokens - self._tokenizer.num_special_tokens_to_add()

    def count_pieces(self, words: Sequence[str]) -> list[int]:
        """How many word pieces each word is cut into."""
        with self._alone:
            pieces = self._tokenizer(list(words), add_special_tokens=False)
        return [len(ids) for ids in pieces["input_ids"]]

    @torch.inference_mode()
    def __call__(self, texts: Sequence[Passage]) -> list[Pieces]:
        """Encode texts of which each fits one pass."""
        with self._alone:
            batch = self._tokenizer(
                [list(text.words) for text in texts],
                is_split_into_words=True,
                padding=True,
                truncation=True,
                max_length=self._max_tokens,
                return_tensors="pt",
            )
            hidden = self._model(**batch.to(self._device)).last_hidden_state.float().cpu().numpy()
        return [Pieces(row, batch.word_ids(index)) for index, row in enumerate(hidden)]


def _load_tokenizer(encoder: Path) -> Any:  # noqa: ANN401 - each encoder has a class of its own
    options = {"local_files_only": True, "trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(str(encoder), **options)
    if getattr(tokenizer, "add_prefix_space", None) is False:
        # Words are given one by one; those of byte-level vocabularies begin with their space.
        return AutoTokenizer.from_pretrained(str(encoder), add_prefix_space=True, **options)
    return tokenizer
