"""Extract text features of SemEval-2018 E-c, GoEmotions and MELD, whole and spoilt."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from damage import break_text, foreign_sentences, gibberish
from lddu_pipe.assets import resolve
from lddu_pipe.extractors.companions import ADAPTER_FOLDER
from lddu_pipe.extractors.minilm import MiniLM
from lddu_pipe.extractors.text import TextExtractor, TextSettings
from lddu_pipe.labels import MOSEI
from lddu_pipe.transcripts import parse_text
from lddu_pipe.transcripts.cues import split_words
from lddu_pipe.types import TimeSpan, Utterance
from store import FeatureRow, write_rows

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


class TrainingText(NamedTuple):
    """A text as training sees it."""

    name: str
    corpus: str
    text: str
    labels: dict[str, float]
    damage: float = 0.0


def as_rows(texts: list[LabelledText]) -> list[TrainingText]:
    """Texts as they are."""
    return [
        TrainingText(text.name, text.corpus, text.text, dict.fromkeys(text.labels, 1.0))
        for text in texts
    ]


def variants(rows: list[TrainingText], random: np.random.Generator) -> list[TrainingText]:
    """Some texts as if spoken, and some with so many words missing that it should show."""
    found = []
    for row in rows:
        if random.random() < SPOKEN_SHARE:
            found.append(row._replace(text=as_spoken(row.text)))
        words = row.text.split()
        if len(words) > 3 and random.random() < SPOILT_SHARE:
            left, damage = break_text(words, random)
            found.append(row._replace(text=" ".join(left), damage=damage))
    return found


def nonsense(rows: list[TrainingText], random: np.random.Generator) -> list[TrainingText]:
    """Texts that say nothing in English: all that is known is how frequent each emotion is."""
    rates = {
        label: float(np.mean([row.labels.get(label, 0.0) for row in rows])) for label in MOSEI
    }
    texts = foreign_sentences(NONSENSE_ROWS, int(random.integers(1 << 30)))
    texts += [gibberish(random) for _ in range(NONSENSE_ROWS)]
    return [
        TrainingText(f"nonsense-{index}", "nonsense", text, rates, damage=1.0)
        for index, text in enumerate(texts)
    ]


def short_answers() -> list[TrainingText]:
    """What people say to say that they listen, written and spoken: it carries no emotion."""
    texts = [
        form
        for answer in SHORT_ANSWERS
        for form in (answer, answer.capitalize() + ".", f"{answer} {answer}", f"well {answer}")
    ]
    return [TrainingText(f"short-{index}", "short", text, {}) for index, text in enumerate(texts)]


def extract(data: Path, output: Path, adapter: Path, seed: int) -> None:
    """Write ``text_train``, with spoken, spoilt and senseless texts, and plain ``text_dev``."""
    settings = TextSettings()
    encoder = MiniLM(
        resolve("all-MiniLM-L6-v2"), settings.max_tokens, adapter=adapter / ADAPTER_FOLDER
    )
    extractor = TextExtractor(encoder, settings, {})
    random = np.random.default_rng(seed)
    for split in ("dev", "train"):
        rows = as_rows(read_split(data / "text", split))
        if split == "train":
            rows += variants(rows, random) + nonsense(rows, random) + short_answers()
        rows = [row for row in rows if split_words(row.text)]
        utterances = [
            Utterance(row.name, TimeSpan(0, 0), row.text, parse_text(row.text).words)
            for row in rows
        ]
        sequences = extractor.extract(utterances)
        write_rows(
            output / f"text_{split}.npz",
            [
                FeatureRow(row.name, row.corpus, sequence.values, row.labels, row.damage)
                for row, sequence in zip(rows, sequences, strict=True)
            ],
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    extract(arguments.data, arguments.output, arguments.adapter, arguments.seed)
