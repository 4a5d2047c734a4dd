"""How training utterances are drawn from the rows of one modality, varied and put together."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lddu_pipe.datasets.selection import Selection
from lddu_pipe.datasets.store import StoreInfo, open_store
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES, Modality
from texts import SHORT

MAX_STEPS = 150  # of sound and pictures: fifteen seconds of video at ten frames a second
STATISTICS_STRIDE = 7  # of the rows, every seventh tells means and spreads well enough

HIDDEN_FEATURES, FEATURE_NOISE = 0.5, 0.3
"""Of a voice in training, which share of its features stands at the mean, and the noise on the
others in standard deviations: sixteen actors are learned by heart otherwise."""

SPOILT_FACES = 0.15
SHORT_SHARE = 0.4
"""Of the neutral texts of composed utterances, how many are a short answer."""

SINGLE: Mapping[Modality, float] = {"text": 0.32, "audio": 0.22, "vision": 0.16}
"""Shares of a batch that are real rows of one modality; the rest is composed."""
SETS: tuple[tuple[Modality, ...], ...] = (
    ("text", "audio"),
    ("text", "vision"),
    ("audio", "vision"),
    ("text", "audio", "vision"),
)


class Drawn(NamedTuple):
    """One modality of a training utterance."""

    values: NDArray[np.float32]
    """(time, features)."""
    damage: float
    """How much of it was spoilt on purpose, 0..1."""


class Corpus:
    """Rows of one modality, as they are."""

    modality: Modality

    def __init__(self, rows: Selection) -> None:
        self.rows, self.labels, self.damage = rows, rows.labels, rows.damage
        weights = rows.weights.astype(np.float64)
        self.cumulative = np.cumsum(weights / weights.sum())

    def values(self, row: int) -> NDArray[np.float32]:
        """(time, features) of a row, of the steps that show something."""
        steps = self.rows[row].sequences[self.modality]
        return steps.values[steps.valid]

    def example(self, row: int) -> Example:
        """A row as it is."""
        return self.rows[row]

    def draw(self, row: int) -> Drawn:
        """One modality of a row as it is."""
        return Drawn(self.values(row)[:MAX_STEPS], float(self.damage[row]))

    def vary(self, row: int, random: np.random.Generator, longest: int) -> Drawn:
        """A row changed at random; frames and long sound are cut to `longest`."""
        raise NotImplementedError


class TextCorpus(Corpus):
    """Words of SemEval, GoEmotions and MELD."""

    modality = "text"

    def vary(self, row: int, random: np.random.Generator, longest: int) -> Drawn:
        values, damage = self.draw(row)
        if len(values) > 4 and random.random() < 0.3:
            # Words that the recogniser missed.
            kept = values[random.random(len(values)) > 0.1]
            values = kept if len(kept) else values
        return Drawn(values, damage)


class AudioCorpus(Corpus):
    """Steps of RAVDESS clips."""

    modality = "audio"

    def __init__(self, rows: Selection) -> None:
        super().__init__(rows)
        self._keys = [
            (speaker, label.argmax() if label.any() else -1, damage > 0)
            for speaker, label, damage in zip(rows.speakers, self.labels, self.damage, strict=True)
        ]
        self._alike: dict[object, list[int]] = {}
        for row, key in enumerate(self._keys):
            self._alike.setdefault(key, []).append(row)
        steps = np.concatenate([self.values(i) for i in range(0, len(rows), STATISTICS_STRIDE)])
        self._mean, self._spread = steps.mean(axis=0), steps.std(axis=0)

    def vary(self, row: int, random: np.random.Generator, longest: int) -> Drawn:
        pieces = [self.values(row)]
        if random.random() < 0.3:
            # Longer speech: other clips of the same voice and emotion follow.
            alike = self._alike[self._keys[row]]
            pieces += map(self.values, random.choice(alike, size=random.integers(1, 4)).tolist())
        values = np.concatenate(pieces)
        if len(values) > 6 and random.random() < 0.5:
            start = random.integers(0, len(values) // 3 + 1)
            stop = len(values) - random.integers(0, len(values) // 3 + 1)
            values = values[start:stop]
        if random.random() < 0.3:
            values = _pool(values, random.uniform(1, 4))
        values = self._obscure(values, random)
        return Drawn(values[: max(longest, 25)], float(self.damage[row]))

    def _obscure(
        self, values: NDArray[np.float32], random: np.random.Generator
    ) -> NDArray[np.float32]:
        """Hide features and add noise, the same in every step, as another voice would differ."""
        size = values.shape[1]
        hidden = random.random(size) < HIDDEN_FEATURES
        noise = FEATURE_NOISE * self._spread * random.standard_normal(size)
        return np.asarray(np.where(hidden, self._mean, values) + noise, dtype=np.float32)


class VisionCorpus(Corpus):
    """FER+ faces, made into sequences that look like video.

    Of a training face the steps are variants, the first as a picture, the others as frames; a row
    of the same id shows it so that it can hardly be seen.
    """

    modality = "vision"

    def __init__(self, rows: Selection) -> None:
        self._all = rows
        self._spoilt = {rows.ids[row]: int(row) for row in np.flatnonzero(rows.damage > 0)}
        super().__init__(rows.at(rows.damage == 0))
        neutral = 1 - self.labels.sum(axis=1) >= self.labels.max(axis=1)
        self._neutral = np.flatnonzero(neutral)

    def vary(self, row: int, random: np.random.Generator, longest: int) -> Drawn:
        # Stills, and clips of every length up to the longest, short ones more often.
        steps = 1
        if longest > 1 and random.random() < 0.75:
            steps = int(np.exp(random.uniform(np.log(2), np.log(longest))))
        if random.random() < SPOILT_FACES:
            return self._draw_spoilt(row, steps, random)
        variants = self.values(row)
        values = variants[random.integers(0, len(variants), steps)]
        if values[0, -1]:
            values[:, -4:-1] += random.normal(0, 0.05, 3)  # head pose, radians
            values[:, -56:-4] += random.normal(0, 0.015, (steps, 52))
        if steps > 2 and random.random() < 0.25:
            # An expression that comes out of a neutral face: another person's, for want of video.
            other = int(random.choice(self._neutral))
            values[: random.integers(1, steps // 2 + 1)] = self.values(other)[0]
        if random.random() < 0.3:
            values[:, -56:] = 0.0
        if steps > 1 and random.random() < 0.3:
            values = _pool(values, random.uniform(1, 6))
        return Drawn(values, 0.0)

    def _draw_spoilt(self, row: int, steps: int, random: np.random.Generator) -> Drawn:
        """A clip in which the face can hardly be seen, and perhaps no landmarks be found."""
        spoilt = self._all[self._spoilt[self.rows.ids[row]]].sequences["vision"].values
        chosen = random.integers(0, len(spoilt), steps if random.random() < 0.5 else 1)
        values = np.resize(spoilt[chosen], (steps, spoilt.shape[1]))
        if random.random() < 0.5:
            values[:, -56:] = 0.0
        return Drawn(values, 1.0)


class ShrunkFaces(VisionCorpus):
    """The same faces, smaller than they are, and nothing else of them."""

    def __init__(self, rows: Selection, examples: Mapping[str, Example]) -> None:
        """Take the rows of a corpus, and by id what is seen of each where it is small."""
        super().__init__(rows)
        self._examples = [examples[name] for name in self.rows.ids]

    def values(self, row: int) -> NDArray[np.float32]:
        return self._examples[row].sequences["vision"].values

    def example(self, row: int) -> Example:
        return self._examples[row]


def _pool(values: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    """Fewer steps, each the mean of `ratio` neighbours on average, as alignment to words makes."""
    steps = max(1, round(len(values) / ratio))
    firsts = np.arange(steps) * len(values) // steps
    counts = np.diff(np.append(firsts, len(values)))[:, None]
    return np.asarray(np.add.reduceat(values, firsts, axis=0) / counts, dtype=np.float32)


CORPUS_OF = {"text": TextCorpus, "audio": AudioCorpus, "vision": VisionCorpus}
Corpora = Mapping[Modality, Corpus]


def mosei_sets(data: Path) -> NDArray[np.bool_]:
    """(segments, 6): which emotions go together in the training videos of CMU-MOSEI.

    Only the labels are at hand. An emotion of any intensity above 0 is present, as in the papers.
    """
    folds = json.loads((data / "labels" / "mosei_folds.json").read_text())
    table = pd.read_csv(data / "labels" / "mosei_segments.csv", dtype={"id": str})
    rows = table[table["id"].isin(folds["train"])]
    return np.asarray(rows[list(MOSEI)] > 0, dtype=np.bool_)


def load_split(folder: Path, split: str) -> tuple[StoreInfo, Corpora]:
    """The rows of "train" or of "valid" by modality, and what they have in common.

    Args:
        folder: with the stores of extract.py, "spoken", and extract_faces.py, "faces".
        split: which part.
    """
    store = open_store(folder / "spoken")
    rows = Selection([store.split(split)])
    found: dict[Modality, Corpus] = {}
    for name in MODALITIES:
        chosen = rows.at(rows.lengths(name) > 0)
        if name == "vision" and split == "train":
            chosen = Selection([open_store(folder / "faces").split("train")])
        found[name] = CORPUS_OF[name](chosen)
    return replace(store.info, notes={}), found


class Composer:
    """Puts utterances of several modalities together, since no corpus here has them paired.

    The labels of a composed utterance are those of all its parts: a laughing face beside a
    neutral sentence is happy, and so is a joyful sentence beside a neutral face. Which labels
    meet is drawn from CMU-MOSEI.
    """

    def __init__(self, corpora: Corpora, sets: NDArray[np.bool_], *, vary: bool) -> None:
        self._corpora, self._sets, self._vary = corpora, sets, vary
        self._by_label = {
            name: [
                np.flatnonzero((corpus.labels[:, label] >= 0.5) & (corpus.damage == 0))
                for label in range(corpus.labels.shape[1])
            ]
            for name, corpus in corpora.items()
        }
        self._empty = {
            name: np.flatnonzero((corpus.labels.max(axis=1) < 0.3) & (corpus.damage == 0))
            for name, corpus in corpora.items()
        }
        self._short = np.flatnonzero([name.startswith(SHORT) for name in corpora["text"].rows.ids])

    def draw(self, random: np.random.Generator, longest: int) -> Example:
        """A training utterance: a real row of one modality, or a composed one."""
        pick, names = random.random(), list(SINGLE)
        kind = int(np.searchsorted(np.cumsum(list(SINGLE.values())), pick))
        if kind == len(names):
            return self.composed(SETS[random.integers(len(SETS))], random, longest)
        return self._example({names[kind]: self._any(names[kind], random)}, random, longest)

    def composed(
        self,
        modalities: tuple[Modality, ...],
        random: np.random.Generator,
        longest: int = MAX_STEPS,
    ) -> Example:
        """An utterance of several modalities.

        A set of labels is drawn. Modalities in random order show one of them each, until all
        were shown; of those that are left half agree, most others are neutral, some disagree.
        """
        wanted = np.flatnonzero(self._sets[random.integers(len(self._sets))])
        waiting = random.permutation(wanted).tolist()
        rows: dict[Modality, int] = {}
        for index in random.permutation(len(modalities)):
            modality = modalities[index]
            kind = random.random()
            if waiting:
                rows[modality] = int(random.choice(self._by_label[modality][waiting.pop()]))
            elif kind < 0.5:
                rows[modality] = self._agreeing(modality, wanted, random)
            elif kind < 0.85:
                rows[modality] = self._saying_nothing(modality, random)
            else:
                rows[modality] = self._any(modality, random)
        return self._example(rows, random, longest)

    def _example(
        self, rows: Mapping[Modality, int], random: np.random.Generator, longest: int
    ) -> Example:
        parts, labels = {}, []
        for name, row in rows.items():
            corpus = self._corpora[name]
            parts[name] = corpus.vary(row, random, longest) if self._vary else corpus.draw(row)
            labels.append(corpus.labels[row])
        steps = {
            name: Steps(part.values, np.ones(len(part.values), np.bool_))
            for name, part in parts.items()
        }
        damage = float(np.mean([part.damage for part in parts.values()]))
        return Example.of("composed", np.max(labels, axis=0), steps, damage=damage)

    def _any(self, modality: Modality, random: np.random.Generator) -> int:
        cumulative = self._corpora[modality].cumulative
        return int(min(np.searchsorted(cumulative, random.random()), len(cumulative) - 1))

    def _saying_nothing(self, modality: Modality, random: np.random.Generator) -> int:
        short = modality == "text" and len(self._short) and random.random() < SHORT_SHARE
        return int(random.choice(self._short if short else self._empty[modality]))

    def _agreeing(
        self, modality: Modality, wanted: NDArray[np.int64], random: np.random.Generator
    ) -> int:
        rows = (
            self._by_label[modality][int(random.choice(wanted))]
            if len(wanted)
            else self._empty[modality]
        )
        return int(random.choice(rows))


class ComposedRows:
    """What the package's loop learns from: utterances that a composer draws, others each epoch."""

    def __init__(
        self, composer: Composer, info: StoreInfo, batches: int, batch_size: int, seed: int
    ) -> None:
        self.info = replace(info, rows={"train": batches * batch_size})
        self._composer, self._batch_size, self._seed, self._epoch = composer, batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Draw others from now on."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self.info.rows["train"]

    def __getitem__(self, index: int) -> Example:
        # Most batches have short sequences alone, which cost little.
        of_batch = np.random.default_rng([self._seed, self._epoch, index // self._batch_size])
        longest = int(of_batch.choice([12, 25, 50, MAX_STEPS], p=[0.3, 0.4, 0.2, 0.1]))
        return self._composer.draw(
            np.random.default_rng([self._seed, self._epoch, 0, index]), longest
        )
