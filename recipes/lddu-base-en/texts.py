"""The labelled English texts of eleven corpora, each with what was said before it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lddu_pipe.extractors.text import CONTEXT_LINES
from lddu_pipe.labels import MOSEI
from lddu_pipe.transcripts.cues import split_words

LABEL_OF = {
    "joy": "happy",
    "happiness": "happy",
    "sadness": "sad",
    "anger": "anger",
    "surprise": "surprise",
    "disgust": "disgust",
    "fear": "fear",
}
SEMEVAL_ASIDE = ("anticipation", "love", "optimism", "pessimism", "trust")
MELD_ASIDE = ("positive", "negative")
ASIDE = (*SEMEVAL_ASIDE, *MELD_ASIDE)
"""What some texts are labelled with beside our six emotions: other ones, and the sentiment."""

TEXT_CORPORA = (
    *("semeval", "goemotions", "meld", "emotionlines", "meisd", "dailydialog"),
    *("empatheticdialogues", "isear", "crowdenvent", "xed", "brighter"),
)
ONE_LABEL = ("dailydialog", "empatheticdialogues", "isear", "crowdenvent", "meld")
"""Of their texts one emotion was asked for: that others are not named says little."""
UNASKED = {"isear": ("surprise",)}
"""Emotions that nobody could name in a corpus."""
LOOSE = {"meisd": ("disgust",)}
"""Labels that hardly follow the words: in meisd disgust stands for any displeasure."""
LOOSE_COUNTS, UNNAMED_COUNTS = 0.3, 0.5
"""How much in a loss: loose labels, and those beside the one that was named."""
MAJORITY = 0.4
"""The share of votes from which a label counts as present: two of five people."""


@dataclass(frozen=True)
class LabelledText:
    """One text of a corpus."""

    name: str
    corpus: str
    text: str
    labels: Mapping[str, float]
    """Target of each, 0..1, from 0.5 where it counts as present; those left out are absent."""
    unknown: frozenset[str] = frozenset()
    """Labels that nobody was asked for."""
    aside: Mapping[str, bool] = field(default_factory=dict)
    """Those of `ASIDE` that were asked for, and whether they are there."""
    context: tuple[str, ...] = ()
    """What was said before, the oldest first; at most `CONTEXT_LINES` lines."""

    @property
    def key(self) -> str:
        """What it is found by among the texts of all corpora."""
        return f"{self.corpus}:{self.name}"


def read_semeval(path: Path) -> Iterator[LabelledText]:
    """SemEval-2018 Task 1 E-c (Mohammad et al. 2018): tweets with eleven binary labels."""
    table = pd.read_csv(path, sep="\t", quoting=3)
    for row in table.to_dict("records"):
        labels = {ours: 1.0 for theirs, ours in LABEL_OF.items() if row.get(theirs) == 1}
        aside = {name: row[name] == 1 for name in SEMEVAL_ASIDE}
        yield LabelledText(str(row["ID"]), "semeval", str(row["Tweet"]), labels, aside=aside)


def read_goemotions(path: Path, labels_path: Path) -> Iterator[LabelledText]:
    """GoEmotions (Demszky et al. 2020) with Ekman labels: Reddit comments."""
    names = labels_path.read_text(encoding="utf-8").split()
    table = pd.read_csv(path, sep="\t", header=None, quoting=3, dtype=str)
    for text, indices, name in table.itertuples(index=False):
        found = [names[int(index)] for index in indices.split(",")]
        labels = {LABEL_OF[label]: 1.0 for label in found if label in LABEL_OF}
        yield LabelledText(name, "goemotions", str(text), labels)


def read_meld(path: Path) -> Iterator[tuple[int, LabelledText]]:
    """MELD (Poria et al. 2019): lines of a TV series, one label and a sentiment each.

    Yields:
        The number of the dialogue, and the line.
    """
    table = pd.read_csv(path, encoding="utf-8", encoding_errors="replace")
    lines: dict[int, list[str]] = {}
    for row in table.to_dict("records"):
        label = LABEL_OF.get(row["Emotion"])
        name = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
        text = str(row["Utterance"]).replace("\x92", "'").replace("\ufffd", "'")
        aside = {name: row["Sentiment"] == name for name in MELD_ASIDE}
        before = lines.setdefault(row["Dialogue_ID"], [])
        yield (
            row["Dialogue_ID"],
            LabelledText(
                *(name, "meld", text, {label: 1.0} if label else {}),
                aside=aside,
                context=tuple(before[-CONTEXT_LINES:]),
            ),
        )
        before.append(text)


def read_lines(folder: Path, corpus: str, split: str) -> Iterator[tuple[str, LabelledText]]:
    """One of the corpora that come as JSON lines.

    Yields:
        The part of it that a text came from, and the text.
    """
    path = folder / corpus / f"{split}.jsonl"
    packed = path.with_name(f"{path.name}.gz")
    content = gzip.decompress(packed.read_bytes()) if packed.is_file() else path.read_bytes()
    rows = [json.loads(line) for line in content.decode().splitlines()]
    said: dict[str, dict[int, str]] = {}
    for row in rows:
        if "dialogue" in row:
            said.setdefault(row["dialogue"], {})[row["turn"]] = row["text"]
    for row in rows:
        before = said.get(row.get("dialogue"), {})
        turns = [row["turn"] - back for back in range(CONTEXT_LINES, 0, -1)] if before else []
        context = tuple(before[turn] for turn in turns if turn in before)
        unknown = frozenset((*row.get("unknown", ()), *UNASKED.get(corpus, ())))
        found = LabelledText(
            *(row["id"], corpus, row["text"], targets(row, corpus)),
            unknown=unknown,
            context=context,
        )
        yield row["source"], found


def targets(row: Mapping[str, Any], corpus: str) -> dict[str, float]:
    """What a text's labels are taken for: 0.5 or more where they count as present."""
    labels = row["labels"]
    if isinstance(labels, list):
        return dict.fromkeys(labels, 1.0)
    found = {
        name: min(1.0, share * 0.5 / MAJORITY) if corpus in {"emotionlines", "meisd"} else share
        for name, share in labels.items()
    }
    if first := row.get("ranks", [None])[0]:
        found |= {first: max(found[first], 0.7)} if first in found else {}
    return {name: float(value) for name, value in found.items() if value}


def read_split(folder: Path, split: str) -> list[LabelledText]:
    """All texts of "train" or "valid" that have words.

    EmotionLines has the votes for lines of MELD's training dialogues: such a line is one text,
    whose target is the mean of both. The dialogues that EmotionLines validates with are left out
    of MELD.
    """
    meld = "dev" if split == "valid" else split
    texts = [
        *read_semeval(folder / "semeval_ec" / f"{meld}.tsv"),
        *read_goemotions(
            folder / "goemotions" / f"{meld}.tsv", folder / "goemotions" / "labels.txt"
        ),
    ]
    for corpus in TEXT_CORPORA[4:]:
        texts += [text for _, text in read_lines(folder, corpus, split)]
    of_meld = list(read_meld(folder / "meld" / f"{meld}_sent_emo.csv"))
    voted = list(read_lines(folder, "emotionlines", split))
    if split == "train":
        held = {source for source, _ in read_lines(folder, "emotionlines", "valid")}
        of_meld = [
            (number, text) for number, text in of_meld if f"meld/train/{number}" not in held
        ]
        by_line = {(f"meld/train/{number}", text.text): text for number, text in of_meld}
        merged = [(text, by_line.pop((source, text.text), None)) for source, text in voted]
        texts += [text if twin is None else _mean(text, twin) for text, twin in merged]
        texts += by_line.values()
    else:
        texts += [text for _, text in voted] + [text for _, text in of_meld]
    return [text for text in texts if split_words(text.text)]


def _mean(voted: LabelledText, named: LabelledText) -> LabelledText:
    labels = {
        label: (voted.labels.get(label, 0.0) + named.labels.get(label, 0.0)) / 2 for label in MOSEI
    }
    return replace(voted, labels={k: v for k, v in labels.items() if v}, aside=named.aside)


def target_matrices(
    texts: Sequence[LabelledText],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets of the six labels, and how much each counts in a loss.

    Returns:
        (texts, 6) float32 each, in 0..1. What nobody was asked for counts nothing.
    """
    labels = np.array(
        [[text.labels.get(label, 0.0) for label in MOSEI] for text in texts], np.float32
    )
    counts = np.ones_like(labels)
    for row, text in enumerate(texts):
        for column, label in enumerate(MOSEI):
            if label in text.unknown:
                counts[row, column] = 0.0
            elif label in LOOSE.get(text.corpus, ()):
                counts[row, column] = LOOSE_COUNTS
            elif text.corpus in ONE_LABEL and text.labels and not labels[row, column]:
                counts[row, column] = UNNAMED_COUNTS
    return labels, counts
