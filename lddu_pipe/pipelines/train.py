"""From settings to a calibrated model with honest figures: one run, or several seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import TrainerCallback

from lddu_pipe.datasets.selection import Rows
from lddu_pipe.datasets.store import FeatureStore, open_store
from lddu_pipe.files import write_whole
from lddu_pipe.models.calibration import Calibration
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.pipelines.checkpoint import load_checkpoint, save_checkpoint
from lddu_pipe.pipelines.cross_fit import score_by_folds
from lddu_pipe.pipelines.evaluate_store import PASSES, PROTOCOLS, ByFold, evaluate_scores
from lddu_pipe.pipelines.evaluation import Evaluation
from lddu_pipe.pipelines.held_out import (
    HeldOut,
    calibrate,
    calibrate_by_fold,
    compare_with_base_rates,
)
from lddu_pipe.pipelines.plan import plan_of_store, rows_to_learn_from, share_out
from lddu_pipe.training.progress import Log, ProgressCallback, ignore, prefixed, prefixed_log
from lddu_pipe.training.reporting import make_reporters
from lddu_pipe.training.run import MODEL_FOLDER, claim, is_first, remove_checkpoints, train_model
from lddu_pipe.training.scoring import LabelledScores, score_labelled
from lddu_pipe.training.settings import TrainSettings

METRICS_FILE = "metrics.json"
FIGURES_FOLDER = "figures"
ALL_ROWS = "all rows"
REPORTED = ("micro_f1", "macro_f1", "jaccard_accuracy", "gap", "ece", "brier", "aurc")
"""Figures of which several runs give mean and spread."""
HELD_OUT = "held_out"
"""In `METRICS_FILE` beside the splits, the fields of `HeldOut`."""

Show = Callable[[Path, Evaluation], None]
"""Draws an evaluation into a folder."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path
    metrics: dict[str, Any]
    """Figures by split and protocol; see `METRICS_FILE`."""
    evaluations: dict[str, Evaluation]
    """Of the last split, by protocol; empty where the run had ended before."""


def train(
    settings: TrainSettings,
    progress: ProgressCallback,
    show: Show | None = None,
    log: Log = ignore,
) -> Run | None:
    """Train, calibrate on rows that training had not learned from, and touch the test split once.

    Those rows are the valid split, or, where it is too small, all rows of train and valid, each
    scored by a training that had not seen it; see `plan_training`.

    The run's folder then holds ``settings.json``, ``environment.json``, ``history.json``,
    ``metrics.json``, ``tensorboard/``, ``model/``, which pipelines load, and ``figures/`` where
    `show` draws. ``metrics.json`` comes last: a run that has it is whole.

    Args:
        settings: as `read_settings` checked them.
        progress: called with each stage and the share of it that is done.
        show: draws the last split, once a protocol; no pictures where None.
        log: given a line once an epoch, or less often in trainings that are short.

    Returns:
        None in a process that only helped another.

    Raises:
        UnusableInputError: the data, the folder or the device cannot be used.
        MissingAssetError: what `report_to` names is not installed.
    """
    folder = Path(settings.output)
    store = open_store(settings.data)
    plan = plan_of_store(store, settings.seed)
    claim(folder, settings, store.info)
    done = folder / METRICS_FILE
    if done.is_file():
        remove_checkpoints(folder)  # if the end came between the two
        found = json.loads(done.read_text(encoding="utf-8"))
        return Run(folder, found, {}) if is_first() else None
    reporters = make_reporters(settings.report_to, folder) if is_first() else []
    if plan.folds is None:
        learned = _judged_by_valid(settings, store, reporters, progress, log)
    else:
        learned = _cross_fitted(settings, store, plan.folds, reporters, progress, log)
    if learned is None:
        return None
    model, judged = learned
    model.config.better_than_base_rates = judged.held_out.better_than_base_rates
    save_checkpoint(folder / MODEL_FOLDER, model, judged.calibration, [store.folder])
    checkpoint = load_checkpoint(folder / MODEL_FOLDER)
    evaluations: dict[str, Evaluation] = {
        protocol: evaluate_scores(
            *(checkpoint, judged.rows, judged.held_out.split, judged.scores, protocol),
            by_fold=judged.by_fold,
        )
        for protocol in PROTOCOLS
    }
    metrics: dict[str, Any] = {HELD_OUT: asdict(judged.held_out)}
    metrics[judged.held_out.split] = {name: item.figures for name, item in evaluations.items()}
    if "test" in store.splits:
        progress("evaluate on test", 0.0)
        test = store.split("test")
        raw = score_labelled(checkpoint.model, test, passes=PASSES)
        evaluations = {
            protocol: evaluate_scores(checkpoint, test, "test", raw, protocol)
            for protocol in PROTOCOLS
        }
        metrics["test"] = {name: item.figures for name, item in evaluations.items()}
    if show is not None:
        progress("draw", 0.0)
        for protocol, item in evaluations.items():
            show(folder / FIGURES_FOLDER / protocol, item)
    write_json(folder / METRICS_FILE, metrics)
    remove_checkpoints(folder)
    return Run(folder, metrics, evaluations)


@dataclass(frozen=True)
class _Judged:
    """Scores of rows that training had not learned from, and what was fitted on them."""

    rows: Rows
    scores: LabelledScores
    calibration: Calibration
    held_out: HeldOut
    by_fold: ByFold
    """Judges each row by what was fitted on others; empty where the rows are many."""


def _judged_by_valid(
    settings: TrainSettings,
    store: FeatureStore,
    reporters: Sequence[TrainerCallback],
    progress: ProgressCallback,
    log: Log,
) -> tuple[LDDUModel, _Judged] | None:
    valid, folder = store.split("valid"), Path(settings.output)
    model = train_model(
        *(settings, store.split("train"), valid, folder, progress, log), reporters=reporters
    )
    if model is None:
        return None
    progress("calibrate", 0.0)
    scores = score_labelled(model, valid, passes=PASSES)
    scales = model.config.scales
    parts = share_out(valid.labels, valid.groups, settings.seed)
    by_fold = calibrate_by_fold(scores, parts, scales)
    held_out = compare_with_base_rates(scores, by_fold, valid.groups, "valid")
    return model, _Judged(valid, scores, calibrate(scores, scales), held_out, [])


def _cross_fitted(
    settings: TrainSettings,
    store: FeatureStore,
    folds: NDArray[np.int64],
    reporters: Sequence[TrainerCallback],
    progress: ProgressCallback,
    log: Log,
) -> tuple[LDDUModel, _Judged] | None:
    rows, folder = rows_to_learn_from(store), Path(settings.output)
    scores = score_by_folds(settings, rows, folds, PASSES, progress, log)
    model = train_model(
        *(settings, rows, None, folder, prefixed(progress, ALL_ROWS), prefixed_log(log, ALL_ROWS)),
        reporters=reporters,
    )
    if model is None or scores is None:
        return None
    progress("calibrate", 0.0)
    scales = model.config.scales
    by_fold = calibrate_by_fold(scores, folds, scales)
    held_out = compare_with_base_rates(scores, by_fold, rows.groups, "folds")
    return model, _Judged(rows, scores, calibrate(scores, scales), held_out, by_fold)


def train_seeds(
    settings: TrainSettings,
    seeds: Sequence[int],
    progress: ProgressCallback,
    show: Show | None = None,
    log: Log = ignore,
) -> dict[str, Any] | None:
    """Train once a seed, each in ``output/seed-N``; write mean and spread to ``metrics.json``.

    Arguments and result are those of `train`. A process that only helps does so for every seed.
    """
    runs: list[dict[str, Any]] = []
    for seed in seeds:
        one = deepcopy(settings)
        one.seed, one.output = seed, str(seed_folder(Path(settings.output), seed))
        name = f"seed {seed}"
        run = train(one, prefixed(progress, name), show, prefixed_log(log, name))
        if run is not None:
            runs.append(run.metrics)
    if not runs:
        return None
    summary: dict[str, Any] = {"seeds": list(seeds)}
    summary[HELD_OUT] = [run.get(HELD_OUT) for run in runs]
    for split in [name for name in runs[0] if name != HELD_OUT]:
        of_split = [run[split] for run in runs]
        summary["synthetic"] = of_split[0][PROTOCOLS[0]]["synthetic"]
        summary[split] = {name: spread([run[name] for run in of_split]) for name in PROTOCOLS}
    write_json(Path(settings.output) / METRICS_FILE, summary)
    return summary


def spread(figures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and sample standard deviation of the figures of several runs."""
    found = {}
    for key in REPORTED:
        values = [item[key] for item in figures if item[key] is not None]
        found[key] = {
            "mean": float(np.mean(values)) if values else None,
            "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
            "values": values,
        }
    return found


def seed_folder(output: Path, seed: int) -> Path:
    """Where the run of one of several seeds is."""
    return output / f"seed-{seed}"


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write figures, whole or not at all."""
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
