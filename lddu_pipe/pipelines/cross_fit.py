"""Scores of every row by a model that has not learned from it: one training a fold.

The folds choose nothing: each training goes through all epochs and takes the last, so that no row
has had a say in the model that scores it. As in scikit-learn's ``CalibratedClassifierCV`` with
``ensemble=False``, what is fitted on these scores then serves a model that has learned from all.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from lddu_pipe.datasets.selection import Selection
from lddu_pipe.files import write_whole
from lddu_pipe.models.scores import put_together
from lddu_pipe.training.progress import Log, ProgressCallback, prefixed, prefixed_log, shown_time
from lddu_pipe.training.run import FOLDS, is_first, remove_checkpoints, train_model
from lddu_pipe.training.scoring import LabelledScores, score_labelled
from lddu_pipe.training.settings import TrainSettings

SCORES_FILE = "scores.safetensors"
SECONDS_BETWEEN_LINES = 10.0
"""In the log of a fold, whose epochs are short."""


def score_by_folds(
    settings: TrainSettings,
    rows: Selection,
    folds: NDArray[np.int64],
    passes: int,
    progress: ProgressCallback,
    log: Log,
) -> LabelledScores | None:
    """Train once a fold, on the rows of the others, and score the rows of the fold.

    Folds that were finished before an interruption are not trained again.

    Args:
        settings: of the run, in whose folder the folds are kept until it has ended.
        rows: all of them.
        folds: (rows,) the fold of each.
        passes: see `score_labelled`.
        progress: called with each stage and the share of it that is done.
        log: given a line now and then.

    Returns:
        Scores of all rows in their order; None in a process that only helped.
    """
    count = int(folds.max()) + 1
    begun, trained = time.monotonic(), 0
    found: list[tuple[NDArray[np.bool_], LabelledScores]] = []
    for fold in range(count):
        folder = Path(settings.output) / FOLDS / str(fold)
        path, held = folder / SCORES_FILE, folds == fold
        name = f"fold {fold + 1}/{count}"
        if not path.is_file():
            if is_first():  # which has made sure before that the run's folder is its own
                folder.mkdir(parents=True, exist_ok=True)
            model = train_model(
                settings,
                rows.at(~held),
                None,
                folder,
                prefixed(progress, name),
                _now_and_then(prefixed_log(log, name)),
            )
            if model is None:
                continue
            write_whole(path, save(vars(score_labelled(model, rows.at(held), passes=passes))))
            remove_checkpoints(folder)
            trained += 1
            # The model of all rows is still to come, and takes about as long as a fold.
            left = (time.monotonic() - begun) / trained * (count - fold)
            log(f"{name}: {held.sum()} rows scored, about {shown_time(left)} left")
        found.append((held, LabelledScores(**load_file(path))))
    return put_together(found) if is_first() else None


def _now_and_then(log: Log) -> Log:
    last = time.monotonic()

    def sparing(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            log(line)

    return sparing
