"""Bring modalities to one rate: pool steps into spans, words or fewer steps. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.types import Modality, Word

RESOLUTION = 1e-6
"""Seconds: less shared time is the rounding of two spans that only touch."""


def pooling_weights(
    steps: NDArray[np.float64], valid: NDArray[np.bool_], spans: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Say how much each step counts in each span.

    A step counts by the seconds it shares with the span. Where the span has no length, the steps
    that contain its moment count alike (``start <= moment < end``; at the very end of the
    sequence, the steps that end there). Where no step shares time with the span, steps without
    length that lie in it do, as a still picture's.

    Args:
        steps: (time, 2) float64, start and end in seconds; any order, overlaps allowed.
        valid: (time,) bool, False for steps that never count.
        spans: (span, 2) float64, start and end in seconds.

    Returns:
        (span, time) float64: rows sum to 1, or are all 0 where no valid step counts.
    """
    starts, ends = steps[:, 0], steps[:, 1]
    first, last = spans[:, :1], spans[:, 1:]
    shared = (np.minimum(ends, last) - np.maximum(starts, first)) * valid
    shared[shared < RESOLUTION] = 0.0

    instant = (last - first < RESOLUTION)[:, 0]
    inside = (starts <= first) & (first < ends)
    at_edge = (starts <= first) & (first <= ends) & ~inside.any(axis=1, keepdims=True)
    shared[instant] = ((inside | at_edge) & valid)[instant]

    still = (starts == ends) & (first <= starts) & (starts < last) & valid
    alone = ~instant & ~shared.any(axis=1)
    shared[alone] = still[alone]

    total = shared.sum(axis=1, keepdims=True)
    weights: NDArray[np.float64] = shared / np.where(total > 0, total, 1.0)
    return weights


def pool_to_spans(sequence: ModalitySequence, spans: NDArray[np.float64]) -> ModalitySequence:
    """Return one step a span: the mean of the valid steps, weighted by the seconds they share.

    Args:
        sequence: Any number of steps, in any order.
        spans: (span, 2) float64, start and end in seconds; see `pooling_weights` for spans
            without length.

    Returns:
        A sequence of ``len(spans)`` steps with these spans. A step is not valid where no valid
        step meets its span; its values are 0 and mean nothing.
    """
    weights = pooling_weights(sequence.spans, sequence.valid, spans)
    values = (weights @ sequence.values.astype(np.float64)).astype(np.float32)
    valid = weights.sum(axis=1) > 0
    return replace(sequence, values=values, spans=spans, valid=valid, heights=None)


def align_to_words(
    sequences: Mapping[Modality, ModalitySequence], words: Sequence[Word]
) -> dict[Modality, ModalitySequence]:
    """Bring every modality to one step a word.

    Args:
        sequences: By modality. One whose spans are already the words' stays as it is.
        words: At least one, with times; an utterance without words has nothing to align to, and
            is pooled to its own span with `pool_to_spans`.

    Returns:
        The same modalities, each with ``len(words)`` steps; a modality may have no valid step
        left, where all its valid steps lie between words.

    Raises:
        ValueError: There are no words.
    """
    if not words:
        raise ValueError("aligning needs at least one word")
    spans = np.array([(word.span.start, word.span.end) for word in words], dtype=np.float64)
    return {
        modality: sequence
        if np.array_equal(sequence.spans, spans)
        else pool_to_spans(sequence, spans)
        for modality, sequence in sequences.items()
    }


def concatenate(parts: Sequence[ModalitySequence]) -> ModalitySequence:
    """Make one sequence of parts of it, at least one, in order of time."""
    heights = [part.heights for part in parts if part.heights is not None]
    return replace(
        parts[0],
        values=np.concatenate([part.values for part in parts]),
        spans=np.concatenate([part.spans for part in parts]),
        valid=np.concatenate([part.valid for part in parts]),
        heights=np.concatenate(heights) if len(heights) == len(parts) else None,
    )


def limit_steps(sequence: ModalitySequence, max_steps: int) -> ModalitySequence:
    """Pool neighbouring steps so that at most `max_steps` are left.

    Args:
        sequence: Steps in order of time.
        max_steps: At least 1.

    Returns:
        The sequence itself where it is short enough; else `max_steps` steps, each the mean of the
        valid ones among an equal share (to one step) of neighbours, over all their time.

    Raises:
        ValueError: `max_steps` is below 1.
    """
    if max_steps < 1:
        raise ValueError(f"max_steps is at least 1, got {max_steps}")
    if len(sequence) <= max_steps:
        return sequence
    values, valid = pool_neighbours(sequence.values, sequence.valid, max_steps)
    firsts = _first_steps(len(sequence), max_steps)
    starts = np.minimum.reduceat(sequence.spans[:, 0], firsts)
    ends = np.maximum.reduceat(sequence.spans[:, 1], firsts)
    spans = np.stack([starts, ends], axis=1)
    return replace(sequence, values=values, spans=spans, valid=valid, heights=None)


def pool_neighbours(
    values: NDArray[np.float32], valid: NDArray[np.bool_], max_steps: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean of the valid steps in each of `max_steps` runs of neighbours.

    Args:
        values: (time, features) float32.
        valid: (time,) bool.
        max_steps: At least 1; sequences that are not longer come back as they are.

    Returns:
        (max_steps, features) float32, 0 where a run has no valid step, and (max_steps,) bool.
    """
    if len(values) <= max_steps:
        return values, valid
    firsts = _first_steps(len(values), max_steps)
    counts = np.add.reduceat(valid, firsts, dtype=np.int64)
    kept = np.where(valid[:, None], values.astype(np.float64), 0.0)
    means = np.add.reduceat(kept, firsts, axis=0) / np.maximum(counts, 1)[:, None]
    return means.astype(np.float32), counts > 0


def _first_steps(steps: int, runs: int) -> NDArray[np.int64]:
    """Where each of `runs` runs of equal length, to one step, begins."""
    return np.arange(runs) * steps // runs
