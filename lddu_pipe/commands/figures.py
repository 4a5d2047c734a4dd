"""Pictures of an evaluation, from the arrays that pipelines hand over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lddu_pipe.pipelines.evaluation import Evaluation


def draw_run(folder: Path, found: Evaluation, source: str = "") -> None:
    """Draw every picture of an evaluation into `folder`.

    Args:
        folder: Made if need be.
        found: What is drawn.
        source: What the rows are, for the caption; ignored for a store, whose figures name it.
    """
    from lddu_pipe.writers.figures import draw_evaluation

    figures, answers = found.figures, found.answers
    stored = (figures["data"], figures["split"]) if "data" in figures else (source,)
    folder.mkdir(parents=True, exist_ok=True)
    draw_evaluation(
        folder,
        answers.truth,
        answers.probabilities,
        answers.decisions,
        labels=answers.labels,
        uncertainty=answers.uncertainty,
        caption=" · ".join((*stored, f"{figures['n']} rows", figures["protocol"])),
        synthetic=figures.get("synthetic", False),
    )
