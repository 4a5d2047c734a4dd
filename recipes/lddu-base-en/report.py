"""Evaluate the finished checkpoint through the pipeline and write its model card."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.evaluate import evaluate_manifest

CORPORA = {
    "semeval": "SemEval-2018 E-c dev, text",
    "goemotions": "GoEmotions dev (Ekman), text",
    "meld": "MELD dev, text",
    "ravdess": "RAVDESS unseen actors, audio",
    "ferplus": "FER+ valid, face crops",
}
HALVES = {"report": "reporting half", "all": "whole validation set"}
TEMPLATE = Path(__file__).with_name("card.md")


def evaluate(checkpoint: Path, manifests: Path) -> dict[str, Any]:
    """Figures of every validation set, on the reporting half and on all of it."""
    pipeline = EmotionPipeline.from_pretrained(checkpoint, device="cpu", offline=True)
    return {
        half: {
            corpus: evaluate_manifest(
                pipeline, read_manifest(manifests / f"{corpus}_{half}.jsonl")
            )
            for corpus in CORPORA
        }
        for half in HALVES
    }


def figure(value: float | None) -> str:
    """Three digits, or a dash where a figure is not defined."""
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def overall_table(results: dict[str, Any]) -> str:
    """One row a corpus."""
    columns = ("micro_f1", "macro_f1", "top1_accuracy", "ece", "brier", "aurc", "abstained")
    lines = [
        "| data | rows | micro-F1 | macro-F1 | top-1 | ECE | Brier | AURC | abstained |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for corpus, title in CORPORA.items():
        found = results[corpus]
        cells = " | ".join(figure(found[name]) for name in columns)
        lines.append(f"| {title} | {found['n']} | {cells} |")
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


def write_card(checkpoint: Path, results: dict[str, Any]) -> None:
    """Fill the card's template with figures; nothing in the card is typed by hand."""
    text = TEMPLATE.read_text(encoding="utf-8")
    config = json.loads((checkpoint / "config.json").read_text())
    filled = (
        text.replace("{{version}}", config["version"])
        .replace("{{overall_report}}", overall_table(results["report"]))
        .replace("{{overall_all}}", overall_table(results["all"]))
        .replace("{{labels_report}}", label_table(results["report"]))
    )
    (checkpoint / "MODEL_CARD.md").write_text(filled, encoding="utf-8")


def report(checkpoint: Path, manifests: Path) -> None:
    """Write ``evaluation.json`` and ``MODEL_CARD.md`` into the checkpoint."""
    results = evaluate(checkpoint, manifests)
    (checkpoint / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n")
    write_card(checkpoint, results)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--manifests", type=Path, required=True)
    arguments = parser.parse_args()
    report(arguments.checkpoint, arguments.manifests)
