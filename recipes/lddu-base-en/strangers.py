"""Readers of voices and models of faces that meet what they were not trained on, for left_out.py.

Voices: a regression on the means of steps, learned from the sentences of RAVDESS alone and asked
of EmoGator's bursts, and the other way round. Faces: the trained model on blurred, turned and
compressed faces of FER+.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from corpora import Corpus, corpus_of, load_train, load_valid
from damage import AS_IN_VIDEO
from ferplus import load_faces
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.models.scoring import score_examples
from lddu_pipe.pipelines.checkpoint import read_model
from left_out import FILE_NAME
from small_faces import changed_faces
from soft_labels import write_logits
from voices import VOICE_CORPORA

MOST_ROWS = 3000
"""Training rows of a corpus that are read."""
STRENGTH = 1e-3
"""C of the regressions; a few hundred clips and thousands of figures leave no more."""


def pooled(corpus: Corpus, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """(rows, features), the mean over the steps of each."""
    return np.stack([corpus.values(int(place)).mean(axis=0) for place in places])


def ask_voices(features: Path, output: Path, random: np.random.Generator) -> None:
    """Write what each corpus of voices teaches about all."""
    learned, asked = load_train(features)[1]["audio"], load_valid(features)["audio"]
    corpora = np.array([corpus_of(row) for row in learned.rows.ids])
    shown = pooled(asked, np.arange(len(asked.rows)))
    for left_out in VOICE_CORPORA:
        places = np.flatnonzero((corpora != left_out) & (learned.damage == 0))
        places = random.permutation(places)[:MOST_ROWS]
        values, labels = pooled(learned, places), learned.labels[places] >= 0.5
        logits = []
        for column in labels.T:
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=300))
            logits.append(probe.fit(values, column).decision_function(shown))
        write(output / left_out, asked.rows.ids, np.stack(logits, axis=1))


def ask_faces(
    data: Path, features: Path, companions: Path, model: Path, output: Path, seed: int
) -> None:
    """Write what the model says of faces as they are and as they are in videos."""
    known = load_valid(features)["vision"].rows
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    names = {row.partition(":")[2] for row in known.ids}
    extractors = FeatureSet(Companions.load(companions), offline=True)
    network = read_model(model).half().float()
    examples = [known[place] for place in range(len(known))]
    keys, logits = list(known.ids), [score_examples(network, examples).logits]
    for kind, change in AS_IN_VIDEO.items():
        random = np.random.default_rng(seed)
        found = changed_faces(extractors, faces, names, partial(change, random=random))
        keys += [example.id.replace("ferplus", kind, 1) for example in found]
        logits.append(score_examples(network, found).logits)
    write(output / "+".join(AS_IN_VIDEO), keys, np.concatenate(logits))


def write(folder: Path, keys: list[str] | tuple[str, ...], logits: NDArray[np.floating]) -> None:
    """Write one reader's logits."""
    folder.mkdir(parents=True, exist_ok=True)
    write_logits(folder / FILE_NAME, keys, logits)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="the folder of all stores")
    parser.add_argument("--companions", type=Path, required=True, help="what was trained first")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="DIR/left_out")
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    ask_voices(given.features, given.output, np.random.default_rng(given.seed))
    ask_faces(given.data, given.features, given.companions, given.model, given.output, given.seed)
