"""Evaluate the finished checkpoint through the pipeline and write its model card."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import entropy, spearmanr

from damage import gibberish
from ferplus import load_faces
from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.extractors.faces import CROP_SCALE
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
from lddu_pipe.writers.figures import draw_reliability
from manifests import first_half
from small_faces import CHECKED_SIDES, shrunk_faces

CORPORA = {
    "semeval": "SemEval-2018 E-c dev, text",
    "goemotions": "GoEmotions dev (Ekman), text",
    "meld": "MELD dev, text",
    "ravdess": "RAVDESS unseen actors, audio",
    "ferplus": "FER+ valid, face crops",
}
SPOILT = {
    "semeval": "half of the words left out",
    "goemotions": "half of the words left out",
    "meld": "half of the words left out",
    "ravdess": "noise as loud as the voice (0 dB)",
    "ferplus": "strong blur, or half of the face covered",
}
HALVES = {"report": "reporting half", "all": "whole validation set"}
TEMPLATE = Path(__file__).with_name("card.md")
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
        rows = {
            kind: read_manifest(manifests / f"{corpus}_{kind}.jsonl")
            for kind in (*HALVES, "spoilt")
        }
        found["all"][corpus] = score_manifest(pipeline, rows["all"])
        found["report"][corpus] = found["all"][corpus].only({row.id for row in rows["report"]})
        found["spoilt"][corpus] = score_manifest(pipeline, rows["spoilt"])
    return found


def vote_entropy(faces: Path, names: list[str]) -> NDArray[np.float64]:
    """(names,) how much the people who labelled a FER+ face disagreed, in nats."""
    loaded = load_faces(faces)
    by_name = dict(zip(loaded.names, entropy(loaded.votes, axis=1), strict=True))
    return np.array([by_name[name] for name in names])


def doubt_figures(
    pipeline: EmotionPipeline, scored: dict[str, dict[str, ScoredRows]], data: Path, seed: int
) -> dict[str, Any]:
    """What the model's doubt is worth, on reporting halves."""
    notices = {}
    for corpus in CORPORA:
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
            for corpus in CORPORA
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


def figure(value: float | None) -> str:
    """Three digits, or a dash where a figure is not defined."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def overall_table(results: dict[str, Any]) -> str:
    """One row a corpus."""
    columns = ("micro_f1", "macro_f1", "top1_accuracy", "top1_macro_f1", "ece", "least_ece")
    lines = [
        "| data | rows | micro-F1 | macro-F1 | top-1 | top-1 macro-F1 | ECE | least ECE | Brier "
        "| AURC | risk at 75 % | abstained |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for corpus, title in CORPORA.items():
        found = results[corpus]
        cells = [figure(found[name]) for name in (*columns, "brier", "aurc")]
        cells.append(figure(found["risk_at_75"] / found["hamming_loss"]))
        cells.append(figure(found["abstained"]))
        lines.append(f"| {title} | {found['n']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def label_table(results: dict[str, Any]) -> str:
    """F1, average precision and ECE of each label in each corpus."""
    lines = [
        "| data | label | support | F1 | AP | ECE | threshold |",
        "|---|---|---|---|---|---|---|",
    ]
    for corpus, title in CORPORA.items():
        for label, row in results[corpus]["per_label"].items():
            cells = " | ".join(
                figure(row[name]) for name in ("f1", "average_precision", "ece", "threshold")
            )
            lines.append(f"| {title} | {label} | {row['support']} | {cells} |")
    return "\n".join(lines)


def doubt_table(doubt: dict[str, Any]) -> str:
    """Whether spoilt inputs are noticed."""
    lines = ["| data | spoilt by | AUROC | abstained |", "|---|---|---|---|"]
    for corpus, title in CORPORA.items():
        cells = f"{doubt['notices_damage'][corpus]:.3f} | {doubt['abstained_spoilt'][corpus]:.3f}"
        lines.append(f"| {title} | {SPOILT[corpus]} | {cells} |")
    return "\n".join(lines)


def small_face_figures(pipeline: EmotionPipeline, data: Path) -> dict[str, dict[str, float]]:
    """What shrunk faces of the reporting half are worth, by the side of their pictures."""
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    halves = first_half(faces.names)
    names = {name for name, half in zip(faces.names, halves, strict=True) if not half}
    calibration = pipeline.checkpoint.calibration
    found = {}
    for side in CHECKED_SIDES:
        examples = list(shrunk_faces(pipeline.extractors, faces, names, side).values())
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


def small_face_table(found: dict[str, dict[str, float]]) -> str:
    """One row a size."""
    names = ("ece_as_if_large", "ece", "top1_as_if_large", "top1", "brier", "sure", "aleatoric")
    lines = [
        "| picture | face | ECE as if large | ECE | top-1 as if large | top-1 | Brier "
        "| p > 0.9 | aleatoric | abstained |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for side, row in found.items():
        cells = " | ".join(figure(row[name]) for name in (*names, "abstained"))
        lines.append(f"| {side} px | {row['height']:.0f} px | {cells} |")
    return "\n".join(lines)


def write_card(checkpoint: Path, results: dict[str, Any]) -> None:
    """Fill the card's template with figures; nothing in the card is typed by hand."""
    text = TEMPLATE.read_text(encoding="utf-8")
    config = json.loads((checkpoint / "config.json").read_text())
    doubt = results["doubt"]
    for name, value in {
        "version": config["version"],
        "overall_report": overall_table(results["report"]),
        "overall_all": overall_table(results["all"]),
        "labels_report": label_table(results["report"]),
        "doubt": doubt_table(doubt),
        "small_faces": small_face_table(results["small_faces"]),
        "follows_votes": figure(doubt["follows_votes"]),
        "abstained_foreign": f"{doubt['abstained_foreign']:.0%}",
        "abstained_gibberish": f"{doubt['abstained_gibberish']:.0%}",
    }.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    (checkpoint / "MODEL_CARD.md").write_text(text, encoding="utf-8")


def report(checkpoint: Path, manifests: Path, data: Path, seed: int) -> None:
    """Write ``evaluation.json``, charts and ``MODEL_CARD.md`` into the checkpoint."""
    pipeline = EmotionPipeline.from_pretrained(checkpoint, device="cpu", offline=True)
    scored = scored_rows(pipeline, manifests)
    results: dict[str, Any] = {
        half: {
            corpus: evaluate_scored(pipeline, rows).figures
            for corpus, rows in scored[half].items()
        }
        for half in HALVES
    }
    for half in HALVES:
        for corpus, rows in scored[half].items():
            least = least_calibration_error(rows.calibrated.probabilities)
            results[half][corpus]["least_ece"] = float(least.mean())
    results["doubt"] = doubt_figures(pipeline, scored, data, seed)
    results["small_faces"] = small_face_figures(pipeline, data)
    (checkpoint / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n")
    for corpus, title in CORPORA.items():
        rows = scored["report"][corpus]
        draw_reliability(
            checkpoint / f"reliability-{corpus}.png",
            rows.truth,
            rows.calibrated.probabilities,
            pipeline.labels,
            caption=f"{title}, {HALVES['report']}",
        )
    write_card(checkpoint, results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--manifests", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    report(arguments.checkpoint, arguments.manifests, arguments.data, arguments.seed)
