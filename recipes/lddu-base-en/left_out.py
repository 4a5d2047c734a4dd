"""How sure may a model be of data of a kind that it was not trained on?

On half of the data that readers were not trained on, a line on the log-odds of probabilities is
fitted that makes them right where a reader is a stranger, and taken in part: as much as it needs.
`calibrate.py` puts it behind what own data teach. Tables are of the other half.

A subfolder of --folder is named after what its reader was not trained on, joined by "+", such as
"isear+crowdenvent", and holds `valid_logits.npz`: ``keys``, ids of validation rows, and their
``logits``, (rows, 6), before calibration. For texts `train_adapter.py --without` writes it, for
voices and faces `strangers.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from corpora import corpus_of
from damage import AS_IN_VIDEO
from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.labels import MOSEI
from lddu_pipe.models.calibration import (
    Widening,
    choose_thresholds,
    fit_scaling,
    sigmoid,
)
from lddu_pipe.types import Modality
from manifests import asked_for, calibrating, known_labels
from texts import TEXT_CORPORA, read_split
from voices import VOICE_CORPORA
from widening import Part, Reader, log_odds, measure

FILE_NAME = "valid_logits.npz"
SEEN_ROWS = 600
"""Of each corpus that a reader was trained on, drawn to calibrate it."""


@dataclass(frozen=True)
class Truth:
    """What is known of validation rows, by id."""

    labels: Mapping[str, NDArray[np.float64]]
    choosing: Mapping[str, bool]

    @classmethod
    def read(cls, data: Path, manifests: Path) -> Truth:
        """Of all manifests; a face stands there also for what becomes of it in a video."""
        asked = asked_for(read_split(data / "text", "valid"))
        ids: list[str] = []
        speakers: list[str | None] = []
        targets = []
        for corpus in (*TEXT_CORPORA, *VOICE_CORPORA, "ferplus"):
            for row in read_manifest(manifests / f"{corpus}_all.jsonl"):
                ids.append(row.id)
                speakers.append(row.speaker)
                targets.append(row.target(MOSEI))
        present = (np.stack(targets) >= 0.5).astype(np.float64)
        labels = dict(zip(ids, known_labels(ids, present, asked), strict=True))
        choosing = dict(zip(ids, calibrating(ids, speakers).tolist(), strict=True))
        for face in [name for name in ids if corpus_of(name) == "ferplus"]:
            for kind in AS_IN_VIDEO:
                changed = f"{kind}:{face.partition(':')[2]}"
                labels[changed], choosing[changed] = labels[face], choosing[face]
        return cls(labels, choosing)


def read_reader(folder: Path, truth: Truth, seed: int) -> Reader:
    """One of the folders, its logits calibrated on what the reader was trained on."""
    random = np.random.default_rng([seed, *folder.name.encode()])
    with np.load(folder / FILE_NAME) as archive:
        keys, logits = archive["keys"].tolist(), archive["logits"].astype(np.float64)
    known = [place for place, key in enumerate(keys) if key in truth.labels]
    keys, logits = [keys[place] for place in known], logits[known]
    labels = np.stack([truth.labels[key] for key in keys])
    chosen = np.array([truth.choosing[key] for key in keys])
    corpora = np.array([corpus_of(key) for key in keys])
    strange = folder.name.split("+")
    own = [name for name in np.unique(corpora).tolist() if name not in strange]
    places = np.concatenate(
        [random.choice(np.flatnonzero(chosen & (corpora == name)), SEEN_ROWS) for name in own]
    )
    odds = log_odds(fit_scaling(logits[places], labels[places]).probabilities(logits))
    thresholds = choose_thresholds(sigmoid(odds[places]), labels[places])

    def parts(names: Sequence[str]) -> tuple[Part, ...]:
        rows = [corpora == name for name in names]
        return tuple(
            Part(name, odds[some], labels[some], chosen[some], thresholds)
            for name, some in zip(names, rows, strict=True)
            if some.any()
        )

    return Reader(parts(strange), parts(own))


def modality_of(folder: Path) -> Modality:
    """What a folder's reader reads."""
    corpus = folder.name.split("+")[0]
    if corpus in TEXT_CORPORA:
        return "text"
    return "audio" if corpus in VOICE_CORPORA else "vision"


def left_out(data: Path, manifests: Path, folder: Path, output: Path, seed: int) -> None:
    """Write the lines and their tables, by modality."""
    truth = Truth.read(data, manifests)
    readers: dict[Modality, list[Reader]] = {}
    for path in sorted(item.parent for item in folder.glob(f"*/{FILE_NAME}")):
        readers.setdefault(modality_of(path), []).append(read_reader(path, truth, seed))
    found = {name: measure(of_modality) for name, of_modality in readers.items()}
    output.write_text(json.dumps(found, indent=1) + "\n")


def read_widenings(path: Path) -> Iterator[tuple[Modality, Widening]]:
    """What `left_out` wrote."""
    for name, found in json.loads(path.read_text()).items():
        line = found["widening"]
        yield name, Widening(line["slope"], tuple(line["offset"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--manifests", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="of the readers' logits")
    parser.add_argument("--output", type=Path, required=True, help="a JSON file")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    left_out(
        arguments.data, arguments.manifests, arguments.folder, arguments.output, arguments.seed
    )
