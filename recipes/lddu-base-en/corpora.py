"""The features of all corpora in memory, and how training utterances are drawn from them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES, Modality
from soft_labels import name_of, soften
from store import FeatureTable, read_table

MAX_STEPS = 150  # of sound and pictures: fifteen seconds of video at ten frames a second
TEXT_CORPORA = ("semeval", "goemotions", "meld")
CORPUS_SHARE = {"semeval": 0.3, "goemotions": 0.41, "meld": 0.2, "nonsense": 0.07, "short": 0.02}
"""How often each text corpus is drawn: not by size, or Reddit would drown the others."""

RARITY = 0.25
"""How strongly texts of rare labels are drawn more often: by this power of how rare they are."""

BROKEN_TEXTS = 7.0
"""How many times as often as a whole text one with half of its words missing is drawn: sigma does
not learn to see that from one text in ten."""

STATISTICS_STRIDE = 7  # of the rows, every seventh tells means and spreads well enough

HIDDEN_FEATURES, FEATURE_NOISE = 0.5, 0.3
"""Of a voice in training, which share of its features stands at the mean, and the noise on the
others in standard deviations: sixteen actors are learned by heart otherwise."""

SPOILT_FACES = 0.15
SHORT_SHARE = 0.4
"""Of the neutral texts of composed utterances, how many are a short answer."""


class Drawn(NamedTuple):
    """One modality of a training utterance."""

    values: NDArray[np.float32]
    """(time, features)."""
    labels: NDArray[np.float32]
    """(6,) in 0..1."""
    damage: float = 0.0
    """How much of it was spoilt on purpose, 0..1."""


class Corpus(Protocol):
    """Rows of one modality."""

    labels: NDArray[np.float32]
    damage: NDArray[np.float32]
    """(rows,) of rows that are spoilt whenever they are drawn."""

    def draw(
        self, row: int, random: np.random.Generator, *, vary: bool, longest: int = MAX_STEPS
    ) -> Drawn:
        """One row, changed at random if `vary`; frames and long sound are cut to `longest`."""
        ...

    def weights(self) -> NDArray[np.float64]:
        """(rows,) how often each row is drawn; sums to 1."""
        ...


def first_half(names: list[str]) -> NDArray[np.bool_]:
    """Which rows calibrate and choose; the others are only reported on. Fixed by name."""
    return np.array([hashlib.sha256(name.encode()).digest()[0] < 128 for name in names])


def rarity(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often to draw each text of a corpus, by the rarest of its labels; sums to 1.

    Args:
        labels: (texts, labels); a text with none of them counts as of one more.
    """
    present = np.concatenate([labels, ~labels.any(axis=1, keepdims=True)], axis=1)
    counts = np.maximum(present.sum(axis=0), 1)
    weights = np.where(present, counts**-RARITY, 0.0).max(axis=1)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


class TextCorpus:
    """Words of SemEval, GoEmotions and MELD."""

    def __init__(self, table: FeatureTable, rows: NDArray[np.int64]) -> None:
        self._table, self._rows = table, rows
        self.labels, self.damage = table.labels[rows], table.damage[rows]
        self.groups = table.groups[rows]

    def draw(
        self, row: int, random: np.random.Generator, *, vary: bool, longest: int = MAX_STEPS
    ) -> Drawn:
        values = self._table.row(int(self._rows[row]))
        if vary and len(values) > 4 and random.random() < 0.3:
            # Words that the recogniser missed.
            values = values[random.random(len(values)) > 0.1]
        return Drawn(values[:MAX_STEPS], self.labels[row], float(self.damage[row]))

    def weights(self) -> NDArray[np.float64]:
        weights = np.zeros(len(self._rows))
        for corpus, share in CORPUS_SHARE.items():
            chosen = self.groups == corpus
            if chosen.any():
                drawn = rarity(self.labels[chosen] >= 0.5)
                drawn[self.damage[chosen] > 0] *= BROKEN_TEXTS
                weights[chosen] = share * drawn / drawn.sum()
        return weights / weights.sum()


class AudioCorpus:
    """Steps of RAVDESS clips."""

    def __init__(self, table: FeatureTable, rows: NDArray[np.int64]) -> None:
        self._table, self._rows = table, rows
        self.labels, self.damage = table.labels[rows], table.damage[rows]
        self.groups = table.groups[rows]
        keys = [
            f"{group}:{label.argmax() if label.any() else -1}:{damage > 0}"
            for group, label, damage in zip(self.groups, self.labels, self.damage, strict=True)
        ]
        self._alike: dict[str, list[int]] = {}
        for row, key in enumerate(keys):
            self._alike.setdefault(key, []).append(row)
        self._keys = keys
        steps = np.concatenate([table.row(int(row)) for row in rows[::STATISTICS_STRIDE]])
        self._mean, self._spread = steps.mean(axis=0), steps.std(axis=0)

    def draw(
        self, row: int, random: np.random.Generator, *, vary: bool, longest: int = MAX_STEPS
    ) -> Drawn:
        pieces = [self._table.row(int(self._rows[row]))]
        if vary and random.random() < 0.3:
            # Longer speech: other clips of the same voice and emotion follow.
            alike = self._alike[self._keys[row]]
            for other in random.choice(alike, size=random.integers(1, 4)):
                pieces.append(self._table.row(int(self._rows[other])))
        values = np.concatenate(pieces)
        if vary and len(values) > 6 and random.random() < 0.5:
            start = random.integers(0, len(values) // 3 + 1)
            stop = len(values) - random.integers(0, len(values) // 3 + 1)
            values = values[start:stop]
        if vary and random.random() < 0.3:
            values = _pool(values, random.uniform(1, 4))
        if vary:
            values = self._obscure(values, random)
        return Drawn(values[: max(longest, 25)], self.labels[row], float(self.damage[row]))

    def _obscure(
        self, values: NDArray[np.float32], random: np.random.Generator
    ) -> NDArray[np.float32]:
        """Hide features and add noise, the same in every step, as another voice would differ."""
        size = values.shape[1]
        hidden = random.random(size) < HIDDEN_FEATURES
        noise = FEATURE_NOISE * self._spread * random.standard_normal(size)
        return np.asarray(np.where(hidden, self._mean, values) + noise, dtype=np.float32)

    def weights(self) -> NDArray[np.float64]:
        classes = np.where(self.labels.any(axis=1), self.labels.argmax(axis=1), -1)
        weights = np.zeros(len(classes))
        for label in np.unique(classes):
            chosen = classes == label
            weights[chosen] = 1 / chosen.sum()
        return weights / weights.sum()


class VisionCorpus:
    """FER+ faces, made into sequences that look like video."""

    def __init__(self, path: Path, rows: NDArray[np.int64] | None = None) -> None:
        with np.load(path) as archive:
            chosen = slice(None) if rows is None else rows
            self.names = [str(name) for name in archive["names"][chosen]]
            self._faces = archive["faces"][chosen]
            self._spoilt = archive["spoilt"][chosen]
            self._landmarks = archive["landmarks"][chosen]
            self.labels = archive["labels"][chosen]
            self.majority = archive["majority"][chosen]
        self.damage = np.zeros(len(self.labels), np.float32)
        self._neutral = np.flatnonzero(self.majority == 0)

    def draw(
        self, row: int, random: np.random.Generator, *, vary: bool, longest: int = MAX_STEPS
    ) -> Drawn:
        if not vary:
            return Drawn(self._frames(row, np.zeros(1, int)), self.labels[row])
        # Stills, and clips of every length up to the longest, short ones more often.
        steps = 1
        if longest > 1 and random.random() < 0.75:
            steps = int(np.exp(random.uniform(np.log(2), np.log(longest))))
        if random.random() < SPOILT_FACES:
            return self._draw_spoilt(row, steps, random)
        values = self._frames(row, random.integers(0, self._faces.shape[1], steps))
        if self._landmarks[row, -1]:
            values[:, -4:-1] += random.normal(0, 0.05, 3)  # head pose, radians
            values[:, -56:-4] += random.normal(0, 0.015, (steps, 52))
        if steps > 2 and random.random() < 0.25:
            # An expression that comes out of a neutral face: another person's, for want of video.
            other = int(random.choice(self._neutral))
            before = random.integers(1, steps // 2 + 1)
            values[:before] = self._frames(other, np.zeros(before, int))
        if random.random() < 0.3:
            values[:, -56:] = 0.0
        if steps > 1 and random.random() < 0.3:
            values = _pool(values, random.uniform(1, 6))
        return Drawn(values.astype(np.float32), self.labels[row])

    def _draw_spoilt(self, row: int, steps: int, random: np.random.Generator) -> Drawn:
        """A clip in which the face can hardly be seen, and perhaps no landmarks be found."""
        values = self._frames(row, np.zeros(steps, int))
        chosen = random.integers(0, self._spoilt.shape[1], steps if random.random() < 0.5 else 1)
        values[:, : self._spoilt.shape[2]] = self._spoilt[row][chosen]
        if random.random() < 0.5:
            values[:, -56:] = 0.0
        return Drawn(values, self.labels[row], damage=1.0)

    def _frames(self, row: int, variants: NDArray[np.int64]) -> NDArray[np.float32]:
        landmarks = np.broadcast_to(self._landmarks[row], (len(variants), 56))
        return np.concatenate([self._faces[row][variants], landmarks], axis=1).astype(np.float32)

    def weights(self) -> NDArray[np.float64]:
        # Rare expressions are seen more often, by the square root of how rare they are.
        counts = np.bincount(self.majority, minlength=7)
        weights = 1 / np.sqrt(counts[self.majority])
        return np.asarray(weights / weights.sum(), dtype=np.float64)


def _pool(values: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    """Fewer steps, each the mean of `ratio` neighbours on average, as alignment to words makes."""
    steps = max(1, round(len(values) / ratio))
    firsts = np.arange(steps) * len(values) // steps
    counts = np.diff(np.append(firsts, len(values)))[:, None]
    return np.asarray(np.add.reduceat(values, firsts, axis=0) / counts, dtype=np.float32)


class Corpora(NamedTuple):
    """One split of every modality."""

    text: TextCorpus
    audio: AudioCorpus
    vision: VisionCorpus

    def of(self, modality: Modality) -> Corpus:
        """The corpus of a modality."""
        return (self.text, self.audio, self.vision)[MODALITIES.index(modality)]


def mosei_sets(data: Path) -> NDArray[np.bool_]:
    """(segments, 6): which emotions go together in the training videos of CMU-MOSEI.

    Only the labels are at hand. An emotion of any intensity above 0 is present, as in the papers.
    """
    folds = json.loads((data / "labels" / "mosei_folds.json").read_text())
    table = pd.read_csv(data / "labels" / "mosei_segments.csv", dtype={"id": str})
    rows = table[table["id"].isin(folds["train"])]
    return np.asarray(rows[list(MOSEI)] > 0, dtype=np.bool_)


def load_split(features: Path, split: str, soft_labels: Path | None = None) -> Corpora:
    """Load "train", or the "calibrate" or "report" half of the validation data.

    Args:
        features: the folder of all features.
        split: which part.
        soft_labels: those of the training texts, if they are to have a say.
    """
    if split == "train":
        text, audio = (
            read_table(features / "text_train.npz"),
            read_table(features / "audio_train.npz"),
        )
        if soft_labels is not None:
            names = [name_of(*place) for place in zip(text.groups, text.names, strict=True)]
            softened = soften(text.labels, names, soft_labels)
            text = FeatureTable(**(text._asdict() | {"labels": softened}))
        return Corpora(
            TextCorpus(text, np.arange(len(text))),
            AudioCorpus(audio, np.arange(len(audio))),
            VisionCorpus(features / "vision_train.npz"),
        )
    wanted = split == "calibrate"
    text, audio = read_table(features / "text_dev.npz"), read_table(features / "audio_valid.npz")
    with np.load(features / "vision_valid.npz") as archive:
        faces = [str(name) for name in archive["names"]]
    # Speakers are kept whole: actors 17 and 18 calibrate, 19 and 20 are reported on.
    actors = np.isin(audio.groups, ("actor-17", "actor-18"))
    return Corpora(
        TextCorpus(text, np.flatnonzero(first_half(text.names) == wanted)),
        AudioCorpus(audio, np.flatnonzero(actors == wanted)),
        VisionCorpus(features / "vision_valid.npz", np.flatnonzero(first_half(faces) == wanted)),
    )


class Composer:
    """Puts utterances of several modalities together, since no corpus here has them paired.

    The labels of a composed utterance are those of all its parts: a laughing face beside a
    neutral sentence is happy, and so is a joyful sentence beside a neutral face. Which labels
    meet is drawn from CMU-MOSEI.
    """

    def __init__(
        self,
        corpora: Corpora,
        sets: NDArray[np.bool_],
        random: np.random.Generator,
        *,
        vary: bool,
    ) -> None:
        self._corpora, self._sets, self._random, self._vary = corpora, sets, random, vary
        self._longest = MAX_STEPS
        self._cumulative = {name: np.cumsum(corpora.of(name).weights()) for name in MODALITIES}
        self._by_label = {
            name: [
                np.flatnonzero(
                    (corpora.of(name).labels[:, label] >= 0.5) & (corpora.of(name).damage == 0)
                )
                for label in range(corpora.of(name).labels.shape[1])
            ]
            for name in MODALITIES
        }
        self._empty = {
            name: np.flatnonzero(
                (corpora.of(name).labels.max(axis=1) < 0.3) & (corpora.of(name).damage == 0)
            )
            for name in MODALITIES
        }
        self._short = np.flatnonzero(corpora.text.groups == "short")

    def begin_batch(self) -> None:
        """Choose the longest sequence of a batch: in most, short ones, which cost little."""
        self._longest = int(self._random.choice([12, 25, 50, MAX_STEPS], p=[0.3, 0.4, 0.2, 0.1]))

    def single(self, modality: Modality) -> tuple[dict[Modality, Drawn], NDArray[np.float32]]:
        """One real row of one modality."""
        drawn = self._draw(modality, self._any(modality))
        return {modality: drawn}, drawn.labels

    def composed(
        self, modalities: tuple[Modality, ...]
    ) -> tuple[dict[Modality, Drawn], NDArray[np.float32]]:
        """Rows of several modalities.

        A set of labels is drawn. Modalities in random order show one of them each, until all
        were shown; of those that are left half agree, most others are neutral, some disagree.
        """
        wanted = np.flatnonzero(self._sets[self._random.integers(len(self._sets))])
        waiting = [int(label) for label in self._random.permutation(wanted)]
        parts: dict[Modality, Drawn] = {}
        for index in self._random.permutation(len(modalities)):
            modality = modalities[index]
            kind = self._random.random()
            if waiting:
                row = int(self._random.choice(self._by_label[modality][waiting.pop()]))
            elif kind < 0.5:
                row = self._agreeing(modality, wanted)
            elif kind < 0.85:
                row = self._saying_nothing(modality)
            else:
                row = self._any(modality)
            parts[modality] = self._draw(modality, row)
        merged = np.max([part.labels for part in parts.values()], axis=0)
        return parts, merged.astype(np.float32)

    def _any(self, modality: Modality) -> int:
        cumulative = self._cumulative[modality]
        return int(min(np.searchsorted(cumulative, self._random.random()), len(cumulative) - 1))

    def _saying_nothing(self, modality: Modality) -> int:
        short = modality == "text" and len(self._short) and self._random.random() < SHORT_SHARE
        return int(self._random.choice(self._short if short else self._empty[modality]))

    def _agreeing(self, modality: Modality, wanted: NDArray[np.int64]) -> int:
        rows = (
            self._by_label[modality][int(self._random.choice(wanted))]
            if len(wanted)
            else self._empty[modality]
        )
        return int(self._random.choice(rows))

    def _draw(self, modality: Modality, row: int) -> Drawn:
        return self._corpora.of(modality).draw(
            row, self._random, vary=self._vary, longest=self._longest
        )
