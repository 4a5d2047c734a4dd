"""Whisper through faster-whisper: loaded once a process, used for words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from faster_whisper import WhisperModel

SAMPLE_RATE = 16_000  # Hz


@lru_cache(maxsize=2)
def load_whisper(folder: Path, device: str, threads: int = 1) -> WhisperModel:
    """Load a CTranslate2 Whisper model, or return the one that is already in memory.

    Args:
        folder: holds ``model.bin``, ``config.json``, ``tokenizer.json`` and the vocabulary.
        device: "cpu" or "cuda".
        threads: of the processor. The smallest Whisper gains little from a second one, which is
            better spent on faces.
    """
    # int8 on a processor is twice as fast.
    compute_type = "int8" if device == "cpu" else "float16"
    return WhisperModel(str(folder), device=device, compute_type=compute_type, cpu_threads=threads)
