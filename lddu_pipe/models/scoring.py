"""A model's raw scores of many rows, for use, for evaluation and for calibration alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from lddu_pipe.evidence import Example
from lddu_pipe.models.batch import Batch, collate_rows, limits_of
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import deviation_size
from lddu_pipe.models.scores import RawScores
from lddu_pipe.types import MODALITIES


def score_rows(
    model: LDDUModel,
    lengths: NDArray[np.int64],
    read: Callable[[NDArray[np.int64]], Batch],
    *,
    aligned: bool,
    passes: int = 0,
    batch_size: int = 64,
    alone: AbstractContextManager[object] | None = None,
    progress: Callable[[float], None] | None = None,
) -> RawScores:
    """Score rows, those with the same modalities and similar lengths together.

    The scores of a row do not depend on the others beyond rounding. A row without any modality is
    not shown to the model.

    Args:
        model: on its device; put into evaluation mode.
        lengths: (rows, modalities) steps of each row, 0 where a modality is absent.
        read: the batch of the rows at some places; a row is asked for once.
        aligned: whether a step is a word.
        passes: dropout passes of the head, for epistemic uncertainty.
        batch_size: rows at once.
        alone: entered for each batch, as `passes` change the model while they last.
        progress: called with the share that is done.
    """
    model.eval()
    config = model.config
    rows, labels, scales = len(lengths), len(config.labels), len(config.scales)
    found = RawScores(
        logits=np.zeros((rows, labels), np.float32),
        deviation=np.zeros((rows, labels), np.float32),
        sampled=np.zeros((rows, passes, labels), np.float32),
        present=(lengths > 0) & [name in config.modalities for name in MODALITIES],
        scale_mean=np.zeros((rows, scales), np.float32),
        scale_deviation=np.zeros((rows, scales), np.float32),
        height=np.full(rows, np.nan, np.float32),
    )
    limits = limits_of(config.max_steps, aligned=aligned)
    steps = np.minimum(lengths, [limits[name] for name in MODALITIES])
    total = np.where(found.present, steps, 0).sum(axis=1)
    done = 0
    for chosen in _batches(found.present, total, lengths.sum(axis=1) > 0, batch_size):
        with alone or nullcontext():
            scored = score_batch(model, read(chosen), passes)
        for name, values in vars(scored).items():
            getattr(found, name)[chosen] = values
        done += len(chosen)
        if progress is not None:
            progress(done / rows)
    return found


def score_examples(
    model: LDDUModel,
    examples: Sequence[Example],
    *,
    passes: int = 0,
    batch_size: int = 64,
    alone: AbstractContextManager[object] | None = None,
) -> RawScores:
    """Score examples in memory, in the order given; see `score_rows`."""
    found = [example.sequences for example in examples]
    aligned = any(example.aligned for example in examples)

    def read(places: NDArray[np.int64]) -> Batch:
        limits = model.config.max_steps
        return collate_rows([found[place] for place in places], limits, aligned=aligned)

    lengths = [[len(item.get(name, ())) for name in MODALITIES] for item in found]
    scores = score_rows(
        *(model, np.reshape(lengths, (-1, len(MODALITIES))), read),
        aligned=aligned,
        passes=passes,
        batch_size=batch_size,
        alone=alone,
    )
    heights = [example.face_height for example in examples]
    return replace(scores, height=np.array(heights, np.float32))


@torch.inference_mode()
def score_batch(model: LDDUModel, batch: Batch, passes: int) -> RawScores:
    """Score the rows of one batch by a model in evaluation mode; see `score_rows`."""
    gathered = model.gather(*batch.to(model.label_embedding.device))
    output = model.classify(gathered)
    parts = [output.logits[None], deviation_size(output)[None]]
    if passes:
        parts.append(model.sample_logits(gathered, passes))
    # One copy from the device, so that it is waited for once.
    logits, deviation, *sampled = torch.cat(parts).float().cpu().numpy()
    return RawScores(
        logits,
        deviation,
        np.reshape(sampled, (passes, *logits.shape)).swapaxes(0, 1),
        output.present.cpu().numpy(),
        output.scale_mean.float().cpu().numpy(),
        torch.exp(output.scale_log_var.float() / 2).cpu().numpy(),
        np.full(len(logits), np.nan, np.float32),
    )


def _batches(
    present: NDArray[np.bool_],
    steps: NDArray[np.int64],
    shown: NDArray[np.bool_],
    size: int,
) -> Iterator[NDArray[np.int64]]:
    """Places of rows that are scored together: with the same modalities, the shortest first."""
    for pattern in np.unique(present[shown], axis=0):
        places = np.flatnonzero(shown & (present == pattern).all(axis=1))
        places = places[np.argsort(steps[places], kind="stable")]
        for begin in range(0, len(places), size):
            yield places[begin : begin + size]
