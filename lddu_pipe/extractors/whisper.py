"""Whisper through faster-whisper: loaded once a process, used for words and for audio features."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz
FRAME_SHIFT = 0.02  # seconds between encoder frames (Radford et al. 2022, section 2.2)
MAX_WINDOW = 30.0  # seconds; the positions the encoder was trained on


@lru_cache(maxsize=2)
def load_whisper(folder: Path, device: str, threads: int = 1) -> WhisperModel:
    """Load a CTranslate2 Whisper model, or return the one that is already in memory.

    Args:
        folder: holds ``model.bin``, ``config.json``, ``tokenizer.json`` and the vocabulary.
        device: "cpu" or "cuda".
        threads: of the processor. The smallest Whisper gains little from a second one, which is
            better spent on faces.
    """
    # int8 on a processor is twice as fast; its encoder frames differ by 4 % of their spread.
    compute_type = "int8" if device == "cpu" else "float16"
    return WhisperModel(str(folder), device=device, compute_type=compute_type, cpu_threads=threads)


def encode_frames(model: WhisperModel, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Encoder frames of a stretch of sound, without padding it to thirty seconds.

    Args:
        model: from `load_whisper`.
        waveform: (samples,) float32 mono at 16 kHz, any length of at least one sample.

    Returns:
        (frames, features) float32, one row each 20 ms.
    """
    window = int(MAX_WINDOW * SAMPLE_RATE)
    # The convolutions halve the mel frames, so an even number of hops is needed.
    hop = int(FRAME_SHIFT * SAMPLE_RATE)
    parts = []
    for start in range(0, len(waveform), window):
        piece = waveform[start : start + window]
        missing = -len(piece) % hop
        mel = model.feature_extractor(np.pad(piece, (0, missing)), padding=0)
        parts.append(np.asarray(model.encode(mel))[0])
    frames: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
    return frames
