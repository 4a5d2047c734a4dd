"""What each part of the model is worth: trainings without it, on the same rows and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe import bootstrap
from lddu_pipe.datasets.store import FeatureStore, open_store
from lddu_pipe.pipelines.checkpoint import Checkpoint, load_checkpoint
from lddu_pipe.pipelines.evaluate_store import PASSES, PROTOCOLS, evaluate_scores, evaluate_store
from lddu_pipe.pipelines.evaluation import figures_of_draws, resampled
from lddu_pipe.pipelines.held_out import calibrate
from lddu_pipe.pipelines.plan import plan_of_store
from lddu_pipe.pipelines.train import REPORTED, Show, seed_folder, spread, train_seeds, write_json
from lddu_pipe.predictions import Answers
from lddu_pipe.training.progress import Log, ProgressCallback, ignore, prefixed, prefixed_log
from lddu_pipe.training.run import is_first
from lddu_pipe.training.scoring import LabelledScores, score_labelled
from lddu_pipe.training.settings import TrainSettings
from lddu_pipe.types import MODALITIES

FULL = "full"
LATE_FUSION = "late fusion"
ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    FULL: {},
    "no contrastive loss": {"loss": {"contrastive_weight": 0.0}},
    "no calibration loss": {"loss": {"calibration_weight": 0.0}},
    "no sigma branch": {"model": {"fusion": "no_sigma"}},
    "no gate": {"model": {"fusion": "ungated"}},
    "means only": {"model": {"fusion": "mean_only"}},
    "direct only": {"model": {"fusion": "direct_only"}},
    **{f"{name} alone": {"model": {"modalities": [name]}} for name in MODALITIES},
}
"""What each changes: as in the paper's table, and further."""


def ablate(
    settings: TrainSettings,
    seeds: Sequence[int],
    progress: ProgressCallback,
    show: Show | None = None,
    log: Log = ignore,
) -> dict[str, Any] | None:
    """Train the full model and each ablation on the same data, over the same seeds.

    ``late fusion`` is trained no further: it answers with the mean of the logits of the models of
    single modalities that a row has, calibrated on the valid split as these are. Where the split
    is too small, so that models are cross-fitted, it is left out.

    Returns:
        By ablation what `train_seeds` returns, and ``minus_full`` where there is a test split:
        the mean over seeds of the difference to the full model of the same seed, by figure, and
        its ``interval`` over draws of test rows, the same for all; see `lddu_pipe.bootstrap`.
        None in a process that only helped.
    """
    results: dict[str, Any] = {}
    for name, changes in ABLATIONS.items():
        one = _changed(settings, name, changes)
        found = train_seeds(one, seeds, prefixed(progress, name), show, prefixed_log(log, name))
        if found is not None:
            results[name] = found
    if not is_first():
        return None
    store = open_store(settings.data)
    if "test" in store.splits:
        answers: dict[str, list[Answers]] = {}
        for name in ABLATIONS:
            progress(f"{name}: compare", 0.0)
            folders = [seed_folder(_folder(settings, name), seed) for seed in seeds]
            answers[name] = [
                evaluate_store(load_checkpoint(folder), store).answers for folder in folders
            ]
        if plan_of_store(store, settings.seed).folds is None:
            progress(LATE_FUSION, 0.0)
            results[LATE_FUSION], answers[LATE_FUSION] = _late_fusion(settings, seeds, store)
        for name, of_seeds in answers.items():
            if name != FULL:
                results[name]["minus_full"] = differences(answers[FULL], of_seeds)
    write_json(Path(settings.output) / "ablations.json", results)
    return results


def differences(full: Sequence[Answers], other: Sequence[Answers]) -> dict[str, Any]:
    """How far another model is from the full one on the same rows, in the mean over seeds.

    Args:
        full: of each seed.
        other: of the same seeds.

    Returns:
        By figure of `REPORTED`, ``difference`` (other - full) and ``interval``, None where there
        is none.
    """
    pairs = [
        (figures_of_draws(one), figures_of_draws(another))
        for one, another in zip(full, other, strict=True)
    ]

    def of_draws(counts: bootstrap.Counts) -> bootstrap.Draws:
        drawn = [(one(counts), another(counts)) for one, another in pairs]
        return {
            key: np.mean([b[key] - a[key] for a, b in drawn], axis=0)
            for key in drawn[0][0]
            if key[0] is None and key[1] in REPORTED
        }

    drawn, _ = resampled(of_draws, full[0], bootstrap.RESAMPLES)
    once = of_draws(np.ones((1, len(full[0].ids)), np.int64))
    found = {}
    for key, value in once.items():
        interval = bootstrap.interval(drawn[key])
        found[str(key[1])] = {
            "difference": float(value[0]),
            "interval": None if interval is None else list(interval),
        }
    return found


def _late_fusion(
    settings: TrainSettings, seeds: Sequence[int], store: FeatureStore
) -> tuple[dict[str, Any], list[Answers]]:
    """What `train_seeds` would return of it, and its answers to the test rows of each seed."""
    summary: dict[str, Any] = {"seeds": list(seeds), "synthetic": store.info.synthetic}
    figures: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    answers = []
    for seed in seeds:
        models = [
            load_checkpoint(seed_folder(_folder(settings, f"{name} alone"), seed))
            for name in MODALITIES
        ]
        scores = {split: _mean_scores(models, store, split) for split in ("valid", "test")}
        calibration = calibrate(scores["valid"], models[0].config.scales)
        fused = replace(models[0], calibration=calibration)
        for split, raw in scores.items():
            for protocol in PROTOCOLS:
                found = evaluate_scores(fused, store.split(split), split, raw, protocol)
                figures.setdefault((split, protocol), []).append(found.figures)
                if (split, protocol) == ("test", PROTOCOLS[0]):
                    answers.append(found.answers)
    for (split, by), of_seeds in figures.items():
        summary.setdefault(split, {})[by] = spread(of_seeds)
    return summary, answers


def _mean_scores(models: Sequence[Checkpoint], store: FeatureStore, split: str) -> LabelledScores:
    """Means over the models whose modality a row has."""
    parts = [score_labelled(item.model, store.split(split), passes=PASSES) for item in models]
    present = np.any([part.present for part in parts], axis=0)
    own = np.stack([part.present.any(axis=1) for part in parts])[:, :, None]

    def mean(name: str) -> NDArray[np.float32]:
        values = np.stack([getattr(part, name) for part in parts])
        weights = own[..., None] if values.ndim > own.ndim else own
        found: NDArray[np.float32] = (values * weights).sum(axis=0) / weights.sum(axis=0)
        return found

    meant = ("logits", "deviation", "sampled", "scale_mean", "scale_deviation")
    return replace(parts[0], present=present, **{name: mean(name) for name in meant})


def _changed(
    settings: TrainSettings, name: str, changes: Mapping[str, Mapping[str, Any]]
) -> TrainSettings:
    one = deepcopy(settings)
    for part, values in changes.items():
        for key, value in values.items():
            setattr(getattr(one, part), key, value)
    one.output = str(_folder(settings, name))
    return one


def _folder(settings: TrainSettings, name: str) -> Path:
    return Path(settings.output) / name.replace(" ", "-")
