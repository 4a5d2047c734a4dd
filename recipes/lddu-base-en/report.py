"""Evaluate the finished checkpoint through the pipeline and write its figures and its card."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import entropy, spearmanr

from behaviour import behaviour_figures
from card import CORPORA, SPOILT, write_card
from corpora import corpus_of, load_valid
from damage import gibberish
from ferplus import load_faces
from fusion import fusion_figures
from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.extractors.faces import CROP_SCALE
from lddu_pipe.labels import MOSEI
from lddu_pipe.metrics import (
    brier_score,
    expected_calibration_error,
    least_calibration_error,
    roc_auc,
    top1_accuracy,
)
from lddu_pipe.models.calibration import apply_calibration
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.evaluate_manifest import ScoredRows, evaluate_scored, score_manifest
from lddu_pipe.pipelines.evaluation import plain_figures
from lddu_pipe.writers.figures import draw_reliability
from manifests import asked_for, calibrating, first_half
from small_faces import CHECKED_SIDES, changed_faces, shrink
from texts import TEXT_CORPORA, read_split
from voices import VOICE_CORPORA

HALVES = ("report", "all")
CHARTS = {"texts": TEXT_CORPORA, "voices": VOICE_CORPORA, "faces": ("ferplus",)}
"""What each chart of reliability is of."""
COLOURS = 24
"""Of a chart, so that all of them take no more room than a small picture."""
GIBBERISH_ROWS = 200
UNKNOWN_LANGUAGES = (
    "Estou muito feliz por te ver, que notícia maravilhosa",
    "Não sei o que vou fazer amanhã de manhã",
    "Jag är så arg på dig att jag inte kan prata",
    "Vi ses på stationen klockan sju i kväll",
    "Minä pelkään pimeää enkä halua mennä ulos",
    "Huomenna menemme kauppaan ostamaan leipää",
    "Nagyon szomorú vagyok, mert elment a barátom",
    "A vonat tíz perc múlva indul az állomásról",
    "Sana çok öfkeliyim, bir daha benimle konuşma",
    "Evde ekmek ve süt var, pazara gitme",
    "Saya sangat senang bertemu dengan kamu hari ini",
    "Besok kami akan pergi ke pasar bersama ibu",
    "Sunt foarte trist că ai plecat fără să spui nimic",
    "Mâine dimineață mergem la piață să cumpărăm mere",
    "Jestem bardzo zła, nie chcę cię więcej widzieć",
    "Das ist ja eine wunderbare Nachricht, ich freue mich so",
)
"""Ours. All but the last two are of languages of which training saw no word."""


def scored_rows(pipeline: EmotionPipeline, manifests: Path) -> dict[str, dict[str, ScoredRows]]:
    """Every manifest, by kind of rows and corpus; the reporting half is cut out of the whole."""
    found: dict[str, dict[str, ScoredRows]] = {kind: {} for kind in (*HALVES, "spoilt")}
    for corpus in CORPORA:
        rows = {kind: read_manifest(manifests / f"{corpus}_{kind}.jsonl") for kind in HALVES}
        found["all"][corpus] = score_manifest(pipeline, rows["all"])
        found["report"][corpus] = found["all"][corpus].only({row.id for row in rows["report"]})
        if corpus in SPOILT:
            spoilt = read_manifest(manifests / f"{corpus}_spoilt.jsonl")
            found["spoilt"][corpus] = score_manifest(pipeline, spoilt)
    return found


def figures_of(
    pipeline: EmotionPipeline, rows: ScoredRows, asked: NDArray[np.bool_]
) -> dict[str, Any]:
    """Figures of one corpus, of the labels, (labels,), that people were asked for."""
    found = evaluate_scored(pipeline, rows)
    figures, places = found.figures, np.flatnonzero(asked)
    if not asked.all():
        answers = found.answers
        some = replace(
            answers,
            labels=tuple(answers.labels[place] for place in places),
            truth=answers.truth[:, asked],
            probabilities=answers.probabilities[:, asked],
            decisions=answers.decisions[:, asked],
            uncertainty={name: item[:, asked] for name, item in answers.uncertainty.items()},
        )
        thresholds = rows.calibrated.thresholds[0, asked].tolist()
        figures = {**figures, **plain_figures(some, thresholds)}
    least = least_calibration_error(rows.calibrated.probabilities[:, asked])
    return {**figures, "least_ece": float(least.mean())}


def vote_entropy(faces: Path, names: list[str]) -> NDArray[np.float64]:
    """(names,) by ids of rows, how much the people who labelled a FER+ face disagreed, in nats."""
    loaded = load_faces(faces)
    by_name = dict(zip(loaded.names, entropy(loaded.votes, axis=1), strict=True))
    return np.array([by_name[name.partition(":")[2]] for name in names])


def doubt_figures(
    pipeline: EmotionPipeline, scored: dict[str, dict[str, ScoredRows]], data: Path, seed: int
) -> dict[str, Any]:
    """What the model's doubt is worth, on reporting halves."""
    notices = {}
    for corpus in SPOILT:
        spoilt = scored["spoilt"][corpus]
        # A text of one word cannot be spoilt: the same rows as they are, no others.
        clean = scored["report"][corpus].only(spoilt.ids)
        doubts = np.concatenate([mean_aleatoric(clean), mean_aleatoric(spoilt)])[:, None]
        is_spoilt = np.repeat([0, 1], [len(clean.ids), len(spoilt.ids)])[:, None]
        (notices[corpus],) = roc_auc(is_spoilt, doubts)
    faces = scored["report"]["ferplus"]
    disagreement = vote_entropy(data / "vision" / "ferplus_valid.npz", list(faces.ids))
    random = np.random.default_rng(seed)
    senseless = [gibberish(random) for _ in range(GIBBERISH_ROWS)]
    return {
        "notices_damage": notices,
        "follows_votes": float(spearmanr(mean_aleatoric(faces), disagreement).statistic),
        "abstained_spoilt": {
            corpus: float(scored["spoilt"][corpus].calibrated.abstained.mean())
            for corpus in SPOILT
        },
        "abstained_foreign": abstained(pipeline, list(UNKNOWN_LANGUAGES)),
        "abstained_gibberish": abstained(pipeline, senseless),
    }


def mean_aleatoric(rows: ScoredRows) -> NDArray[np.float64]:
    """(rows,) mean of the labels' aleatoric uncertainty, 0..1."""
    mean: NDArray[np.float64] = rows.calibrated.aleatoric.mean(axis=1)
    return mean


def abstained(pipeline: EmotionPipeline, texts: list[str]) -> float:
    """Share of texts on which the model does not answer."""
    silent = [pipeline(text=text).utterances[0].abstained for text in texts]
    return float(np.mean(silent))


def small_face_figures(pipeline: EmotionPipeline, data: Path) -> dict[str, dict[str, float]]:
    """What shrunk faces of the reporting half are worth, by the side of their pictures."""
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    halves = first_half(faces.names)
    names = {name for name, half in zip(faces.names, halves, strict=True) if not half}
    calibration = pipeline.checkpoint.calibration
    found = {}
    for side in CHECKED_SIDES:
        examples = changed_faces(pipeline.extractors, faces, names, partial(shrink, side=side))
        truth = np.stack([example.labels for example in examples])
        raw = pipeline.predictor.scores(examples)
        known = apply_calibration(raw, calibration)
        as_if_large = apply_calibration(raw, replace(calibration, small_faces={}))
        found[str(side)] = {
            "height": side / CROP_SCALE,
            "n": len(examples),
            "ece_as_if_large": float(
                expected_calibration_error(truth, as_if_large.probabilities).mean()
            ),
            "ece": float(expected_calibration_error(truth, known.probabilities).mean()),
            "top1_as_if_large": top1_accuracy(
                truth, as_if_large.probabilities, as_if_large.decisions
            ),
            "top1": top1_accuracy(truth, known.probabilities, known.decisions),
            "brier": float(brier_score(truth, known.probabilities).mean()),
            "sure": float((known.probabilities.max(axis=1) > 0.9).mean()),
            "aleatoric": float(known.aleatoric.mean()),
            "abstained": float(known.abstained.mean()),
        }
    return found


def draw_charts(
    checkpoint: Path,
    scored: dict[str, ScoredRows],
    asked: dict[str, NDArray[np.bool_]],
    labels: tuple[str, ...],
    seed: int,
) -> None:
    """Draw how often an emotion is there where it is said to be so probable, by modality.

    Every corpus whose people were asked for all labels has as many rows in its chart.
    """
    random = np.random.default_rng(seed)
    for name, corpora in CHARTS.items():
        kept = [corpus for corpus in corpora if asked.get(corpus, np.ones(1, np.bool_)).all()]
        rows = [scored[corpus] for corpus in kept]
        most = max(len(item.ids) for item in rows)
        # Rows of a small corpus are there several times, never a part of them twice.
        chosen = [np.resize(random.permutation(len(item.ids)), most) for item in rows]
        truth, probabilities = (
            np.concatenate(
                [values[places] for values, places in zip(of_rows, chosen, strict=True)]
            )
            for of_rows in (
                [item.truth for item in rows],
                [item.calibrated.probabilities for item in rows],
            )
        )
        path = checkpoint / f"reliability-{name}.png"
        caption = f"reporting halves: {', '.join(kept)}"
        draw_reliability(path, truth, probabilities, labels, caption=caption)
        with Image.open(path) as drawn:
            small = drawn.convert("RGB").quantize(COLOURS)
        small.save(path, optimize=True)


def report(
    checkpoint: Path,
    manifests: Path,
    data: Path,
    features: Path,
    left_out: Path,
    sound: Path,
    ablations: Path | None,
    seed: int,
) -> None:
    """Write ``evaluation.json``, charts and ``MODEL_CARD.md`` into the checkpoint."""
    pipeline = EmotionPipeline.from_pretrained(checkpoint, device="cpu", offline=True)
    asked = asked_for(read_split(data / "text", "valid"))
    everything = np.ones(len(MOSEI), np.bool_)
    scored = scored_rows(pipeline, manifests)
    results: dict[str, Any] = {
        half: {
            corpus: figures_of(pipeline, rows, asked.get(corpus_of(corpus), everything))
            for corpus, rows in scored[half].items()
        }
        for half in HALVES
    }
    results["doubt"] = doubt_figures(pipeline, scored, data, seed)
    results["small_faces"] = small_face_figures(pipeline, data)
    reported = load_valid(features, lambda rows: ~calibrating(rows.ids, rows.speakers))
    results["fusion"] = fusion_figures(pipeline.predictor, reported, data, seed)
    results["left_out"] = json.loads(left_out.read_text())
    results["sound"] = json.loads(sound.read_text())
    results["ablations"] = None if ablations is None else json.loads(ablations.read_text())
    results["behaviour"] = behaviour_figures(pipeline, data)
    (checkpoint / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n")
    draw_charts(checkpoint, scored["report"], asked, pipeline.labels, seed)
    write_card(checkpoint, results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--manifests", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="the folder of all stores")
    parser.add_argument("--left-out", type=Path, required=True, help="what left_out.py wrote")
    parser.add_argument("--sound", type=Path, required=True, help="what train_sound.py wrote")
    parser.add_argument("--ablations", type=Path, help="what ablate.py wrote")
    parser.add_argument("--seed", type=int, default=11)
    report(**vars(parser.parse_args()))
