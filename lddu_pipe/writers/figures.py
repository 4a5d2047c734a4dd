"""Charts of an evaluation as PNG files.

Arrays are those of `lddu_pipe.metrics`: ``truth`` (rows, labels) of 0 and 1, ``probabilities``
(rows, labels) in 0..1, ``decisions`` (rows, labels) bool; what these functions refuse, the
metrics refuse with a `ValueError`. The folder of a file must exist. The same input gives the same
bytes. ``caption`` is a line below the chart that says what was measured; ``synthetic`` says there
that the data is made up.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from lddu_pipe import metrics
from lddu_pipe.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reliability(
    path: Path,
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Path:
    """Draw how often each label is there where it is said to be this probable.

    One panel a label, in the bins of equal mass that its ECE is made of.
    """
    return _write(
        path, "reliability", truth, probabilities, labels, caption=caption, synthetic=synthetic
    )


def draw_risk_coverage(
    path: Path,
    truth: ArrayLike,
    probabilities: ArrayLike,
    decisions: ArrayLike,
    confidence: ArrayLike | None = None,
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Path:
    """Draw the error that is left when only the surest decisions are made, all labels together.

    Args:
        path: The PNG.
        truth: (rows, labels) of 0 and 1.
        probabilities: (rows, labels), 0..1.
        decisions: (rows, labels) bool.
        confidence: (rows, labels), greater is surer; `metrics.decision_confidence` where absent.
        caption: A line below the chart.
        synthetic: Whether the data is made up.
    """
    arrays = (truth, probabilities, decisions, confidence)
    return _write(path, "risk_coverage", *arrays, caption=caption, synthetic=synthetic)


def draw_precision_recall(
    path: Path,
    truth: ArrayLike,
    probabilities: ArrayLike,
    labels: Sequence[str],
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Path:
    """Draw precision against recall, a line a label, the best average precision first."""
    return _write(
        path,
        "precision_recall",
        *(truth, probabilities, labels),
        caption=caption,
        synthetic=synthetic,
    )


def draw_label_scores(
    path: Path,
    per_label: Mapping[str, Mapping[str, Any]],
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Path:
    """Draw F1, precision, recall and average precision of each label as bars.

    Args:
        path: The PNG.
        per_label: As `metrics.summarise` gives it.
        caption: A line below the chart.
        synthetic: Whether the data is made up.
    """
    return _write(path, "label_scores", per_label, caption=caption, synthetic=synthetic)


def draw_uncertainty(
    path: Path,
    uncertainty: Mapping[str, ArrayLike],
    wrong: ArrayLike,
    *,
    caption: str = "",
    synthetic: bool = False,
) -> Path:
    """Draw how often decisions are wrong by how uncertain they were.

    Args:
        path: The PNG.
        uncertainty: By name, at least one, each (rows, labels) in 0..1.
        wrong: (rows, labels) bool.
        caption: A line below the chart.
        synthetic: Whether the data is made up.
    """
    return _write(path, "uncertainty", uncertainty, wrong, caption=caption, synthetic=synthetic)


def draw_evaluation(
    folder: Path,
    truth: ArrayLike,
    probabilities: ArrayLike,
    decisions: ArrayLike,
    *,
    labels: Sequence[str],
    confidence: ArrayLike | None = None,
    uncertainty: Mapping[str, ArrayLike] | None = None,
    caption: str = "",
    synthetic: bool = False,
) -> tuple[Path, ...]:
    """Draw every chart that the input allows into a folder that exists.

    Args:
        folder: Gets ``label-scores.png``, ``precision-recall.png``, ``reliability.png``,
            ``risk-coverage.png`` and, where `uncertainty` is given, ``uncertainty.png``.
        truth: (rows, labels) of 0 and 1.
        probabilities: (rows, labels) calibrated, 0..1.
        decisions: (rows, labels) bool.
        labels: Names in column order.
        confidence: (rows, labels), greater is surer; `metrics.decision_confidence` where absent.
        uncertainty: By name, each (rows, labels) in 0..1.
        caption: A line below each chart.
        synthetic: Whether the data is made up.

    Returns:
        The files written, in the order above.
    """
    per_label = metrics.summarise(
        truth,
        probabilities,
        decisions,
        labels=labels,
        thresholds=[None] * len(labels),
        confidence=confidence,
    )["per_label"]
    charts: dict[str, tuple[Callable[..., Path], tuple[Any, ...]]] = {
        "label-scores.png": (draw_label_scores, (per_label,)),
        "precision-recall.png": (draw_precision_recall, (truth, probabilities, labels)),
        "reliability.png": (draw_reliability, (truth, probabilities, labels)),
        "risk-coverage.png": (
            draw_risk_coverage,
            (truth, probabilities, decisions, confidence),
        ),
    }
    if uncertainty:
        wrong = np.asarray(truth, dtype=bool) != np.asarray(decisions, dtype=bool)
        charts["uncertainty.png"] = (draw_uncertainty, (uncertainty, wrong))
    return tuple(
        draw(folder / name, *arguments, caption=caption, synthetic=synthetic)
        for name, (draw, arguments) in charts.items()
    )


def _write(path: Path, chart: str, *arguments: Any, caption: str, synthetic: bool) -> Path:
    """Draw the chart of that name and put it into place as a whole."""
    from lddu_pipe.writers import charts  # brings matplotlib

    content = io.BytesIO()
    with charts.shared_style():
        figure: Figure = getattr(charts, chart)(*arguments, caption=caption, synthetic=synthetic)
        # A bare figure draws on the Agg canvas; the release of matplotlib is no part of a chart.
        figure.savefig(content, format="png", metadata={"Software": None})
    write_whole(path, content.getvalue())
    return path
