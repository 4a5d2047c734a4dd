"""Pictures of an evaluation, from the arrays that pipelines hand over."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lddu_pipe.pipelines.evaluate_store import StoreEvaluation


def draw_run(folder: Path, found: StoreEvaluation) -> None:
    """Draw every picture of an evaluation into `folder`."""
    from lddu_pipe.writers.figures import draw_evaluation

    figures = found.figures
    parts = (figures["data"], figures["split"], f"{figures['n']} rows", figures["protocol"])
    folder.mkdir(parents=True, exist_ok=True)
    draw_evaluation(
        folder,
        found.truth,
        found.probabilities,
        found.decisions,
        labels=list(figures["per_label"]),
        confidence=found.confidence,
        uncertainty=found.uncertainty,
        caption=" · ".join(parts),
        synthetic=figures["synthetic"],
    )
