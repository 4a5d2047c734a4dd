"""Where a voice is heard, while it is heard: the voice detector on sound that goes on."""

from __future__ import annotations

import numpy as np
from faster_whisper.vad import get_vad_model
from numpy.typing import NDArray

from lddu_pipe.extractors.whisper import SAMPLE_RATE

CHUNK = 512
"""Samples of which the detector says at once whether a voice is in them."""
VOICE, NO_VOICE = 0.5, 0.35
"""Probability from which a voice begins, and below which it ends, as faster-whisper has them."""
_CONTEXT = 64  # samples before each chunk that the detector hears with it
_STATE = (1, 1, 128)


class VoiceActivity:
    """Silero's detector, which ships with faster-whisper, and what it remembers."""

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._session = get_vad_model().session
        self._memory = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        self._context = np.zeros(_CONTEXT, np.float32)
        self._rest = np.zeros(0, np.float32)
        self._heard = 0
        self._voiced = False
        self._runs: list[tuple[int, int]] = []

    @property
    def heard(self) -> float:
        """Seconds of sound of which it is known whether a voice is in it."""
        return self._heard / SAMPLE_RATE

    @property
    def voiced(self) -> bool:
        """Whether a voice was heard at the end."""
        return self._voiced

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Listen to what comes next, (samples,) mono at 16 kHz; how it is cut changes nothing."""
        sound = np.concatenate([self._rest, samples])
        count = len(sound) // CHUNK
        self._rest = sound[count * CHUNK :]
        if not count:
            return
        chunks = sound[: count * CHUNK].reshape(count, CHUNK)
        before = np.concatenate([self._context[None], chunks[:-1, -_CONTEXT:]])
        self._context = chunks[-1, -_CONTEXT:].copy()
        rows = np.concatenate([before, chunks], axis=1).astype(np.float32)
        hidden, cell = self._memory
        found, *memory = self._session.run(None, {"input": rows, "h": hidden, "c": cell})
        self._memory = memory[0], memory[1]
        for probability in found.reshape(-1).tolist():
            self._voiced = probability >= (NO_VOICE if self._voiced else VOICE)
            end = self._heard + CHUNK
            if self._voiced and self._runs and self._runs[-1][1] == self._heard:
                self._runs[-1] = self._runs[-1][0], end
            elif self._voiced:
                self._runs.append((self._heard, end))
            self._heard = end

    def runs(self, since: float) -> list[tuple[float, float]]:
        """Start and end of each stretch with a voice after a moment, in seconds.

        The last one may go on. What lies before that moment is forgotten.
        """
        begin = round(since * SAMPLE_RATE)
        self._runs = [run for run in self._runs if run[1] > begin]
        return [(max(a, begin) / SAMPLE_RATE, b / SAMPLE_RATE) for a, b in self._runs]
