"""A trained model, calibrated anew on other rows."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.datasets.store import FeatureStore
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.models.calibration import (
    UNCLEAR_SHARE,
    Calibration,
    Method,
    Target,
    as_if_large,
    fit_intervals,
)
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.calibration import MINIMUM_ROWS, fit_calibration
from lddu_pipe.pipelines.checkpoint import Checkpoint, copy_checkpoint
from lddu_pipe.pipelines.evaluate_manifest import read_labelled
from lddu_pipe.pipelines.evaluate_store import check_fit
from lddu_pipe.training.scoring import LabelledScores, score_labelled

REPORT_FILE = "calibration_report.json"


def scores_of_store(
    checkpoint: Checkpoint, store: FeatureStore, split: str, progress: Callable[[str, float], None]
) -> LabelledScores:
    """Raw scores of a split of a feature store.

    Raises:
        IncompatibleModelError: the model was trained on other features or labels.
        UnusableInputError: there is no such split.
    """
    check_fit(checkpoint, store)
    rows = store.split(split)
    return score_labelled(checkpoint.model, rows, progress=lambda share: progress("score", share))


def scores_of_manifest(
    pipeline: EmotionPipeline, rows: Sequence[ManifestRow], progress: Callable[[str, float], None]
) -> tuple[LabelledScores, list[dict[str, str]]]:
    """Raw scores of the rows of a manifest that can be used; id and reason of the others.

    Raises:
        UnusableInputError: a row has no labels or an unknown one, or no row can be used.
    """
    given = read_labelled(pipeline, rows, progress)
    raw = pipeline.predictor.scores(given.examples)
    return LabelledScores(**vars(raw), labels=given.labels, scales=given.scales), given.skipped


def recalibrate(
    checkpoint: Checkpoint,
    raw: LabelledScores,
    output: Path,
    *,
    method: Method,
    target: Target,
    risk: float | None,
    coverage: float | None,
) -> Mapping[str, Any]:
    """Write a copy of a model whose calibration comes from other rows.

    Sets of modalities, and scales, of which there are too few rows keep the calibration they had.
    What small faces are worth stays as it was: the rows are judged as if their faces were large.

    Args:
        checkpoint: is not changed.
        raw: scores of the rows to calibrate on, which training must not have seen.
        output: folder of the new checkpoint; it must not be there or be empty.
        method: from logits to probabilities.
        target: what thresholds are chosen for.
        risk: abstain so that the share of wrong decisions stays below; None for the default.
        coverage: share of rows whose label set shall hold all true labels; None for no sets.

    Returns:
        By set of modalities that was calibrated, what `calibration_report.json` then holds.

    Raises:
        UnusableInputError: the folder is taken, the rows are too few or the risk out of reach.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UnusableInputError(f"{output} exists and is not empty; name another folder")
    shows_damage = any(
        item.abstain_aleatoric is not None for item in checkpoint.calibration.sets.values()
    )
    calibration, reports = fit_calibration(
        as_if_large(raw, checkpoint.calibration).logits,
        raw.labels,
        raw.deviation,
        raw.present,
        method=method,
        target=target,
        risk=risk,
        coverage=coverage,
        unclear_share=UNCLEAR_SHARE if shows_damage else 0.0,
    )
    fitted = [name for name, report in reports.items() if not report.pooled]
    if not fitted:
        counts = ", ".join(f"{name} {item.rows}" for name, item in reports.items() if item.rows)
        raise UnusableInputError(
            f"no set of modalities has the {MINIMUM_ROWS} rows that calibration needs: {counts}"
        )
    sets = {**calibration.sets, **checkpoint.calibration.sets}
    sets |= {name: calibration.sets[name] for name in fitted}
    fitted_scales = fit_intervals(
        *(checkpoint.config.scales, raw.scales, raw.scale_mean, raw.scale_deviation)
    )
    scales = {**fitted_scales, **checkpoint.calibration.scales}
    scales |= {name: item for name, item in fitted_scales.items() if item.factor is not None}
    faces = checkpoint.calibration.small_faces
    copy_checkpoint(checkpoint, output, Calibration(sets, calibration.base_rates, scales, faces))
    report = {name: asdict(reports[name]) for name in fitted}
    write_whole(output / REPORT_FILE, json.dumps(report, indent=1, allow_nan=False) + "\n")
    return report
