"""From settings to a calibrated model with honest figures: one run, several seeds, ablations."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.pipelines.calibration import MINIMUM_ROWS, fit_calibration
from lddu_pipe.pipelines.checkpoint import load_checkpoint, save_checkpoint
from lddu_pipe.pipelines.evaluate_store import PROTOCOLS, evaluate_scores
from lddu_pipe.pipelines.evaluation import Evaluation
from lddu_pipe.training.run import (
    MODEL_FOLDER,
    check_store,
    claim,
    is_first,
    remove_checkpoints,
    train_model,
)
from lddu_pipe.training.scoring import score_rows
from lddu_pipe.training.settings import TrainSettings

METRICS_FILE = "metrics.json"
FIGURES_FOLDER = "figures"
REPORTED = ("micro_f1", "macro_f1", "jaccard_accuracy", "gap", "ece", "brier", "aurc")
"""Figures of which several runs give mean and spread."""
ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "full": {},
    "no contrastive loss": {"loss": {"contrastive_weight": 0.0}},
    "no calibration loss": {"loss": {"calibration_weight": 0.0}},
    "no sigma branch": {"model": {"fusion": "no_sigma"}},
    "no gate": {"model": {"fusion": "ungated"}},
    "means only": {"model": {"fusion": "mean_only"}},
}
"""What each ablation changes, as in the paper's table."""

Hook = Callable[[str, float], None]
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


def train(settings: TrainSettings, tell: Hook, show: Show | None = None) -> Run | None:
    """Train, calibrate on the valid split, and touch the test split once.

    The run's folder then holds ``settings.json``, ``environment.json``, ``history.json``,
    ``metrics.json``, ``tensorboard/``, ``model/``, which pipelines load, and ``figures/`` where
    `show` draws. ``metrics.json`` comes last: a run that has it is whole.

    Args:
        settings: as `read_settings` checked them.
        tell: told of stages and the share that is done.
        show: draws the last split, once a protocol; no pictures where None.

    Returns:
        None in a process that only helped another.

    Raises:
        UnusableInputError: the data, the folder or the device cannot be used.
    """
    folder = Path(settings.output)
    store = open_store(settings.data)
    check_store(store)
    rows = len(store.split("valid"))
    if rows < MINIMUM_ROWS:
        raise UnusableInputError(
            f"{store.folder}: valid is too small, {rows} of at least {MINIMUM_ROWS} rows that "
            "choosing and calibrating need"
        )
    claim(folder, settings)
    done = folder / METRICS_FILE
    if done.is_file():
        remove_checkpoints(settings)  # if the end came between the two
        found = json.loads(done.read_text(encoding="utf-8"))
        return Run(folder, found, {}) if is_first() else None
    model = train_model(settings, store, tell)
    if model is None:
        return None
    tell("calibrate", 0.0)
    valid = score_rows(model, store.split("valid"))
    calibration, _ = fit_calibration(valid.logits, valid.labels, valid.deviation, valid.present)
    save_checkpoint(folder / MODEL_FOLDER, model, calibration, [store.folder])
    checkpoint = load_checkpoint(folder / MODEL_FOLDER)
    metrics: dict[str, Any] = {}
    evaluations: dict[str, Evaluation] = {}
    for split in [name for name in ("valid", "test") if name in store.splits]:
        tell(f"evaluate on {split}", 0.0)
        raw = score_rows(checkpoint.model, store.split(split), passes=16)
        evaluations = {
            protocol: evaluate_scores(checkpoint, store, split, raw, protocol)
            for protocol in PROTOCOLS
        }
        metrics[split] = {name: item.figures for name, item in evaluations.items()}
    if show is not None:
        tell("draw", 0.0)
        for protocol, item in evaluations.items():
            show(folder / FIGURES_FOLDER / protocol, item)
    _write_json(folder / METRICS_FILE, metrics)
    remove_checkpoints(settings)
    return Run(folder, metrics, evaluations)


def train_seeds(
    settings: TrainSettings, seeds: Sequence[int], tell: Hook, show: Show | None = None
) -> dict[str, Any] | None:
    """Train once a seed, each in ``output/seed-N``; write mean and spread to ``metrics.json``.

    Arguments and result are those of `train`. A process that only helps does so for every seed.
    """
    runs: list[dict[str, Any]] = []
    for seed in seeds:
        one = deepcopy(settings)
        one.seed, one.output = seed, str(Path(settings.output) / f"seed-{seed}")
        run = train(one, _prefixed(tell, f"seed {seed}"), show)
        if run is not None:
            runs.append(run.metrics)
    if not runs:
        return None
    summary: dict[str, Any] = {"seeds": list(seeds)}
    for split in runs[0]:
        of_split = [run[split] for run in runs]
        summary["synthetic"] = of_split[0][PROTOCOLS[0]]["synthetic"]
        summary[split] = {name: spread([run[name] for run in of_split]) for name in PROTOCOLS}
    _write_json(Path(settings.output) / METRICS_FILE, summary)
    return summary


def ablate(
    settings: TrainSettings, seeds: Sequence[int], tell: Hook, show: Show | None = None
) -> dict[str, Any] | None:
    """Train the full model and each ablation on the same data, over the same seeds."""
    results: dict[str, Any] = {}
    for name, changes in ABLATIONS.items():
        one = deepcopy(settings)
        for part, values in changes.items():
            for key, value in values.items():
                setattr(getattr(one, part), key, value)
        one.output = str(Path(settings.output) / name.replace(" ", "-"))
        found = train_seeds(one, seeds, _prefixed(tell, name), show)
        if found is not None:
            results[name] = found
    if not results:
        return None
    _write_json(Path(settings.output) / "ablations.json", results)
    return results


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


def _prefixed(tell: Hook, prefix: str) -> Hook:
    return lambda stage, share: tell(f"{prefix} · {stage}", share)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
