"""Extract text features of SemEval-2018 E-c, GoEmotions and MELD."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.text import TextExtractor, TextSettings
from lddu_pipe.transcripts import parse_text
from lddu_pipe.transcripts.cues import split_words
from lddu_pipe.types import TimeSpan, Utterance
from store import FeatureRow, write_rows

LABEL_OF = {
    "joy": "happy",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "anger",
    "surprise": "surprise",
    "disgust": "disgust",
    "fear": "fear",
}


class LabelledText(NamedTuple):
    """One text of a corpus."""

    name: str
    corpus: str
    text: str
    labels: tuple[str, ...]


def read_semeval(path: Path) -> Iterator[LabelledText]:
    """SemEval-2018 Task 1 E-c (Mohammad et al. 2018): tweets with eleven binary labels."""
    table = pd.read_csv(path, sep="\t", quoting=3)
    for row in table.to_dict("records"):
        labels = tuple(ours for theirs, ours in LABEL_OF.items() if row.get(theirs) == 1)
        yield LabelledText(str(row["ID"]), "semeval", str(row["Tweet"]), labels)


def read_goemotions(path: Path, labels_path: Path) -> Iterator[LabelledText]:
    """GoEmotions (Demszky et al. 2020) with Ekman labels: Reddit comments."""
    names = labels_path.read_text(encoding="utf-8").split()
    table = pd.read_csv(path, sep="\t", header=None, quoting=3, dtype=str)
    for text, indices, name in table.itertuples(index=False):
        found = [names[int(index)] for index in indices.split(",")]
        labels = tuple(LABEL_OF[label] for label in found if label in LABEL_OF)
        yield LabelledText(name, "goemotions", str(text), labels)


def read_meld(path: Path) -> Iterator[LabelledText]:
    """MELD (Poria et al. 2019): utterances of a TV series, one label each."""
    table = pd.read_csv(path, encoding="utf-8", encoding_errors="replace")
    for row in table.to_dict("records"):
        label = LABEL_OF.get(row["Emotion"])
        name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
        text = str(row["Utterance"]).replace("\x92", "'").replace("\ufffd", "'")
        yield LabelledText(name, "meld", text, (label,) if label else ())


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


def extract(data: Path, output: Path, spoken_share: float, seed: int) -> None:
    """Write ``text_train`` and ``text_dev``; some training texts appear again as if spoken."""
    extractor = TextExtractor(resolve("all-MiniLM-L6-v2"), TextSettings(), {})
    random = np.random.default_rng(seed)
    for split in ("dev", "train"):
        texts = read_split(data / "text", split)
        if split == "train":
            texts += [
                text._replace(text=as_spoken(text.text))
                for text in texts
                if random.random() < spoken_share
            ]
        texts = [text for text in texts if split_words(text.text)]
        utterances = [
            Utterance(text.name, TimeSpan(0, 0), text.text, parse_text(text.text).words)
            for text in texts
        ]
        rows = [
            FeatureRow(text.name, text.corpus, sequence.values, dict.fromkeys(text.labels, 1.0))
            for text, sequence in zip(texts, extractor.extract(utterances), strict=True)
        ]
        write_rows(output / f"text_{split}.npz", rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--spoken-share", type=float, default=0.35)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    extract(arguments.data, arguments.output, arguments.spoken_share, arguments.seed)
