"""Text features: the token vectors of a Transformer encoder, grouped into words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.extractors.base import ADDED, WordExtractor
from lddu_pipe.transcripts.cues import split_words
from lddu_pipe.types import Utterance, Word

BATCH_SIZE = 32
CONTEXT_LINES = 3
"""Utterances before one that are read with it, at most."""


@dataclass(frozen=True)
class TextSettings:
    """What decides the text features."""

    encoder: str = "all-MiniLM-L6-v2"
    max_tokens: int = 256
    """Word pieces of one pass, fewer where the encoder's own limit is below; longer texts are
    read in several passes."""
    context_pieces: int = field(default=0, metadata={ADDED: True})
    """Word pieces, at most, of what was said before an utterance, read beside its own with the
    marks after each line; 0 for an encoder that was not trained so."""


class Passage(NamedTuple):
    """What is read in one pass."""

    words: Sequence[str]
    earlier: Sequence[Sequence[str]] = ()
    """Lines that were said before, each cut into words, the newest first."""


class Pieces(NamedTuple):
    """What an encoder says of the word pieces of a text, and of the marks around them."""

    hidden: NDArray[np.float32]
    """(pieces, size)."""
    words: list[int | None]
    """Which word each is a piece of; None for what is of none."""


class TextEncoder(Protocol):
    """Reads texts that are cut into words."""

    size: int
    """Features of a piece."""
    room: int
    """Word pieces that fit one pass."""

    def count_pieces(self, words: Sequence[str]) -> list[int]:
        """How many word pieces each word is cut into."""

    def __call__(self, texts: Sequence[Passage]) -> list[Pieces]:
        """Encode texts of which each fits one pass; what is said of pieces is of their words."""


class TextExtractor(WordExtractor):
    """Turns words into one vector each: the mean of the last hidden states of its pieces."""

    name = "text"
    settings: TextSettings

    def __init__(
        self,
        encoder: TextEncoder,
        settings: TextSettings,
        weights: Mapping[str, str],
        *,
        space: str | None = None,
        languages: Sequence[str] = (),
    ) -> None:
        """Use an encoder.

        Args:
            encoder: gives the vectors.
            settings: what decides the features; the encoder was loaded with their `max_tokens`.
            weights: sha256 by file name, the adapter's among them.
            space: whose numbers the encoder gives; by default those of `settings.encoder`.
            languages: codes of those that the encoder reads, where they are known.
        """
        self._encode = encoder
        super().__init__(
            settings,
            weights,
            space=space or settings.encoder,
            names=(f"token_{index:03d}" for index in range(encoder.size)),
            languages=languages,
        )

    def extract(self, utterances: Sequence[Utterance]) -> list[ModalitySequence]:
        """Extract features of many utterances at once.

        Returns:
            One (words, features) sequence an utterance, in the same order. An utterance
            without words gives an empty one.
        """
        passes: list[tuple[int, Passage]] = []
        for index, utterance in enumerate(utterances):
            passes.extend((index, part) for part in self._passages(utterance))
        # Texts of like length share a batch: there are encoders that pad them.
        order = sorted(range(len(passes)), key=lambda number: len(passes[number][1].words))
        vectors: dict[int, NDArray[np.float32]] = {}
        for begin in range(0, len(order), BATCH_SIZE):
            chosen = order[begin : begin + BATCH_SIZE]
            texts = [passes[number][1] for number in chosen]
            for number, text, pieces in zip(chosen, texts, self._encode(texts), strict=True):
                vectors[number] = _group(pieces, len(text.words))
        rows: list[list[NDArray[np.float32]]] = [[] for _ in utterances]
        for number, (index, _) in enumerate(passes):
            rows[index].append(vectors[number])
        return [
            self._sequence(utterance.words, parts)
            for utterance, parts in zip(utterances, rows, strict=True)
        ]

    def _passages(self, utterance: Utterance) -> list[Passage]:
        """An utterance in passes, the first of them with what was said before."""
        passages = [Passage(words) for words in self._split(utterance.words)]
        if passages and self.settings.context_pieces:
            lines = utterance.context[: -CONTEXT_LINES - 1 : -1]
            passages[0] = passages[0]._replace(earlier=[split_words(line) for line in lines])
        return passages

    def _split(self, spoken: tuple[Word, ...]) -> list[list[str]]:
        """Cut words into runs that fit one pass of the encoder."""
        if not spoken:
            return []
        words = [word.text for word in spoken]
        counts = self._encode.count_pieces(words)
        parts: list[list[str]] = []
        start = used = 0
        for index, count in enumerate(counts):
            if index > start and used + count > self._encode.room:
                parts.append(words[start:index])
                start, used = index, 0
            used += count
        parts.append(words[start:])
        return parts

    def _sequence(
        self, words: tuple[Word, ...], parts: list[NDArray[np.float32]]
    ) -> ModalitySequence:
        empty = np.zeros((0, self.spec.size), np.float32)
        values = np.concatenate(parts) if parts else empty
        # A word of which the tokenizer knows no piece has no vector.
        valid = np.asarray(np.isfinite(values).all(axis=1), np.bool_)
        spans = [(word.span.start, word.span.end) for word in words]
        return self.sequence(np.where(valid[:, None], values, 0.0), spans, valid)


def _group(pieces: Pieces, count: int) -> NDArray[np.float32]:
    """Mean vector of each word's pieces, (count, features); NaN for a word without pieces."""
    owners = np.array([-1 if owner is None else owner for owner in pieces.words])
    sums = np.zeros((count, pieces.hidden.shape[1]), dtype=np.float32)
    owned = owners >= 0
    np.add.at(sums, owners[owned], pieces.hidden[owned])
    counts = np.bincount(owners[owned], minlength=count)[:, None]
    with np.errstate(invalid="ignore"):  # 0 / 0 marks a word without pieces
        means: NDArray[np.float32] = (sums / counts).astype(np.float32)
    return means
