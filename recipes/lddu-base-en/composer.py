"""Utterances of several modalities, put together from rows of one: no corpus has them paired."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from corpora import MAX_STEPS, Corpora, Drawn, corpus_of
from judgements import NONE, Judgements
from lddu_pipe.datasets.store import StoreInfo
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.labels import MOSEI
from lddu_pipe.types import Modality

SINGLE: Mapping[Modality, float] = {"text": 0.29, "audio": 0.24, "vision": 0.17}
"""Shares of a batch that are real rows of one modality; the rest is composed."""
SETS: tuple[tuple[Modality, ...], ...] = (
    ("text", "audio"),
    ("text", "vision"),
    ("audio", "vision"),
    ("text", "audio", "vision"),
)
UNIONS = 0.25
"""Of the composed utterances of training, how many have the labels of all their parts. People who
judged a whole named one emotion each, so from them alone a model learns that two never meet."""
SPOILT = 0.1
"""Of the other composed utterances, in how many one part is spoilt and what people said of the
others is the answer."""
SHORT_SHARE = 0.4
"""Of the neutral texts of composed utterances, how many are a short answer."""
BURSTS_BESIDE_WORDS = 0.25
"""How often a laugh or a sob is drawn beside words, for once that it is drawn without."""
CLEARLY_NOT = 0.3
"""Share up to which a row of no emotion may have one after all."""


def mosei_sets(data: Path) -> NDArray[np.bool_]:
    """(segments, 6): which emotions go together in the training videos of CMU-MOSEI.

    Only the labels are at hand. An emotion of any intensity above 0 is present, as in the papers.
    """
    folds = json.loads((data / "labels" / "mosei_folds.json").read_text())
    table = pd.read_csv(data / "labels" / "mosei_segments.csv", dtype={"id": str})
    rows = table[table["id"].isin(folds["train"])]
    return np.asarray(rows[list(MOSEI)] > 0, dtype=np.bool_)


class Urn:
    """Places of rows, drawn as often as they weigh."""

    def __init__(self, weights: NDArray[np.floating], chosen: NDArray[np.bool_]) -> None:
        """Take those of the rows, (rows,), that are `chosen`."""
        self._places = np.flatnonzero(chosen)
        self._heights = np.cumsum(weights[self._places])

    def __len__(self) -> int:
        return len(self._places)

    def draw(self, random: np.random.Generator) -> int:
        """One place.

        Raises:
            ValueError: there is none.
        """
        if not len(self._places):
            raise ValueError("no row shows what is to be shown; more rows are needed")
        height = random.random() * self._heights[-1]
        last = len(self._places) - 1
        return int(self._places[min(np.searchsorted(self._heights, height, side="right"), last)])


class Urns:
    """The rows of one modality, by what they show."""

    def __init__(
        self, weights: NDArray[np.floating], labels: NDArray[np.floating], whole: NDArray[np.bool_]
    ) -> None:
        """Sort rows.

        Args:
            weights: (rows,) how often each is drawn.
            labels: (rows, labels) in 0..1.
            whole: (rows,) bool, False where a row was spoilt on purpose.
        """
        present = labels >= 0.5
        alone = whole & (present.sum(axis=1) == 1)
        nothing = whole & (labels.max(axis=1) < CLEARLY_NOT)
        self.any = Urn(weights, np.ones(len(weights), np.bool_))
        self.with_label = [Urn(weights, whole & column) for column in present.T]
        self.of_class = [
            *(Urn(weights, alone & column) for column in present.T),
            Urn(weights, nothing),
        ]
        """One a class of `Judgements`: rows of that emotion and no other, and of none."""
        self.spoilt = Urn(weights, ~whole)


class Composer:
    """Puts utterances of several modalities together.

    Most are answered as people answered: an utterance that was judged channel by channel and as a
    whole is drawn, each channel becomes a row that shows what was said of it and nothing else, and
    the answer is theirs, also where channels contradict each other. The rest have the labels of
    all their parts, and which labels meet is drawn from CMU-MOSEI.
    """

    def __init__(
        self,
        corpora: Corpora,
        judgements: Mapping[tuple[Modality, ...], Judgements],
        sets: NDArray[np.bool_] | None = None,
        *,
        vary: bool,
    ) -> None:
        """Take rows and answers.

        Args:
            corpora: the rows to put together.
            judgements: of `read_judgements`.
            sets: of `mosei_sets`; None asks people alone.
            vary: change rows at random, as training wants them.
        """
        self._corpora, self._judgements, self._sets = corpora, judgements, sets
        self._vary = vary
        self._urns: dict[tuple[Modality, bool], Urns] = {}
        for name, corpus in corpora.items():
            bursts = np.array([corpus_of(row) == "emogator" for row in corpus.rows.ids])
            for beside_words in (False, True):
                shares = np.where(bursts & beside_words, BURSTS_BESIDE_WORDS, 1.0)
                self._urns[name, beside_words] = Urns(
                    corpus.weights * shares, corpus.labels, corpus.damage == 0
                )
        self._drawn = {
            present: Urn(found.weights, np.ones(len(found.weights), np.bool_))
            for present, found in judgements.items()
        }
        short = np.array([corpus_of(row) == "short" for row in corpora["text"].rows.ids])
        self._short = Urn(corpora["text"].weights, short)

    def draw(self, random: np.random.Generator, longest: int) -> Example:
        """A training utterance: a real row of one modality, or a composed one."""
        pick, names = random.random(), list(SINGLE)
        kind = int(np.searchsorted(np.cumsum(list(SINGLE.values())), pick))
        if kind < len(names):
            return self._single(names[kind], random, longest)
        present = SETS[random.integers(len(SETS))]
        if self._sets is not None and random.random() < UNIONS:
            return self._union(present, self._sets, random, longest)
        if random.random() < SPOILT:
            return self._spoilt(present, random, longest)
        return self.composed(present, random, longest)

    def composed(
        self,
        modalities: tuple[Modality, ...],
        random: np.random.Generator,
        longest: int = MAX_STEPS,
    ) -> Example:
        """An utterance of several modalities with the answer that people gave to such a one."""
        return self.judged(modalities, self._drawn[modalities].draw(random), random, longest)

    def judged(
        self,
        modalities: tuple[Modality, ...],
        place: int,
        random: np.random.Generator,
        longest: int = MAX_STEPS,
    ) -> Example:
        """The same of the utterance at a place of its `Judgements`."""
        found = self._judgements[modalities]
        rows = {
            name: self._showing(name, kind, random, beside_words="text" in modalities)
            for name, kind in zip(modalities, found.channels[place].tolist(), strict=True)
        }
        return self._example(rows, found.joint[place], random, longest)

    def _single(self, modality: Modality, random: np.random.Generator, longest: int) -> Example:
        row = self._urns[modality, False].any.draw(random)
        return self._example({modality: row}, self._labels(modality, row), random, longest)

    def _spoilt(
        self, modalities: tuple[Modality, ...], random: np.random.Generator, longest: int
    ) -> Example:
        """Words or a voice of which nothing is left; the others are answered as if alone."""
        urns = {name: self._urns[name, False].spoilt for name in modalities if name != "vision"}
        broken = [name for name, urn in urns.items() if len(urn)]
        if not broken:
            return self.composed(modalities, random, longest)
        name = broken[random.integers(len(broken))]
        others = tuple(other for other in modalities if other != name)
        if len(others) > 1:
            clear = self.composed(others, random, longest)
        else:
            clear = self._single(others[0], random, longest)
        part = self._part(name, urns[name].draw(random), random, longest)
        damage = (clear.damage * len(others) + part.damage) / len(modalities)
        parts = clear.sequences | {name: _steps(part)}
        return Example.of("composed", clear.labels, parts, damage=damage)

    def _union(
        self,
        modalities: tuple[Modality, ...],
        sets: NDArray[np.bool_],
        random: np.random.Generator,
        longest: int,
    ) -> Example:
        """An utterance that has the labels of all its parts.

        A set of labels is drawn. Modalities in random order show one of them each, until all
        were shown; of those that are left half agree, most others are neutral, some disagree.
        """
        wanted = np.flatnonzero(sets[random.integers(len(sets))])
        waiting = random.permutation(wanted).tolist()
        beside_words = "text" in modalities
        rows: dict[Modality, int] = {}
        for index in random.permutation(len(modalities)):
            name = modalities[index]
            urns, kind = self._urns[name, beside_words], random.random()
            if waiting:
                rows[name] = urns.with_label[waiting.pop()].draw(random)
            elif kind < 0.5 and len(wanted):
                rows[name] = urns.with_label[int(random.choice(wanted))].draw(random)
            elif kind < 0.85:
                rows[name] = self._showing(name, NONE, random, beside_words=beside_words)
            else:
                rows[name] = urns.any.draw(random)
        labels = np.max([self._labels(name, row) for name, row in rows.items()], axis=0)
        return self._example(rows, labels, random, longest)

    def _showing(
        self, modality: Modality, kind: int, random: np.random.Generator, *, beside_words: bool
    ) -> int:
        """A row that shows an emotion and no other, or none."""
        short = kind == NONE and modality == "text" and len(self._short)
        if short and random.random() < SHORT_SHARE:
            return self._short.draw(random)
        return self._urns[modality, beside_words].of_class[kind].draw(random)

    def _example(
        self,
        rows: Mapping[Modality, int],
        labels: NDArray[np.float32],
        random: np.random.Generator,
        longest: int,
    ) -> Example:
        parts = {name: self._part(name, row, random, longest) for name, row in rows.items()}
        damage = float(np.mean([part.damage for part in parts.values()]))
        steps = {name: _steps(part) for name, part in parts.items()}
        return Example.of("composed", labels, steps, damage=damage)

    def _part(
        self, modality: Modality, row: int, random: np.random.Generator, longest: int
    ) -> Drawn:
        corpus = self._corpora[modality]
        return corpus.vary(row, random, longest) if self._vary else corpus.draw(row)

    def _labels(self, modality: Modality, row: int) -> NDArray[np.float32]:
        labels: NDArray[np.float32] = self._corpora[modality].labels[row]
        return labels


def _steps(part: Drawn) -> Steps:
    return Steps(part.values, np.ones(len(part.values), np.bool_))


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
