"""Where a voice without words is heard: laughter, sobs, screams.

A detector of speech takes most of them for none. So what is loud enough beside the recognised
words is listened to again, by a network that tells vocal bursts from speech, music and noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.heard import HEARD, SoundConfig, SoundNetwork
from lddu_pipe.extractors.prosody import HOP_LENGTH, SAMPLE_RATE, loudness_db
from lddu_pipe.extractors.whisper_layers import WhisperLayers
from lddu_pipe.types import TimeSpan

FRAME_RATE = SAMPLE_RATE / HOP_LENGTH  # Hz
FLOOR = 10
"""Percentile of the levels of a stretch of sound that is taken for its floor."""
ABOVE = 10.0
"""dB above the floor from which sound is worth listening to."""
GATES = (-60.0, -45.0)
"""dB relative to full scale: what is quieter never is worth it, what is louder always, since a
recording may be laughter from end to end."""
AROUND = 0.5
"""Seconds before and after loud sound that are heard with it."""
PAUSE = 0.5
"""Seconds between two parts of one burst, at most: who laughs draws breath."""
GOES_ON = 0.5
"""Share of the threshold: a burst begins and ends where its probability falls below it."""


class BurstFinder:
    """Whisper's lower layers and the network above them, which all recordings share."""

    def __init__(self, encoder: WhisperLayers, network: SoundNetwork) -> None:
        """Use networks that were loaded; the encoder gives the layers that the network takes."""
        self._encoder = encoder
        self._network = network

    @classmethod
    def load(cls, whisper: Path, network: SoundNetwork, *, device: str = "cpu") -> BurstFinder:
        """Read the encoder; see `WhisperLayers` for `whisper` and `device`.

        Raises:
            IncompatibleModelError: the network takes other frames.
        """
        config = network.config
        encoder = WhisperLayers(whisper, config.layers, device=device)
        if encoder.size != config.encoder_size:
            raise IncompatibleModelError(
                f"the head for sounds takes frames of {config.encoder_size} numbers; layers "
                f"{config.layers} of {whisper.name} give {encoder.size}"
            )
        return cls(encoder, network)

    def over(
        self, samples: NDArray[np.float32], levels: NDArray[np.float32] | None = None
    ) -> Bursts:
        """What there is to find in a stretch of sound.

        Args:
            samples: (samples,) float32 mono at 16 kHz.
            levels: (frames,) dB of what came before, as of `loudness_db`, which counts for the
                floor of a short stretch, too.
        """
        return Bursts(self, samples, levels)

    @property
    def config(self) -> SoundConfig:
        """When a burst is believed."""
        return self._network.config

    def probabilities(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is heard every `config.step` seconds of a sound, as `SoundNetwork` says it."""
        return self._network.probabilities(self._encoder(samples))


class Bursts:
    """The vocal bursts in a stretch of sound, found where they are asked for."""

    def __init__(
        self,
        finder: BurstFinder,
        samples: NDArray[np.float32],
        levels: NDArray[np.float32] | None = None,
    ) -> None:
        """Measure how loud it is."""
        self._finder, self._samples = finder, samples
        self._loud = is_loud(loudness_db(samples), levels)

    def within(self, span: TimeSpan) -> list[TimeSpan]:
        """Where in a span somebody is heard without words.

        Args:
            span: seconds of the sound, of which nothing else is listened to.

        Returns:
            In order, from the first to the last moment that is loud, each of at least
            `SoundConfig.shortest` seconds.
        """
        begin, end = (round(moment * FRAME_RATE) for moment in (span.start, span.end))
        loud = np.flatnonzero(self._loud[begin:end]) + begin
        around = round(AROUND * FRAME_RATE)
        found: list[TimeSpan] = []
        for first, last in _runs(loud, round(PAUSE * FRAME_RATE)):
            if last - first >= self._finder.config.shortest * FRAME_RATE:
                found += self._listen(max(begin, first - around), min(end, last + around))
        return found

    def _listen(self, begin: int, end: int) -> list[TimeSpan]:
        """Where bursts are in a range of frames."""
        config = self._finder.config
        sound = self._samples[begin * HOP_LENGTH : end * HOP_LENGTH]
        steps = self._finder.probabilities(sound)[:, HEARD.index("burst")]
        heard = np.repeat(steps, round(config.step * FRAME_RATE))[: end - begin]
        # Quiet moments are of no burst, though those around them may be.
        lasting = (heard >= GOES_ON * config.threshold) & self._loud[begin : begin + len(heard)]
        return [
            TimeSpan((begin + first) / FRAME_RATE, (begin + last) / FRAME_RATE)
            for first, last in _runs(np.flatnonzero(lasting), round(PAUSE * FRAME_RATE))
            if last - first >= config.shortest * FRAME_RATE
            and heard[first:last].max() >= config.threshold
        ]


def is_loud(
    level: NDArray[np.float32], before: NDArray[np.float32] | None = None
) -> NDArray[np.bool_]:
    """Which frames are worth listening to, given the levels of all, and of those before, in dB."""
    all_levels = level if before is None else np.concatenate([before, level])
    floor = np.percentile(all_levels, FLOOR) if len(all_levels) else GATES[0]
    return np.asarray(level > np.clip(floor + ABOVE, *GATES))


def _runs(frames: NDArray[np.intp], pause: int) -> list[tuple[int, int]]:
    """First frame, and the one after the last, of each run with no longer pause in it."""
    if not len(frames):
        return []
    cuts = np.flatnonzero(np.diff(frames) > pause) + 1
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(frames, cuts)]
