"""The inbox of sound: pieces as they come, made one sound without gaps."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.pipelines.live.clock import Clock
from lddu_pipe.pipelines.sources import read_waveform

JITTER = 0.06
"""Seconds by which a piece may be early or late against those before it and still follow them."""
LONGEST_PIECE = 1.0
"""Seconds of sound that are taken at once, at most."""


class Microphone:
    """Takes pieces from the caller's threads, and gives one sound to one other thread."""

    def __init__(self, sample_rate: int, clock: Clock) -> None:
        """Nothing was heard yet.

        Args:
            sample_rate: Hz of what is given.
            clock: of the session.

        Raises:
            UnusableInputError: the rate is not one of sound.
        """
        if isinstance(sample_rate, bool) or not isinstance(sample_rate, int | np.integer):
            raise UnusableInputError(f"audio_rate is a whole number of Hz, got {sample_rate!r}")
        read_waveform(np.zeros(1, np.float32), int(sample_rate))
        self._rate = sample_rate
        self._clock = clock
        self._count = 0
        """Samples that were given so far, silence for gaps among them."""
        self._waiting: deque[NDArray[np.float32] | int] = deque()
        """Pieces, and gaps of so many samples."""
        self._news = threading.Condition()
        self._closed = False
        self._resampler = None
        if sample_rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(sample_rate, SAMPLE_RATE, 1)
        self.silence = 0.0
        """Seconds of gaps."""

    @property
    def heard(self) -> float:
        """Seconds of the session up to which sound was given."""
        return self._count / self._rate

    def hear(self, samples: ArrayLike, at: float | None) -> None:
        """Take a piece; see `Live.hear`."""
        if not np.size(np.asarray(samples)):
            return
        # Its rate is dealt with later: pieces that are converted one by one do not fit together.
        piece = read_waveform(samples, SAMPLE_RATE)
        if at is None:
            self._clock.begin()
        with self._news:
            if at is not None:
                place = round(self._clock.seconds(at) * self._rate)
                late = place - self._count
                if late > JITTER * self._rate:
                    self._add_silence(late)
                elif late < -JITTER * self._rate:
                    piece = piece[-late:]
            if len(piece):
                self._waiting.append(piece)
                self._count += len(piece)
                self._news.notify_all()

    def expect(self, moment: float) -> None:
        """Take for silence what was not given up to a moment of the session, in seconds."""
        with self._news:
            missing = round(moment * self._rate) - self._count
            if missing > 0:
                self._add_silence(missing)
                self._news.notify_all()

    def _add_silence(self, count: int) -> None:
        self._waiting.append(count)
        self._count += count
        self.silence += count / self._rate

    def close(self) -> None:
        """Nothing more comes."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def take(self, timeout: float) -> NDArray[np.float32] | None:
        """What comes next, (samples,) mono at 16 kHz, up to `LONGEST_PIECE` seconds of it.

        Args:
            timeout: seconds to wait where nothing is there.

        Returns:
            None after the last; nothing where none came in that time.
        """
        with self._news:
            if not self._waiting and not self._closed:
                self._news.wait(timeout)
            if not self._waiting:
                if not self._closed:
                    return np.zeros(0, np.float32)
                rest, self._resampler = self._resampler, None
                if rest is None:
                    return None
                return np.asarray(rest.resample_chunk(np.zeros(0, np.float32), last=True))
            piece = self._next(round(LONGEST_PIECE * self._rate))
        if self._resampler is None:
            return piece
        return np.asarray(np.clip(self._resampler.resample_chunk(piece), -1.0, 1.0), np.float32)

    def _next(self, most: int) -> NDArray[np.float32]:
        first = self._waiting.popleft()
        if isinstance(first, int):
            if first > most:
                self._waiting.appendleft(first - most)
            return np.zeros(min(first, most), np.float32)
        if len(first) > most:
            self._waiting.appendleft(first[most:])
        return first[:most]
