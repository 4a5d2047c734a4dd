"""SemEval-2018 E-c, GoEmotions and MELD: whole, as if spoken, spoilt; and texts without sense."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from damage import break_text, foreign_sentences, gibberish
from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.labels import MOSEI
from lddu_pipe.transcripts.cues import split_words
from soft_labels import SoftLabels

TEXT_CORPORA = ("semeval", "goemotions", "meld")
CORPUS_SHARE = {"semeval": 0.3, "goemotions": 0.41, "meld": 0.2, "nonsense": 0.07, "short": 0.02}
"""How often each text corpus is drawn: not by size, or Reddit would drown the others."""

RARITY = 0.25
"""How strongly texts of rare labels are drawn more often: by this power of how rare they are."""

BROKEN_TEXTS = 7.0
"""How many times as often as a whole text one with half of its words missing is drawn: sigma does
not learn to see that from one text in ten."""

SPOKEN_SHARE = 0.35
SPOILT_SHARE = 0.2
NONSENSE_ROWS = 3000  # of foreign words, and as many of no words at all

SHORT_ANSWERS = (
    *("okay", "ok", "yes", "yeah", "yep", "no", "nope", "right", "sure", "I see", "uh-huh"),
    *("mm-hm", "hm", "so", "alright", "all right", "got it", "maybe", "perhaps", "I think so"),
    *("I guess", "I guess so", "you know", "and then", "like I said", "let me see", "one moment"),
    *("go on", "what time is it", "here", "there", "this one", "that one", "it is", "that's it"),
    *("exactly", "true", "of course", "I know", "me too", "hello", "hi", "hey", "good morning"),
    *("see you tomorrow", "in a minute", "on the table", "he said so", "at ten", "next week"),
)
"""Ours."""
SHORT = "short-"
"""How the ids of their rows begin."""

LABEL_OF = {
    "joy": "happy",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "anger",
    "surprise": "surprise",
    "disgust": "disgust",
    "fear": "fear",
}


ASIDE = {
    "semeval": ("anticipation", "love", "optimism", "pessimism", "trust"),
    "goemotions": (),
    "meld": ("positive", "negative"),
}
"""What the texts of a corpus are labelled with beside our six emotions."""


class LabelledText(NamedTuple):
    """One text of a corpus."""

    name: str
    corpus: str
    text: str
    labels: tuple[str, ...]
    aside: tuple[str, ...] = ()
    """Those of `ASIDE` that it has."""


def read_semeval(path: Path) -> Iterator[LabelledText]:
    """SemEval-2018 Task 1 E-c (Mohammad et al. 2018): tweets with eleven binary labels."""
    table = pd.read_csv(path, sep="\t", quoting=3)
    for row in table.to_dict("records"):
        labels = tuple(ours for theirs, ours in LABEL_OF.items() if row.get(theirs) == 1)
        aside = tuple(label for label in ASIDE["semeval"] if row[label] == 1)
        yield LabelledText(str(row["ID"]), "semeval", str(row["Tweet"]), labels, aside)


def read_goemotions(path: Path, labels_path: Path) -> Iterator[LabelledText]:
    """GoEmotions (Demszky et al. 2020) with Ekman labels: Reddit comments."""
    names = labels_path.read_text(encoding="utf-8").split()
    table = pd.read_csv(path, sep="\t", header=None, quoting=3, dtype=str)
    for text, indices, name in table.itertuples(index=False):
        found = [names[int(index)] for index in indices.split(",")]
        labels = tuple(LABEL_OF[label] for label in found if label in LABEL_OF)
        yield LabelledText(name, "goemotions", str(text), labels)


def read_meld(path: Path) -> Iterator[LabelledText]:
    """MELD (Poria et al. 2019): utterances of a TV series, one label and a sentiment each."""
    table = pd.read_csv(path, encoding="utf-8", encoding_errors="replace")
    for row in table.to_dict("records"):
        label = LABEL_OF.get(row["Emotion"])
        name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
        text = str(row["Utterance"]).replace("\x92", "'").replace("\ufffd", "'")
        aside = tuple(sentiment for sentiment in ASIDE["meld"] if row["Sentiment"] == sentiment)
        yield LabelledText(name, "meld", text, (label,) if label else (), aside)


def read_split(folder: Path, split: str) -> list[LabelledText]:
    """All texts of "train" or "dev"."""
    return [
        *read_semeval(folder / "semeval_ec" / f"{split}.tsv"),
        *read_goemotions(
            folder / "goemotions" / f"{split}.tsv", folder / "goemotions" / "labels.txt"
        ),
        *read_meld(folder / "meld" / f"{split}_sent_emo.csv"),
    ]


def as_spoken(text: str) -> str:
    """The text as a recogniser might write it: no mentions, links, hashes, emoji, marks."""
    text = re.sub(r"https?://\S+|@\w+|\[\w+\]", " ", text)
    return " ".join(re.sub(r"[^\w\s']|_", " ", text).lower().split())


def rarity(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often to draw each text of a corpus, by the rarest of its labels; sums to 1.

    Args:
        labels: (texts, labels); a text with none of them counts as of one more.
    """
    present = np.concatenate([labels, ~labels.any(axis=1, keepdims=True)], axis=1)
    counts = np.maximum(present.sum(axis=0), 1)
    weights = np.where(present, counts**-RARITY, 0.0).max(axis=1)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def training_rows(
    folder: Path, soft_labels: SoftLabels, random: np.random.Generator
) -> list[ManifestRow]:
    """All texts that training sees, each with how often it is drawn and how far it was spoilt."""
    by_corpus: dict[str, list[ManifestRow]] = {name: [] for name in TEXT_CORPORA}
    for text in read_split(folder, "train"):
        labels = soft_labels.mixed(text.corpus, text.name, text.labels)
        row = ManifestRow(text.name, text.corpus, text=text.text, split="train", labels=labels)
        by_corpus[text.corpus].append(row)
    whole = [row for rows in by_corpus.values() for row in rows]
    for row in variants(whole, random):
        by_corpus[row.origin].append(row)
    by_corpus |= {"nonsense": nonsense(whole, random), "short": short_answers()}
    return [
        row for corpus, rows in by_corpus.items() for row in weighted(rows, CORPUS_SHARE[corpus])
    ]


def variants(rows: list[ManifestRow], random: np.random.Generator) -> Iterator[ManifestRow]:
    """Some texts as if spoken, and some with so many words missing that it should show."""
    for row in rows:
        text = row.text or ""
        if random.random() < SPOKEN_SHARE:
            yield replace(row, text=as_spoken(text))
        words = text.split()
        if len(words) > 3 and random.random() < SPOILT_SHARE:
            left, damage = break_text(words, random)
            yield replace(row, text=" ".join(left), damage=damage)


def nonsense(rows: list[ManifestRow], random: np.random.Generator) -> list[ManifestRow]:
    """Texts that say nothing in English: all that is known is how frequent each emotion is."""
    rates = np.mean([row.target(MOSEI) >= 0.5 for row in rows], axis=0)
    labels = dict(zip(MOSEI.labels, rates.tolist(), strict=True))
    texts = foreign_sentences(NONSENSE_ROWS, int(random.integers(1 << 30)))
    texts += [gibberish(random) for _ in range(NONSENSE_ROWS)]
    return [
        ManifestRow(
            f"nonsense-{i}", "nonsense", text=text, split="train", labels=labels, damage=1.0
        )
        for i, text in enumerate(texts)
    ]


def short_answers() -> list[ManifestRow]:
    """What people say to say that they listen, written and spoken: it carries no emotion."""
    texts = [
        form
        for answer in SHORT_ANSWERS
        for form in (answer, answer.capitalize() + ".", f"{answer} {answer}", f"well {answer}")
    ]
    return [
        ManifestRow(f"{SHORT}{index}", "short", text=text, split="train", labels={})
        for index, text in enumerate(texts)
    ]


def weighted(rows: list[ManifestRow], share: float) -> list[ManifestRow]:
    """Rows of a corpus that have words, their weights adding up to its share."""
    rows = [row for row in rows if split_words(row.text or "")]
    weights = rarity(np.array([row.target(MOSEI) >= 0.5 for row in rows]))
    weights[[row.damage > 0 for row in rows]] *= BROKEN_TEXTS
    weights *= share / weights.sum()
    return [replace(row, weight=float(w)) for row, w in zip(rows, weights, strict=True)]
