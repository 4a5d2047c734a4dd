"""The rows of one modality, as they are and varied at random for training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.selection import Selection
from lddu_pipe.datasets.store import StoreInfo, open_store
from lddu_pipe.evidence import Example
from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES, Modality

MAX_STEPS = 150  # of sound and pictures: fifteen seconds of video at ten frames a second
STATISTICS_STRIDE = 7  # of the rows, every seventh tells means and spreads well enough

OBSCURED: Mapping[str, tuple[float, float]] = {"ravdess": (0.5, 0.3), "emogator": (0.2, 0.15)}
"""Of a voice in training, which share of its features stands at the mean, and the noise on the
others in standard deviations: sixteen actors are learned by heart otherwise, hundreds of people
are not."""

SPOILT_FACES = 0.15
SPEAKING_FACES, OPEN_MOUTHS = 0.25, (0.1, 0.35)
"""How many clips of a face are made to look as if it spoke, and in what share of their frames the
mouth is then open as it is with surprise."""
WITH_CONTEXT = "_context"
"""How the name of a corpus ends in rows that are read with what was said before them."""


def corpus_of(name: str) -> str:
    """The corpus of a row, by its id: "meld" of "meld:dia0_utt3" and of "meld_context:..."."""
    return name.partition(":")[0].removesuffix(WITH_CONTEXT)


class ExampleRows:
    """Rows in memory, in the place of a `Selection`."""

    def __init__(self, examples: Sequence[Example]) -> None:
        """Take labelled examples, at least one."""
        self._examples = examples
        self.labels = np.stack([example.labels for example in examples])
        self.weights, self.damage = (
            np.array([getattr(example, name) for example in examples], np.float32)
            for name in ("weight", "damage")
        )
        self.ids = tuple(example.id for example in examples)
        self.speakers = tuple(example.utterance.speaker for example in examples)

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index: int) -> Example:
        return self._examples[index]

    def at(self, chosen: NDArray[np.bool_]) -> ExampleRows:
        return ExampleRows([self._examples[place] for place in np.flatnonzero(chosen)])


Rows = Selection | ExampleRows


class Drawn(NamedTuple):
    """One modality of a training utterance."""

    values: NDArray[np.float32]
    """(time, features)."""
    damage: float
    """How much of it was spoilt on purpose, 0..1."""


class Corpus:
    """Rows of one modality, as they are."""

    modality: Modality

    def __init__(self, rows: Rows) -> None:
        self.rows, self.labels, self.damage = rows, rows.labels, rows.damage
        self.weights = rows.weights.astype(np.float64)

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
    """Words of all text corpora."""

    modality = "text"

    def vary(self, row: int, random: np.random.Generator, longest: int) -> Drawn:
        values, damage = self.draw(row)
        if len(values) > 4 and random.random() < 0.3:
            # Words that the recogniser missed.
            kept = values[random.random(len(values)) > 0.1]
            values = kept if len(kept) else values
        return Drawn(values, damage)


class AudioCorpus(Corpus):
    """Steps of sentences and bursts."""

    modality = "audio"

    def __init__(self, rows: Rows) -> None:
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
        values = self._obscure(values, corpus_of(self.rows.ids[row]), random)
        return Drawn(values[: max(longest, 25)], float(self.damage[row]))

    def _obscure(
        self, values: NDArray[np.float32], corpus: str, random: np.random.Generator
    ) -> NDArray[np.float32]:
        """Hide features and add noise, the same in every step, as another voice would differ."""
        hidden_share, noise_share = OBSCURED[corpus]
        size = values.shape[1]
        hidden = random.random(size) < hidden_share
        noise = noise_share * self._spread * random.standard_normal(size)
        return np.asarray(np.where(hidden, self._mean, values) + noise, dtype=np.float32)


class VisionCorpus(Corpus):
    """FER+ faces, made into sequences that look like video.

    Of a training face the steps are variants, the first as a picture, the others as frames; a row
    of the same id shows it so that it can hardly be seen.
    """

    modality = "vision"

    def __init__(self, rows: Rows) -> None:
        self._all = rows
        self._spoilt = {rows.ids[row]: int(row) for row in np.flatnonzero(rows.damage > 0)}
        super().__init__(rows.at(rows.damage == 0))
        neutral = 1 - self.labels.sum(axis=1) >= self.labels.max(axis=1)
        self._neutral = np.flatnonzero(neutral)
        self._open = np.flatnonzero(self.labels[:, MOSEI.index("surprise")] >= 0.4)

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
        if steps > 3 and random.random() < SPEAKING_FACES:
            # A mouth that says "o" is no surprise: what is seen for a moment says little.
            moments = random.random(steps) < random.uniform(*OPEN_MOUTHS)
            values[moments] = self.values(int(random.choice(self._open)))[0]
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


def _pool(values: NDArray[np.float32], ratio: float) -> NDArray[np.float32]:
    """Fewer steps, each the mean of `ratio` neighbours on average, as alignment to words makes."""
    steps = max(1, round(len(values) / ratio))
    firsts = np.arange(steps) * len(values) // steps
    counts = np.diff(np.append(firsts, len(values)))[:, None]
    return np.asarray(np.add.reduceat(values, firsts, axis=0) / counts, dtype=np.float32)


CORPUS_OF = {"text": TextCorpus, "audio": AudioCorpus, "vision": VisionCorpus}
Corpora = Mapping[Modality, Corpus]

STORES: Mapping[Modality, str] = {"text": "texts", "audio": "voices", "vision": "faces"}
"""The stores of training rows."""
VALID = "valid"
"""The store of validation rows, of all modalities."""


def load_train(folder: Path) -> tuple[StoreInfo, Corpora]:
    """The rows to train on by modality, and what they have in common.

    Args:
        folder: of all stores.
    """
    stores = {name: open_store(folder / STORES[name]) for name in MODALITIES}
    infos = {name: store.info for name, store in stores.items()}
    info = replace(
        infos["text"],
        name="train",
        feature_sizes={name: one.feature_sizes[name] for name, one in infos.items()},
        fingerprints={name: one.fingerprints[name] for name, one in infos.items()},
        notes={},
    )
    rows = {name: Selection([store.split("train")]) for name, store in stores.items()}
    return info, {name: CORPUS_OF[name](rows[name]) for name in MODALITIES}


def load_valid(folder: Path, choose: Callable[[Rows], NDArray[np.bool_]] | None = None) -> Corpora:
    """Validation rows by modality.

    Args:
        folder: of all stores.
        choose: which rows, (rows,) bool; all where None.
    """
    rows = Selection([open_store(folder / VALID).split("valid")])
    if choose is not None:
        rows = rows.at(choose(rows))
    return {name: CORPUS_OF[name](rows.at(rows.lengths(name) > 0)) for name in MODALITIES}
