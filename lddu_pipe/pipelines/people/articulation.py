"""How mouths move, and how well that goes with a sound.

Lips and jaw follow the envelope of the voice, above all between 2 and 7 Hz, the rate of syllables,
and are ahead of it by about a tenth of a second (Chandrasekaran et al. 2009, "The natural
statistics of audiovisual speech"). In which of its shapes, and with which sign, differs from mouth
to mouth: who smiles between words closes the lips as the voice begins. So `coherence` learns from
the recording itself how a mouth goes with a voice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.prosody import HOP_LENGTH, SAMPLE_RATE

FRAME_LENGTH = 512  # samples; 32 ms
BAND_EDGES = (150.0, 250.0, 400.0, 650.0, 1050.0, 1700.0, 2700.0, 4400.0, 7000.0)  # Hz
AUDIBLE = 45.0  # dB below the loudest so far in a band; what is fainter is as if it were silent
LAGS = (-0.1, 0.0, 0.1, 0.2)  # s by which what is heard is later than what is seen
SHARP, SLOW = 0.05, 1.0
"""Seconds on either side over which levels are averaged, and of the mean that is taken off: what
changes more slowly than syllables says little."""
RIDGE = 3.0  # of the rows: how strongly weights are drawn to zero
FOLDS = 5

_SHAPES: dict[str, tuple[float, tuple[str, ...]]] = {
    "jaw_open": (2.0, ("",)),
    "mouth_close": (1.0, ("",)),
    "mouth_funnel": (1.0, ("",)),
    "mouth_pucker": (0.4, ("",)),
    "mouth_roll": (0.5, ("_lower", "_upper")),
    "mouth_lower_down": (0.5, ("_left", "_right")),
    "mouth_upper_up": (0.4, ("_left", "_right")),
    "mouth_stretch": (0.5, ("_left", "_right")),
    "mouth_press": (0.4, ("_left", "_right")),
    "mouth_smile": (0.0, ("_left", "_right")),
}
"""Shapes of the mouth, how much a change of each counts as speaking, and the parts that it is the
mean of. A smile comes and goes without a word; but how it gives way to words is told apart."""
MOUTH: tuple[str, ...] = tuple(
    name + part for name, (_, parts) in _SHAPES.items() for part in parts
)
"""Names of the blendshapes that are looked at."""
SHAPES = len(_SHAPES)

_WEIGHTS = np.array([weight for weight, _ in _SHAPES.values()], np.float32)
_MEAN = np.array(
    [
        [1 / len(parts) if name in [shape + part for part in parts] else 0 for name in MOUTH]
        for shape, (_, parts) in _SHAPES.items()
    ],
    np.float32,
).T


def shapes_of(mouth: NDArray[np.float32]) -> NDArray[np.float32]:
    """The shapes of a mouth, (n, SHAPES) in 0..1, of its blendshapes, (n, len(MOUTH))."""
    return np.asarray(mouth @ _MEAN, np.float32)


def movement(shapes: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much a mouth changes from each row to the next, (n - 1,)."""
    return np.asarray(np.abs(np.diff(shapes, axis=0)) @ _WEIGHTS, np.float32)


class HeardSound:
    """The levels of a sound in bands of frequency, 50 times a second, as it is heard."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)
        self._loudest = np.full(len(BAND_EDGES) - 1, -np.inf)
        self._sums = np.zeros((1, len(BAND_EDGES) - 1))
        self._first = 0

    def add(self, sound: NDArray[np.float32]) -> None:
        """Take in what comes next, (samples,) mono at 16 kHz; how it is cut changes nothing."""
        self._rest = np.concatenate([self._rest, sound])
        if len(self._rest) < FRAME_LENGTH:
            return
        levels = _band_levels(self._rest)
        self._rest = self._rest[len(levels) * HOP_LENGTH :]
        loudest = np.maximum.accumulate(np.concatenate([self._loudest[None], levels]), axis=0)
        self._loudest = loudest[-1]
        audible = np.maximum(levels, loudest[1:] - AUDIBLE) / 10
        sums = np.cumsum(np.concatenate([self._sums[-1:], audible]), axis=0)
        self._sums = np.concatenate([self._sums, sums[1:]])

    def forget(self, before: float) -> None:
        """Let go of what nobody needs who asks for what is around later moments, in seconds."""
        needless = before + min(LAGS) - SLOW - SHARP
        gone = max(0, min(_frame(needless) - self._first, len(self._sums) - 1))
        self._sums = self._sums[gone:].copy()
        self._first += gone

    def around(self, times: NDArray[np.float64], until: float) -> NDArray[np.float64] | None:
        """What is heard around some moments.

        Args:
            times: (n,) seconds.
            until: seconds; what is heard later is not looked at.

        Returns:
            (n, bands * len(LAGS)): by how many times 10 dB a band is louder than on average;
            None where nothing was heard.
        """
        last = min(_frame(until), self._first + len(self._sums) - 1)
        if last <= self._first:
            return None
        return np.concatenate(
            [
                self._mean(times + lag, SHARP, last) - self._mean(times + lag, SLOW, last)
                for lag in LAGS
            ],
            axis=1,
        )

    def _mean(self, times: NDArray[np.float64], reach: float, last: int) -> NDArray[np.float64]:
        """Levels, averaged over some seconds on either side, of frames before `last`."""
        middle = np.rint(times * SAMPLE_RATE / HOP_LENGTH).astype(int)
        frames = round(reach * SAMPLE_RATE / HOP_LENGTH)
        begin = np.clip(middle - frames, self._first, last - 1) - self._first
        end = np.clip(middle + frames, begin + 1 + self._first, last) - self._first
        return np.asarray((self._sums[end] - self._sums[begin]) / (end - begin)[:, None])


def _frame(moment: float) -> int:
    """The number of frames that are over at a moment, in seconds."""
    return max(0, int((moment * SAMPLE_RATE - FRAME_LENGTH) // HOP_LENGTH + 1))


def _band_levels(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """The levels of a sound in dB, (frames, bands); frame i begins at sample i * HOP_LENGTH."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME_LENGTH)[::HOP_LENGTH]
    window = np.hanning(FRAME_LENGTH).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * window, axis=1)))
    edges = np.searchsorted(np.fft.rfftfreq(FRAME_LENGTH, 1 / SAMPLE_RATE), BAND_EDGES)
    summed = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    return np.asarray(10 * np.log10(summed + 1e-9))


def without_trend(shapes: NDArray[np.float32], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapes of a mouth less their means over `SLOW` seconds on either side, (n, SHAPES).

    Their square roots are taken first, since most shapes are close to 0 most of the time.
    """
    roots = np.sqrt(np.maximum(shapes, 0)).astype(np.float64)
    sums = np.concatenate([np.zeros((1, roots.shape[1])), np.cumsum(roots, axis=0)])
    begin = np.searchsorted(times, times - SLOW)
    end = np.searchsorted(times, times + SLOW, side="right")
    return np.asarray(roots - (sums[end] - sums[begin]) / (end - begin)[:, None])


def coherence(sound: NDArray[np.float64], mouth: NDArray[np.float64]) -> float:
    """How much better a mouth is foretold with a sound than without.

    Ridge regression learns on a part of the rows how the mouth goes with the sound, and foretells
    the others.

    Args:
        sound: (n, features), as of `HeardSound.around`.
        mouth: (n, shapes), as of `without_trend`, at the same moments.

    Returns:
        Nats: the logarithm of the ratio of both likelihoods, over all rows and shapes; below 0
        where what was learnt does not hold in the rows that it was not learnt from.
    """
    fold = np.arange(len(sound)) * FOLDS // max(1, len(sound))
    scaled = sound / (sound.std(axis=0) + 0.1)
    products, crossed, energy = scaled.T @ scaled, scaled.T @ mouth, np.square(mouth).sum(axis=0)
    gain = 0.0
    for number in range(FOLDS if len(sound) >= 2 * FOLDS else 0):
        here = fold == number
        heard, seen, others = scaled[here], mouth[here], len(sound) - int(here.sum())
        penalty = RIDGE * others * np.eye(scaled.shape[1])
        weights = np.linalg.solve(products - heard.T @ heard + penalty, crossed - heard.T @ seen)
        squares = np.square(seen)
        variance = (energy - squares.sum(axis=0)) / others + 1e-4
        better = squares - np.square(seen - heard @ weights)
        gain += float((better / (2 * variance)).sum())
    return gain
