"""Audio features: encoder frames pooled in time beside librosa prosody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.extractors.base import SoundExtractor, pool_frames
from lddu_pipe.extractors.prosody import (
    HOP_LENGTH,
    PROSODY_NAMES,
    SAMPLE_RATE,
    SILENCE_DB,
    loudness_db,
    prosody,
)

Encoder = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From (samples,) float32 mono at 16 kHz to (frames, features) float32, 50 frames a second."""


@dataclass(frozen=True)
class AudioSettings:
    """What decides the audio features."""

    encoder: str = "whisper-tiny.en"
    layers: tuple[int, ...] = (1, 2, 3)
    """Which of its layers are heard, side by side; none are named for encoders of other makes."""
    step: float = 0.5
    """Seconds a step; a whole number of 20 ms frames."""
    window: float = 3.0
    """Seconds around each step that are pooled: how something is said shows over a phrase."""
    encoder_size: int = 3 * 384
    """Features of a frame of the encoder."""


class AudioExtractor(SoundExtractor):
    """Turns sound into one row of features each `settings.step` seconds.

    A row holds the mean and the standard deviation, over `settings.window` seconds around the
    step, of the encoder's frames and of the prosody.
    """

    name = "audio"
    settings: AudioSettings

    def __init__(
        self,
        encoder: Encoder,
        settings: AudioSettings,
        weights: Mapping[str, str],
        *,
        space: str | None = None,
    ) -> None:
        """Take an encoder.

        Args:
            encoder: hears the sound.
            settings: what decides the features.
            weights: sha256 by file name.
            space: whose numbers the encoder gives; by default those of `settings.encoder`.
        """
        encoder_names = [f"encoder_{index:04d}" for index in range(settings.encoder_size)]
        super().__init__(
            settings,
            weights,
            space=space or settings.encoder,
            names=(
                f"{name}_{statistic}"
                for statistic in ("mean", "std")
                for name in (*encoder_names, *PROSODY_NAMES)
            ),
        )
        self._encode = encoder

    def extract(self, waveform: NDArray[np.float32], start: float = 0.0) -> ModalitySequence:
        """Extract features from one utterance.

        Args:
            waveform: (samples,) float32 mono at 16 kHz.
            start: seconds of the media at which the waveform begins.

        Returns:
            (ceil(duration / step), features); steps of silence are not valid.
        """
        if not len(waveform):
            return self._sequence(np.zeros((0, self.spec.size), np.float32), [], start, 0.0)
        frames_per_step, frames_per_window = (
            round(seconds * SAMPLE_RATE / HOP_LENGTH)
            for seconds in (self.settings.step, self.settings.window)
        )
        encoded = self._encode(waveform)
        described = prosody(waveform)
        count = min(len(encoded), len(described))
        frames = np.concatenate([encoded[:count], described[:count]], axis=1)
        mean, deviation = pool_frames(frames, frames_per_step, frames_per_window)
        level = loudness_db(waveform)[:count]
        starts = np.arange(0, count, frames_per_step)
        audible = np.maximum.reduceat(level, starts) > SILENCE_DB
        values = np.concatenate([mean, deviation], axis=1)
        return self._sequence(values, audible, start, len(waveform) / SAMPLE_RATE)

    def _sequence(
        self,
        values: NDArray[np.float32],
        valid: NDArray[np.bool_] | list[bool],
        start: float,
        duration: float,
    ) -> ModalitySequence:
        edges = np.minimum(np.arange(len(values) + 1) * self.settings.step, duration) + start
        return self.sequence(values, np.stack([edges[:-1], edges[1:]], axis=1), valid)
