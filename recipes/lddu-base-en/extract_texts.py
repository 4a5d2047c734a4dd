"""Describe training texts as the extractor does, with and without what was said before."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from damage import break_text, foreign_sentences, gibberish
from lddu_pipe.datasets.store import StoreWriter
from lddu_pipe.evidence import Example
from lddu_pipe.extractors.base import WordExtractor
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import MOSEI
from lddu_pipe.transcripts.cues import split_words
from lddu_pipe.types import TimeSpan, Utterance, Word
from soft_labels import FILE_NAME, SoftLabels
from stores import store_info
from text_variants import CONTEXT_SHARE, Varier, rarity, short_answers
from texts import TEXT_CORPORA, LabelledText, read_split

logger = logging.getLogger("extract_texts")

CORPUS_SHARE = {
    **{"goemotions": 0.20, "emotionlines": 0.13, "xed": 0.11, "empatheticdialogues": 0.10},
    **{"semeval": 0.10, "meisd": 0.08, "meld": 0.06, "isear": 0.05, "crowdenvent": 0.05},
    **{"brighter": 0.04, "dailydialog": 0.02, "nonsense": 0.045, "short": 0.015},
}
"""How often LDDU draws each corpus: not by size, or Reddit would drown the others."""
MOST_TEXTS = 8_000
"""Of one corpus: LDDU draws fewer in all its training."""
VARIED_SHARE, BROKEN_SHARE = 0.35, 0.2
"""Of the texts, how many are read once more as training varies them, and with half missing."""
BROKEN_WEIGHT = 5.0
"""How many times as often as a whole text a broken one is drawn: sigma does not learn to see that
words are missing from one text in ten."""
NONSENSE_ROWS = 3000
"""Of foreign words, and as many of no words at all."""
ROWS_AT_ONCE = 2000


class Row(NamedTuple):
    """One reading of a text."""

    key: str
    words: Sequence[str]
    context: tuple[str, ...]
    target: NDArray[np.float32]
    """(6,) in 0..1."""
    weight: float = 1.0
    damage: float = 0.0


def readings(
    texts: Sequence[LabelledText], targets: NDArray[np.float32], seed: int
) -> Iterator[Row]:
    """Each text as it is, some varied, and some with so many words missing that it should show."""
    random, varier = np.random.default_rng(seed), Varier(texts, seed)
    for text, target in zip(texts, targets, strict=True):
        words = split_words(varier.unmasked(text, random))
        context = varier.context(text, random, wanted=random.random() < CONTEXT_SHARE)
        yield Row(f"{text.key}-0", words, context, target)
        if random.random() < VARIED_SHARE:
            varied, damage = varier.words(text, random)
            if not damage:
                other = varier.context(text, random, wanted=not context)
                yield Row(f"{text.key}-1", varied, other, target)
        if len(words) > 3 and random.random() < BROKEN_SHARE:
            left, damage = break_text(words, random)
            yield Row(f"{text.key}-2", left, context, target, damage=damage)


def meaningless(rates: NDArray[np.float32], seed: int) -> Iterator[Row]:
    """Texts that say nothing in English: all that is known is how frequent each emotion is."""
    random = np.random.default_rng(seed)
    texts = foreign_sentences(NONSENSE_ROWS, int(random.integers(1 << 30)))
    texts += [gibberish(random) for _ in range(NONSENSE_ROWS)]
    for index, text in enumerate(texts):
        yield Row(f"nonsense:{index}", split_words(text), (), rates, damage=1.0)


def training_rows(folder: Path, soft_labels: SoftLabels, seed: int) -> list[Row]:
    """All that training reads, with how often it is drawn, in the order of length."""
    random = np.random.default_rng(seed)
    texts = read_split(folder, "train")
    by_corpus: dict[str, list[Row]] = {}
    rates = []
    for corpus in TEXT_CORPORA:
        some = [text for text in texts if text.corpus == corpus]
        chosen = random.permutation(len(some))[:MOST_TEXTS]
        some = [some[at] for at in np.sort(chosen)]
        targets = soft_labels.mixed(some)
        rates.append((targets >= 0.5).mean(axis=0))
        by_corpus[corpus] = list(readings(some, targets, seed))
    none = np.zeros(len(MOSEI), np.float32)
    by_corpus["nonsense"] = list(meaningless(np.mean(rates, axis=0).astype(np.float32), seed))
    by_corpus["short"] = [
        Row(f"short:{index}", split_words(text), (), none)
        for index, text in enumerate(short_answers())
    ]
    rows = [row for name, some in by_corpus.items() for row in weighted(some, CORPUS_SHARE[name])]
    rows = [row for row in rows if row.words]
    return sorted(rows, key=lambda row: len(row.words))


def weighted(rows: list[Row], share: float) -> list[Row]:
    """Rows of a corpus, their weights adding up to its share."""
    weights = rarity(np.array([row.target >= 0.5 for row in rows]))
    weights[[row.damage > 0 for row in rows]] *= BROKEN_WEIGHT
    weights *= share / weights.sum()
    return [row._replace(weight=float(w)) for row, w in zip(rows, weights, strict=True)]


def describe(extractor: WordExtractor, rows: Sequence[Row]) -> tuple[list[Example], None]:
    """Rows with their features; those without a word that is known are left out."""
    utterances = [
        Utterance(
            "0",
            TimeSpan(0.0, float(len(row.words))),
            words=tuple(Word(word, TimeSpan(at, at + 1.0)) for at, word in enumerate(row.words)),
            context=row.context,
        )
        for row in rows
    ]
    found = zip(rows, extractor.extract(utterances), strict=True)
    return [
        Example.of(
            *(row.key, row.target, {"text": steps}, " ".join(row.words)),
            weight=row.weight,
            damage=row.damage,
        )
        for row, steps in found
        if steps.present
    ], None


def extract(data: Path, companions: Path, output: Path, seed: int) -> None:
    """Write the feature store."""
    features = FeatureSet(Companions.load(companions), offline=True)
    rows = training_rows(data / "text", SoftLabels(companions / FILE_NAME), seed)
    with StoreWriter(output, store_info("texts", features), resumable=True) as writer:
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[begin : begin + ROWS_AT_ONCE]
            key = f"{seed} {len(rows)} {some[0].key}"
            writer.write_shard("train", key, partial(describe, features.text, some))
            logger.info("%d of %d", begin + len(some), len(rows))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--companions", type=Path, required=True, help="what was trained first")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    extract(**vars(parser.parse_args()))
