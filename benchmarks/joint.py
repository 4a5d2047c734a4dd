"""Voice and face of the same take, alone and joined: LDDU beside regressions, on unseen actors.

Usage: PYTHONPATH=recipes/lddu-base-en python benchmarks/joint.py --data DIR --output FOLDER
           [--seeds 1,2,3] [--folds N] [--write docs/training.md]
       ... --develop NAME [KEY=VALUE ...]

RAVDESS speech, actors 1 to 20, 60 takes each, eight emotions. The voice is what our own extractor
hears in DIR/audio/ravdess; the face is DIR/joint/ravdess_action_units.csv, 35 action units of
OpenFace, each a mean over the take, from which the actor's own mean is taken off. That needs no
label, but several takes of a person. The spoken sentence is one of two, whatever the emotion.

Six folds: each reports on actors of whom nothing was learned or chosen. Those of the next fold are
held out of its training as well, to choose the epoch, to calibrate, and to choose how strongly the
regressions are held back. LDDU's settings are the same in all folds; they were chosen with
--develop, which trains on the first fold and says how right it is on the actors held out.

Everything that is finished is kept in FOLDER, so the command may be interrupted and given again.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from lddu_pipe import EmotionPipeline
from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.datasets.store import FeatureStore, StoreWriter, open_store
from lddu_pipe.evidence import Absent, Evidence, Example, Present, Reason, Steps
from lddu_pipe.files import write_whole
from lddu_pipe.labels import LabelSet
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.pipelines.evaluate_store import evaluate_store
from lddu_pipe.pipelines.extract import extract_manifest
from lddu_pipe.pipelines.train import train
from lddu_pipe.training.settings import read_settings
from lddu_pipe.types import MODALITIES, Modality
from report import machine, table, write_section
from voices import SENTENCES, list_ravdess

EMOTIONS = LabelSet(
    "ravdess", ("neutral", "calm", "happy", "sad", "anger", "fear", "disgust", "surprise")
)
"""In the order of the numbers in a take's name."""
ACTORS = np.arange(1, 21)
FOLDS = 6
VIEWS: dict[str, tuple[Modality, ...]] = {
    "voice": ("audio",),
    "face": ("vision",),
    "voice and face": ("audio", "vision"),
}
SETTINGS = (
    *("name=lddu-joint", "device=cpu", "method=default"),
    *("model.hidden_size=128", "model.latent_size=64", "model.feed_forward_size=128"),
    *("model.encoder_layers.text=1", "model.encoder_layers.audio=1"),
    *("model.encoder_layers.vision=1", "loss.queue_size=2048"),
    *("batch_size=32", "learning_rate=1e-3", "epochs=20", "patience=20"),
)
"""Chosen on the first fold's held-out actors."""
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""C of the regressions."""
FACE_WEIGHTS = (1.0, 3.0, 10.0)
"""How large the 35 action units are made beside thousands of figures of the voice."""
DRAWS = 10_000

Values = NDArray[np.float64]
Rows = NDArray[np.bool_]


class Fold(NamedTuple):
    """Numbers of actors; none is in two parts."""

    train: frozenset[int]
    valid: frozenset[int]
    test: frozenset[int]


class Takes(NamedTuple):
    """All takes, in the order of their names."""

    store: FeatureStore
    """Voice and words of each."""
    rows: list[Example]
    actors: NDArray[np.int64]
    truth: NDArray[np.int64]
    units: Values
    """(takes, 35), the actor's mean taken off."""

    def of(self, actors: frozenset[int]) -> Rows:
        return np.isin(self.actors, list(actors))


def make_folds() -> list[Fold]:
    blocks = [frozenset(block.tolist()) for block in np.array_split(ACTORS, FOLDS)]
    everyone = frozenset(ACTORS.tolist())
    return [
        Fold(everyone - test - valid, valid, test)
        for test, valid in zip(blocks, [*blocks[1:], blocks[0]], strict=True)
    ]


def centre(values: NDArray[np.floating], actors: NDArray[np.int64]) -> Values:
    """Take the mean of each actor's takes off them, (takes, features)."""
    centred = np.array(values, np.float64)
    for actor in np.unique(actors):
        centred[actors == actor] -= centred[actors == actor].mean(axis=0)
    return centred


def read_takes(data: Path, output: Path, tell: Callable[[str, float], None]) -> Takes:
    """Hear all takes, unless that was done, and look up their faces."""
    folder = output / "features"
    clips = list(list_ravdess(data / "audio" / "ravdess"))
    numbers = np.array([[int(part) for part in clip.path.stem.split("-")] for clip in clips])
    if not folder.exists():
        rows = [
            ManifestRow(
                clip.path.stem,
                str(clip.path),
                audio=clip.path,
                text=SENTENCES[statement],
                speaker=f"actor-{actor:02d}",
                split="train",
                labels={EMOTIONS.labels[emotion - 1]: 1.0},
            )
            for clip, (_, _, emotion, _, statement, _, actor) in zip(clips, numbers, strict=True)
        ]
        pipeline = EmotionPipeline.from_pretrained(device="cpu", offline=True)
        extract_manifest(
            pipeline, rows, folder, name="RAVDESS speech", label_set=EMOTIONS, progress=tell
        )
    store = open_store(folder)
    with (data / "joint" / "ravdess_action_units.csv").open(encoding="utf-8") as file:
        _, *lines = csv.reader(file)
    units = {line[0]: [float(value) for value in line[1:]] for line in lines}
    takes = list(store.split("train"))
    if [take.id for take in takes] != [clip.path.stem for clip in clips]:
        raise SystemExit(f"{folder} holds other takes; remove it")
    faces = np.array([units[take.id] for take in takes])
    actors = numbers[:, 6]
    return Takes(store, takes, actors, numbers[:, 2] - 1, centre(faces, actors))


def pooled(rows: Sequence[Example]) -> Values:
    """Mean and standard deviation of the voice over a take's steps, (takes, 2 * features)."""
    heard = [row.sequences["audio"] for row in rows]
    steps = [item.values[item.valid].astype(np.float64) for item in heard]
    return np.array([np.concatenate([item.mean(axis=0), item.std(axis=0)]) for item in steps])


def write_store(folder: Path, takes: Takes, fold: Fold, view: tuple[Modality, ...]) -> None:
    """A store of a fold in which only some modalities are present.

    Both modalities are standardised with what training has seen, as the regressions have it.
    """
    learned = takes.of(fold.train)
    heard = [
        steps.values[steps.valid]
        for row, seen in zip(takes.rows, learned, strict=True)
        if seen
        for steps in [row.sequences["audio"]]
    ]
    voice = StandardScaler().fit(np.concatenate(heard).astype(np.float64))
    face = StandardScaler().fit(takes.units[learned])
    units = face.transform(takes.units).astype(np.float32)
    info = replace(
        takes.store.info,
        name="RAVDESS, " + " and ".join(view),
        feature_sizes={**takes.store.info.feature_sizes, "vision": units.shape[1]},
        fingerprints={**takes.store.info.fingerprints, "vision": "openface-action-units"},
        rows={},
        notes={},
    )

    def evidence(index: int) -> dict[Modality, Evidence]:
        given = takes.rows[index].sequences
        scaled = voice.transform(given["audio"].values).astype(np.float32)
        given["audio"] = Steps(scaled, given["audio"].valid)
        given["vision"] = Steps(units[index : index + 1], np.ones(1, np.bool_))
        absent = Absent(Reason.NOT_IN_ROW)
        return {name: Present(given[name]) if name in view else absent for name in MODALITIES}

    with StoreWriter(folder, info) as writer:
        for split, actors in fold._asdict().items():
            writer.write_rows(
                split,
                [
                    replace(takes.rows[index], evidence=evidence(index))
                    for index in np.flatnonzero(takes.of(actors))
                ],
            )


def kept(path: Path, make: Callable[[], Values]) -> Values:
    """What `make` gives, from the disk where it was made before."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.save(buffer, make())
        write_whole(path, buffer.getvalue())
    return np.asarray(np.load(path), np.float64)


def regress(features: Mapping[str, Values], takes: Takes, fold: Fold) -> Values:
    """Probabilities of a fold's test takes, (takes, emotions), by logistic regression.

    Where there are a voice and a face, how much the face counts is chosen as C is: by the log loss
    on the held-out actors.
    """
    learned, chosen, reported = (takes.of(actors) for actors in fold)
    scaled = {
        name: StandardScaler().fit(values[learned]).transform(values)
        for name, values in features.items()
    }
    best: tuple[float, Values] | None = None
    for weight in FACE_WEIGHTS if len(features) > 1 else (1.0,):
        parts = [values * (weight if name == "face" else 1.0) for name, values in scaled.items()]
        joined = np.concatenate(parts, axis=1)
        # The solution lies in the space of the rows it learns from: fewer axes, the same model.
        turned = joined @ np.linalg.qr(joined[learned].T)[0]
        for strength in STRENGTHS:
            model = LogisticRegression(C=strength, max_iter=2000)
            model.fit(turned[learned], takes.truth[learned])
            loss = log_loss(takes.truth[chosen], model.predict_proba(turned[chosen]))
            if best is None or loss < best[0]:
                best = loss, model.predict_proba(turned[reported])
    assert best is not None
    return best[1]


def train_lddu(
    takes: Takes, fold: Fold, view: str, run: Path, settings: Sequence[str], split: str
) -> Values:
    """Probabilities of a fold's takes by LDDU, (takes, emotions); goes on where it stopped."""
    store = run.with_name(f".{run.name}.store")
    rmtree(store, ignore_errors=True)
    write_store(store, takes, fold, VIEWS[view])
    given = [*settings, f"data={store}", f"output={run}"]
    train(read_settings("mosei-unaligned", given), lambda stage, share: None)
    found = evaluate_store(load_checkpoint(run / "model"), open_store(store), split)
    rmtree(store)
    return found.answers.probabilities


def develop(takes: Takes, folder: Path, changes: Sequence[str]) -> None:
    """Say how right settings are on the first fold's held-out actors, and on nobody else.

    Epoch and calibration are chosen on them too: good for comparing settings, and no result.
    """
    fold = make_folds()[0]
    truth = takes.truth[takes.of(fold.valid)]
    for view in VIEWS:
        run = folder / view.replace(" ", "-")
        found = train_lddu(takes, fold, view, run, [*SETTINGS, *changes], "valid")
        history = json.loads((run / "history.json").read_text())
        best = max(history, key=lambda entry: entry["eval_micro_f1"])
        top1 = float((found.argmax(axis=1) == truth).mean())
        print(f"{view}: top-1 {top1:.3f}, epoch {best['epoch']:.0f} of {len(history)}", flush=True)


def count(truth: NDArray[np.int64], found: NDArray[np.int64], actors: NDArray[np.int64]) -> Values:
    """Confusion matrices, (actors, emotions shown, emotions answered)."""
    matrices = np.zeros((len(ACTORS), len(EMOTIONS), len(EMOTIONS)))
    np.add.at(matrices, (actors - 1, truth, found), 1)
    return matrices


def accuracy(matrices: Values) -> Values:
    """Top-1 of confusion matrices (..., emotions, emotions)."""
    return np.asarray(np.trace(matrices, axis1=-2, axis2=-1) / matrices.sum(axis=(-2, -1)))


def f1(matrices: Values) -> Values:
    """F1 of each emotion, (..., emotions)."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    both = matrices.sum(axis=-1) + matrices.sum(axis=-2)
    return np.asarray(2 * hits / np.maximum(both, 1))


def macro_f1(matrices: Values) -> Values:
    return np.asarray(f1(matrices).mean(axis=-1))


class Interval(NamedTuple):
    """A figure, the mean over seeds, with what 95 % of draws of actors give."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def over_actors(figure: Callable[[Values], Values], *systems: Values) -> Interval:
    """A figure of a system, or the difference between that of the first and of the second.

    Args:
        figure: of confusion matrices.
        systems: (seeds, actors, emotions, emotions) each; the same actors are drawn for both.
    """
    actors = systems[0].shape[1]
    drawn = np.random.default_rng(0).integers(actors, size=(DRAWS, actors))
    times = np.stack([np.bincount(row, minlength=actors) for row in drawn])
    times = np.concatenate([np.ones_like(times[:1]), times])
    found = [
        np.mean([figure(np.tensordot(times, matrices, axes=1)) for matrices in system], axis=0)
        for system in systems
    ]
    values = found[0] - found[1] if len(found) > 1 else found[0]
    return Interval(float(values[0]), *map(float, np.quantile(values[1:], (0.025, 0.975))))


def measure(
    takes: Takes, output: Path, folds: Sequence[Fold], seeds: Sequence[int]
) -> dict[str, Values]:
    """Confusion matrices of every system, (seeds, actors, emotions, emotions).

    The actors are those that the folds report on, in order.
    """
    features = {"voice": pooled(takes.rows), "face": takes.units}
    chosen = {name: {name: values} for name, values in features.items()}
    chosen["voice and face, early"] = features
    chosen["voice, its actor's mean off"] = {"voice": centre(features["voice"], takes.actors)}
    answers: dict[str, list[Values]] = {}
    for name, inputs in chosen.items():
        probabilities = np.zeros((len(takes.rows), len(EMOTIONS)))
        for number, fold in enumerate(folds, start=1):
            path = output / "regression" / f"{_file(name)}-fold-{number}.npy"
            probabilities[takes.of(fold.test)] = kept(
                path, lambda inputs=inputs, fold=fold: regress(inputs, takes, fold)
            )
        answers[f"regression, {name}"] = [probabilities]
        print("regression,", name, "is there", flush=True)
    for seed, number, view in _runs(seeds, len(folds)):
        fold = folds[number - 1]
        settings = [*SETTINGS, f"seed={seed}"]
        mark = hashlib.sha256("\n".join(settings).encode()).hexdigest()[:8]
        run = output / "lddu" / f"{_file(view)}-fold-{number}-seed-{seed}-{mark}"
        of_seed = answers.setdefault(f"LDDU, {view}", [])
        if len(of_seed) <= seeds.index(seed):
            of_seed.append(np.zeros((len(takes.rows), len(EMOTIONS))))
        of_seed[-1][takes.of(fold.test)] = kept(
            run.with_suffix(".npy"),
            lambda fold=fold, view=view, run=run, settings=settings: train_lddu(
                takes, fold, view, run, settings, "test"
            ),
        )
        print(f"LDDU, {view}, fold {number}, seed {seed} is there", flush=True)
    for kind in ("regression", "LDDU"):
        alone = zip(answers[f"{kind}, voice"], answers[f"{kind}, face"], strict=True)
        answers[f"{kind}, voice and face, late"] = [
            np.log(voice + 1e-12) + np.log(face + 1e-12) for voice, face in alone
        ]
    reported = np.isin(ACTORS, reported_on(folds))
    return {
        name: np.stack(
            [count(takes.truth, one.argmax(axis=1), takes.actors)[reported] for one in found]
        )
        for name, found in answers.items()
    }


def reported_on(folds: Sequence[Fold]) -> list[int]:
    return sorted(actor for fold in folds for actor in fold.test)


def _runs(seeds: Sequence[int], folds: int) -> Iterator[tuple[int, int, str]]:
    for seed in seeds:
        for number in range(1, folds + 1):
            for view in VIEWS:
                yield seed, number, view


def _file(name: str) -> str:
    return name.replace(",", "").replace("'", "").replace(" ", "-")


ALONE = ("LDDU, voice", "LDDU, face")
JOINED = "LDDU, voice and face"
OTHERS = (
    *("regression, voice", "regression, face"),
    *("regression, voice and face, early", "regression, voice and face, late"),
    *(*ALONE, "LDDU, voice and face, late"),
)


def report(found: Mapping[str, Values], folds: Sequence[Fold], seeds: Sequence[int]) -> str:
    def top1(name: str) -> float:
        return float(accuracy(found[name].sum(axis=1)).mean())

    figures = [
        [name, over_actors(accuracy, found[name]), over_actors(macro_f1, found[name])]
        for name in (*OTHERS, JOINED)
    ]
    better = max(ALONE, key=top1)
    gains = [
        [name, over_actors(accuracy, found[JOINED], found[name])]
        for name in (better, *OTHERS[:4], OTHERS[6])
    ]
    of_emotion = np.array([f1(found[n].sum(axis=1)).mean(axis=0) for n in (*ALONE, JOINED)])
    # The settings were chosen on actors of whom the second fold reports.
    fresh = [actor not in make_folds()[0].valid for actor in reported_on(folds)]
    unseen = {name: matrices[:, fresh] for name, matrices in found.items()}
    without = ", ".join(
        f"{name} {accuracy(unseen[name].sum(axis=1)).mean():.3f}"
        for name in (JOINED, better, OTHERS[3])
    )
    by_seed = ", ".join(f"{value:.3f}" for value in accuracy(found[JOINED].sum(axis=1)))
    centred = over_actors(accuracy, found["regression, voice, its actor's mean off"])
    return "\n".join(
        [
            table([f"{len(fresh)} unseen actors", "top-1", "macro-F1"], figures),
            table([f"top-1 of {JOINED}, less that of", "difference"], gains),
            table(
                ["F1 of", *ALONE, JOINED],
                [
                    [name, *(f"{value:.2f}" for value in values)]
                    for name, values in zip(EMOTIONS, of_emotion.T, strict=True)
                ],
            ),
            f"{JOINED}, seeds {', '.join(map(str, seeds))}: {by_seed}. Without the actors on whom",
            f"settings were chosen, top-1: {without}. Regression on the voice with",
            f"the actor's mean off, as the face has it: {centred}. {machine()}\n",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="holds audio/ravdess and joint")
    parser.add_argument("--output", type=Path, required=True, help="for all that is finished")
    parser.add_argument("--seeds", default="1,2,3", help="of LDDU")
    parser.add_argument("--folds", type=int, default=FOLDS, help="only the first so many")
    parser.add_argument("--develop", metavar="NAME", help="try settings, kept under this name")
    parser.add_argument("--write", type=Path, help="page to write the tables into")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="with --develop")
    given = parser.parse_args()
    torch.set_num_threads(1)
    takes = read_takes(
        given.data, given.output, lambda stage, share: print(f"{stage} {share:.0%}", flush=True)
    )
    if given.develop:
        develop(takes, given.output / "develop" / given.develop, given.settings)
        return
    seeds = [int(seed) for seed in given.seeds.split(",")]
    folds = make_folds()[: given.folds]
    text = report(measure(takes, given.output, folds, seeds), folds, seeds)
    print(text)
    if given.write:
        write_section(given.write, "joint", text)


if __name__ == "__main__":
    main()
