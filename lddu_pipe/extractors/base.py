"""What every extractor has in common: a fingerprint that pins recipe and weights together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass

import numpy as np
from numpy.typing import NDArray


def fingerprint(name: str, settings: object, weights: Mapping[str, str]) -> str:
    """Name an extractor's settings and weights in one short string.

    Two sequences may be used by one model only if their fingerprints are equal.

    Args:
        name: the extractor's name, kept readable at the front.
        settings: a dataclass of plain values.
        weights: sha256 by file name of everything that decides the features.
    """
    if not is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(f"settings of {name} must be a dataclass instance")
    text = json.dumps({"settings": asdict(settings), "weights": dict(weights)}, sort_keys=True)
    return f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def pool_frames(
    frames: NDArray[np.float32], frames_per_step: int, frames_per_window: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation over a window around each step.

    Args:
        frames: (frames, features) float32.
        frames_per_step: how many frames make a step; the last step may hold fewer.
        frames_per_window: how many frames around the middle of a step are pooled, at least those
            of the step; fewer at both ends of the frames.

    Returns:
        Two arrays (ceil(frames / frames_per_step), features) float32.
    """
    if frames_per_window < frames_per_step:
        raise ValueError(f"a window of {frames_per_window} frames is less than a step")
    starts = np.arange(0, len(frames), frames_per_step)
    before = (frames_per_window - frames_per_step) // 2
    first = np.maximum(starts - before, 0)
    last = np.minimum(starts - before + frames_per_window, len(frames))
    counts = (last - first)[:, None]
    wide = frames.astype(np.float64)
    sums = np.concatenate([np.zeros((1, frames.shape[1])), wide.cumsum(axis=0)])
    squares = np.concatenate([np.zeros((1, frames.shape[1])), np.square(wide).cumsum(axis=0)])
    mean = (sums[last] - sums[first]) / counts
    variance = (squares[last] - squares[first]) / counts - np.square(mean)
    deviation = np.sqrt(np.maximum(variance, 0))
    return mean.astype(np.float32), deviation.astype(np.float32)
