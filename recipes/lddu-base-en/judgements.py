"""What people said of the words, the voice and the face alone, and of what they had together.

No corpus here has media of all three with labels, but two have the labels of such media.
EmotionTalk: acted Mandarin dialogues of which others judged each channel alone and all of them.
CREMA-D: votes of people who had the voice, the face, or both. So an utterance that is put together
of real rows, each of which shows what was said of its channel, can be given the answer that people
gave.

EmotionTalk has no answers to two channels. Its answers to three stand for those to two where the
third does not contradict: it shows nothing, or what one of the two shows. In the second case they
lean to what the third says, in the first to no emotion. CREMA-D's votes are of just a voice and a
face, and count as much there.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES, Modality

Part = Literal["train", "calibrate", "report"]
NONE = len(MOSEI)
"""The class of what shows no emotion."""
CHANNELS: Mapping[Modality, str] = {"text": "words", "audio": "voice", "vision": "face"}
"""What EmotionTalk calls them."""
VOTES = {"H": "happy", "S": "sad", "A": "anger", "D": "disgust", "F": "fear", "N": "neutral"}
"""CREMA-D's columns; nobody could say "surprise"."""
BROKEN_CLIPS = ("1076_MTI_NEU_XX", "1076_MTI_SAD_XX", "1064_TIE_SAD_XX", "1064_IEO_DIS_MD")
"""Of CREMA-D; people were shown files that could not be played."""
PART_OF_ACTOR: tuple[Part, ...] = ("train", "train", "calibrate", "report")
"""Of CREMA-D, by the actor's number modulo four; it has no official split."""


class Judgements(NamedTuple):
    """Utterances of one set of modalities."""

    channels: NDArray[np.int64]
    """(utterances, modalities) what was said of each alone: a place in `MOSEI`, or `NONE`."""
    joint: NDArray[np.float32]
    """(utterances, labels) share of the people who said it of all together; zeros: no emotion."""
    weights: NDArray[np.float64]
    """(utterances,) how often each is drawn; they sum to 1."""

    @property
    def conflict(self) -> NDArray[np.bool_]:
        """(utterances,) whether two channels show different emotions."""
        shown = [(self.channels == label).any(axis=1) for label in range(NONE)]
        conflict: NDArray[np.bool_] = np.sum(shown, axis=0) > 1
        return conflict

    def at(self, places: NDArray[np.int64]) -> Judgements:
        """Some utterances."""
        return Judgements(self.channels[places], self.joint[places], self.weights[places])


def read_judgements(folder: Path, part: Part) -> dict[tuple[Modality, ...], Judgements]:
    """What one part of the people judged, by the modalities they had, two or three.

    Args:
        folder: with ``emotiontalk.csv`` and ``cremad_votes.csv``.
        part: of EmotionTalk's training dialogues every other pair of actors is "train", the rest
            "calibrate", and "report" is its validation split, whose actors are in no other. Of
            CREMA-D no actor is in two parts.
    """
    words, voice, face, joint = _emotiontalk(folder / "emotiontalk.csv", part)
    of_channel: dict[Modality, NDArray[np.int64]] = dict(
        zip(MODALITIES, (words, voice, face), strict=True)
    )
    answers = np.eye(NONE + 1, dtype=np.float32)[joint, :NONE]
    found = {}
    for size in (2, 3):
        for present in combinations(MODALITIES, size):
            channels = np.stack([of_channel[name] for name in present], axis=1)
            agrees = np.ones(len(joint), np.bool_)
            for name in set(MODALITIES) - set(present):
                missing = of_channel[name]
                agrees &= (missing == NONE) | (channels == missing[:, None]).any(axis=1)
            found[present] = _alike(Judgements(channels[agrees], answers[agrees], np.zeros(0)))
    both: tuple[Modality, ...] = ("audio", "vision")
    found[both] = _alike(found[both], _cremad(folder / "cremad_votes.csv", part))
    return found


def _emotiontalk(path: Path, part: Part) -> tuple[NDArray[np.int64], ...]:
    """Classes of the words, the voice, the face and all together, (utterances,) each."""
    table = pd.read_csv(path)
    pairs = table["id"].str.partition("_")[0]  # of actors; one part of the dialogues is theirs
    trained = sorted(pairs[table["split"] == "train"].unique())
    kept = {
        "train": pairs.isin(trained[::2]),
        "calibrate": pairs.isin(trained[1::2]),
        "report": table["split"] == "valid",
    }[part]
    columns = [*(CHANNELS[name] for name in MODALITIES), "joint"]
    return tuple(_classes(table.loc[kept, column]) for column in columns)


def _cremad(path: Path, part: Part) -> Judgements:
    """Votes of those who had voice and face; clips whose voice or face has no majority are out."""
    table = pd.read_csv(path)
    table = table[~table["clip"].isin(BROKEN_CLIPS)]
    actors = table["clip"].str[:4].astype(int)
    table = table[np.array(PART_OF_ACTOR)[actors % len(PART_OF_ACTOR)] == part]
    seen = {
        name: table[table["seen"] == name].set_index("clip")[list(VOTES)]
        for name in ("voice", "face", "both")
    }
    clear = None
    for votes in (seen["voice"], seen["face"]):
        ranked = np.sort(votes.to_numpy(), axis=1)
        clips = votes.index[ranked[:, -1] > ranked[:, -2]]
        clear = clips if clear is None else clear.intersection(clips)
    clear = clear.intersection(seen["both"].index)
    channels = [
        _classes(seen[name].loc[clear].idxmax(axis=1).map(VOTES)) for name in ("voice", "face")
    ]
    both = seen["both"].loc[clear]
    shares = both.div(both.sum(axis=1), axis=0).rename(columns=VOTES)
    joint = shares.reindex(columns=list(MOSEI), fill_value=0.0).to_numpy(np.float32)
    return Judgements(np.stack(channels, axis=1), joint, np.zeros(0))


def _classes(names: pd.Series) -> NDArray[np.int64]:
    """Places of names in `MOSEI`, of "neutral" `NONE`."""
    places = {**{label: place for place, label in enumerate(MOSEI)}, "neutral": NONE}
    return names.map(places).to_numpy(np.int64)


def _alike(*parts: Judgements) -> Judgements:
    """Corpora put together, each drawn as often as the others."""
    weights = [np.full(len(part.joint), 1 / len(part.joint) / len(parts)) for part in parts]
    return Judgements(
        np.concatenate([part.channels for part in parts]),
        np.concatenate([part.joint for part in parts]),
        np.concatenate(weights),
    )
