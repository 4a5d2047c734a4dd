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
    frames: NDArray[np.float32], frames_per_step: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation over runs of consecutive frames.

    Args:
        frames: (frames, features) float32.
        frames_per_step: how many frames make a step; the last step may hold fewer.

    Returns:
        Two arrays (ceil(frames / frames_per_step), features) float32.
    """
    starts = np.arange(0, len(frames), frames_per_step)
    counts = np.diff(np.append(starts, len(frames)))[:, None]
    wide = frames.astype(np.float64)
    mean = np.add.reduceat(wide, starts, axis=0) / counts
    square = np.add.reduceat(wide**2, starts, axis=0) / counts
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    return mean.astype(np.float32), deviation.astype(np.float32)
