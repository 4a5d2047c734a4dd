"""What correcting 200 utterances of another kind of text does to a model's calibration there.

Usage: PYTHONPATH=recipes/lddu-base-en python benchmarks/recalibration.py --data DIR --work DIR
           [--seeds N] [--write docs/review.md]

The text is that of MELD's dev split, TV dialogue; its human labels stand for the reviewer's. It
goes the way of the product: the dialogues are annotated by ``lddu-pipe batch``, corrections are
made at the review desk, exported as a manifest, and the model is calibrated on it. Corrected is
only what is in the half that the default model was calibrated on too; every figure is of the other
half, which nothing else ever uses.

Two models are calibrated anew: one that was trained and calibrated on tweets and Reddit comments
alone, with ``lddu-pipe extract`` and ``train`` (in the folder --work, where it is kept), and the
default one, which has seen dialogue in training and calibration. Which 200 utterances are
corrected is decided in three ways: at random; by the queue, in which every fourth is random and
the others are the most doubtful; and by the queue, but with its random sample alone exported.
Every seed has 400 of the utterances to choose from.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pysubs2

from lddu_pipe import EmotionPipeline
from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.metrics import (
    brier_score,
    classification_scores,
    expected_calibration_error,
    least_calibration_error,
    negative_log_likelihood,
)
from lddu_pipe.models.calibration import Target
from lddu_pipe.pipelines.evaluate_manifest import score_manifest
from lddu_pipe.pipelines.recalibrate import recalibrate, scores_of_manifest
from lddu_pipe.review.candidates import Candidate, Key, Reading
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.folder import AnnotatedFolder
from lddu_pipe.review.manifest import write_manifest
from lddu_pipe.review.queue import offers, sample
from lddu_pipe.review.store import STORE_FILE
from manifests import first_half
from report import machine, table, write_section
from texts import LabelledText, read_goemotions, read_meld, read_semeval

POOL = 400
"""Of the utterances that may be corrected, drawn anew each time: they are the corpus then, or the
most doubtful would be the same ones every time."""
CORRECTED = 200
OTHER_ROWS = {"train": (4000, 6000), "valid": (443, 500), "test": (200, 200)}
"""Tweets and comments that the model which never saw dialogue is trained and calibrated on."""
SMALL = (
    *("name=elsewhere", "epochs=4", "device=cpu"),
    *("model.hidden_size=192", "model.latent_size=64", "model.attention_heads=6"),
    *("model.encoder_layers.text=2", "model.encoder_layers.audio=1"),
    *("model.encoder_layers.vision=1", "model.statistics_pooling=true", "model.dropout=0.2"),
)
"""Settings of that model: about the size of the default one."""
CUE = 10_000
"""Milliseconds of an utterance: text alone has none of its own."""
SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"


class Figures(NamedTuple):
    """Of one model on the rows that are only reported on."""

    ece: float
    """Mean over labels, 15 bins of equal mass."""
    floor: float
    """The same, expected of probabilities that are exactly right, on so few rows."""
    brier: float
    nll: float
    micro_f1: float
    macro_f1: float
    abstained: float


class Corpus(NamedTuple):
    """Dialogues that were annotated, and what people say of each utterance."""

    folder: Path
    truth: dict[Key, list[str]]
    candidates: dict[Key, Candidate]


def halves(texts: Sequence[LabelledText]) -> tuple[list[LabelledText], list[LabelledText]]:
    """Those to calibrate on, and those to report on."""
    chosen = first_half([text.name for text in texts])
    return (
        [text for text, first in zip(texts, chosen, strict=True) if first],
        [text for text, first in zip(texts, chosen, strict=True) if not first],
    )


def rows_of(texts: Sequence[LabelledText]) -> list[ManifestRow]:
    """Rows as of a manifest."""
    return [
        ManifestRow(
            f"{text.corpus} {text.name}",
            text.corpus,
            text=text.text,
            labels=dict.fromkeys(text.labels, 1.0),
        )
        for text in texts
    ]


def train_elsewhere(text: Path, work: Path) -> Path:
    """Train a model on tweets and comments, unless it is there; return its folder."""
    manifest, features, run = work / "elsewhere.jsonl", work / "features", work / "run"
    model = run / "model"
    if model.is_dir():
        return model
    random = np.random.default_rng(0)
    rows = []
    for split, counts in OTHER_ROWS.items():
        name = "train" if split == "train" else "dev"
        corpora = (
            read_semeval(text / "semeval_ec" / f"{name}.tsv"),
            read_goemotions(
                text / "goemotions" / f"{name}.tsv", text / "goemotions" / "labels.txt"
            ),
        )
        for corpus, count in zip(corpora, counts, strict=True):
            texts = list(corpus)
            if split != "train":
                texts = halves(texts)[split == "test"]
            texts = [item for item in texts if item.text.strip()]
            rows += [
                {
                    "id": f"{split} {item.name}",
                    "text": item.text,
                    "labels": list(item.labels),
                    "split": split,
                }
                for item in (texts[index] for index in random.permutation(len(texts))[:count])
            ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    # A comment without a word is left out, which is no reason to stop.
    subprocess.run(
        [SCRIPT, "extract", "--manifest", manifest, "-o", features, "--offline", "-q"], check=False
    )
    settings = [f"data={features}", f"output={run}", *SMALL]
    subprocess.run([SCRIPT, "train", "mosei-unaligned", *settings, "-q"], check=True)
    return model


def annotate(texts: Sequence[LabelledText], model: str | Path, folder: Path) -> Corpus:
    """Annotate dialogues with `lddu-pipe batch`, each a file of subtitles, a cue an utterance."""
    source, output = folder / "dialogues", folder / "annotations"
    source.mkdir(parents=True)
    dialogues: dict[str, list[LabelledText]] = {}
    for text in texts:
        dialogues.setdefault(text.name.partition("_")[0], []).append(text)
    for name, lines in dialogues.items():
        cues = [
            pysubs2.SSAEvent(start=number * CUE, end=(number + 1) * CUE, text=line.text)
            for number, line in enumerate(lines)
        ]
        subtitles = pysubs2.SSAFile()
        subtitles.events = cues
        subtitles.save(str(source / f"{name}.srt"))
    subprocess.run(
        [
            *(SCRIPT, "batch", source, "-o", output, "-q"),
            *("--model", model, "--device", "cpu", "--offline", "--workers", "1"),
        ],
        check=True,
    )
    truth: dict[Key, list[str]] = {}
    candidates: dict[Key, Candidate] = {}
    reading = Reading()
    with AnnotatedFolder(output) as shelf:
        for item in shelf.items(""):
            lines = dialogues[Path(item.name).stem]
            for candidate in reading.open(item, shelf.annotation(item)).candidates.values():
                line = lines[round((candidate.anchor.start or 0) * 1000 / CUE)]
                truth[candidate.key] = list(line.labels)
                candidates[candidate.key] = candidate
    if len(truth) != len(texts):
        raise SystemExit(f"{len(texts)} utterances were cut into {len(truth)}")
    return Corpus(output, truth, candidates)


def correct(corpus: Corpus, keys: Sequence[Key], manifest: Path) -> list[ManifestRow]:
    """Correct utterances at the review desk, and read what is exported."""
    (corpus.folder / STORE_FILE).unlink(missing_ok=True)
    with AnnotatedFolder(corpus.folder) as shelf:
        desk = ReviewDesk([shelf])
        for item, utterance in keys:
            desk.correct("", item, utterance, corpus.truth[item, utterance], reviewer="MELD")
        write_manifest(desk.rows(""), manifest)
    return read_manifest(manifest)


def by_random(corpus: Corpus, order: list[Key]) -> list[Key]:
    return order[:CORRECTED]


def by_queue(corpus: Corpus, order: list[Key]) -> list[Key]:
    known = corpus.candidates
    by_doubt = sorted(order, key=lambda key: known[key].doubt.rank)
    return [key for key, _ in islice(offers(order, by_doubt, set()), CORRECTED)]


def by_sample(corpus: Corpus, order: list[Key]) -> list[Key]:
    return sample(order, set(by_queue(corpus, order)))


WAYS: dict[str, Callable[[Corpus, list[Key]], list[Key]]] = {
    "200 at random": by_random,
    "the queue's 200": by_queue,
    "of these, the random sample": by_sample,
}


def measure(pipeline: EmotionPipeline, rows: Sequence[ManifestRow]) -> Figures:
    scored = score_manifest(pipeline, rows)
    truth, probabilities = scored.truth, scored.calibrated.probabilities
    scores = classification_scores(truth, scored.calibrated.decisions)
    return Figures(
        float(expected_calibration_error(truth, probabilities).mean()),
        float(least_calibration_error(probabilities).mean()),
        float(brier_score(truth, probabilities).mean()),
        float(negative_log_likelihood(truth, probabilities).mean()),
        scores.micro.f1,
        scores.macro.f1,
        float(scored.calibrated.abstained.mean()),
    )


def calibrate(model: str | Path, rows: Sequence[ManifestRow], output: Path) -> EmotionPipeline:
    """Calibrate a model on rows, as `lddu-pipe calibrate --manifest` does by default."""
    pipeline = EmotionPipeline.from_pretrained(model, device="cpu", offline=True)
    raw, skipped = scores_of_manifest(pipeline, rows, lambda stage, share: None)
    if skipped:
        raise SystemExit(f"{len(skipped)} rows could not be used: {skipped[0]}")
    recalibrate(
        pipeline.checkpoint,
        raw,
        output,
        method="platt",
        target=Target(),
        risk=None,
        coverage=None,
    )
    return EmotionPipeline.from_pretrained(output, device="cpu", offline=True)


def compare(
    model: str | Path,
    choosing: Sequence[LabelledText],
    reporting: Sequence[ManifestRow],
    seeds: int,
    folder: Path,
) -> dict[str, list[Figures]]:
    """Figures of a model as it is, and after each way of correcting, once a seed."""
    folder.mkdir()
    corpus = annotate(choosing, model, folder)
    before = EmotionPipeline.from_pretrained(model, device="cpu", offline=True)
    found = {"as it is": [measure(before, reporting)]}
    print("as it is", found["as it is"][0], flush=True)
    for seed in range(seeds):
        order = sorted(corpus.truth)
        np.random.default_rng(seed).shuffle(order)
        order = order[:POOL]
        for way, choose in WAYS.items():
            place = folder / f"{way} {seed}"
            place.mkdir()
            rows = correct(corpus, choose(corpus, order), place / "corrected.jsonl")
            after = calibrate(model, rows, place / "model")
            found.setdefault(way, []).append(measure(after, reporting))
            print(seed, way, len(rows), found[way][-1], flush=True)
    return found


def show(found: dict[str, list[Figures]]) -> list[list[str]]:
    """Mean over seeds, and the standard deviation where there are several."""

    def cell(values: Sequence[float]) -> str:
        spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
        return f"{np.mean(values):.3f}{spread}"

    return [
        [way, *(cell([getattr(item, name) for item in figures]) for name in Figures._fields)]
        for way, figures in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the folder text")
    parser.add_argument("--work", type=Path, required=True, help="folder for a trained model")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", type=Path, help="page to write the tables into")
    arguments = parser.parse_args()
    text = arguments.data / "text"
    choosing, held = halves(list(read_meld(text / "meld" / "dev_sent_emo.csv")))
    reporting = rows_of(held)
    header = ["corrected", "ECE", "least ECE", "Brier", "NLL", "micro-F1", "macro-F1", "abstained"]
    elsewhere = train_elsewhere(text, arguments.work)
    with tempfile.TemporaryDirectory(prefix="lddu-pipe-") as name:
        folder = Path(name)
        parts: dict[str, str | Path] = {
            "A model trained and calibrated on tweets and comments": elsewhere,
            "The default model, which has seen dialogue in both": "lddu-base-en",
        }
        lines = []
        for number, (title, model) in enumerate(parts.items()):
            found = compare(model, choosing, reporting, arguments.seeds, folder / str(number))
            lines += [f"{title}:\n\n{table(header, show(found))}"]
    report = "\n".join(
        [
            *lines,
            f"{len(reporting)} utterances reported on, {arguments.seeds} seeds. {machine()}\n",
        ]
    )
    print(report)
    if arguments.write:
        write_section(arguments.write, "recalibration", report)


if __name__ == "__main__":
    main()
