"""Channels made into one, unless they cancel each other out."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 1.0
"""Seconds for which it is decided once whether channels are added."""

_LOST = 0.25
"""The part of the power of a sum of unrelated sounds below which one has lost too much: 6 dB."""

_LEAST_WEIGHT = 0.15
"""Of the two front channels, in a sum of up to eight: see the downmix in `decode`."""

_FAINT = 1e-8
"""Mean power, -80 dB, up to which it does not matter: silence."""


def mixed(
    parts: Iterable[NDArray[np.float32]], sample_rate: int
) -> Generator[NDArray[np.float32]]:
    """Make one channel of three: a sum, and two channels that it was made of, or the front ones.

    Two microphones of opposite phase, or a cable that was soldered the wrong way, record one voice
    as each other's negative, and their sum is silence. Where the sum of a second has lost more
    than 6 dB against the sum of sounds that have nothing to do with each other, the louder channel
    is taken.

    Args:
        parts: (samples, 3), finite, or (samples, 1), of which nothing is to be decided.
        sample_rate: Hz.

    Yields:
        (samples,) in -1..1, as many as came.
    """
    for block in _blocks(parts, round(BLOCK * sample_rate)):
        yield np.clip(_one_of(block), -1.0, 1.0)


def _one_of(block: NDArray[np.float32]) -> NDArray[np.float32]:
    total = block[:, 0]
    if block.shape[1] == 1:
        return total
    left, right = block[:, 1], block[:, 2]
    # Of more than two channels, the sum has more in it, and less of these.
    weight = 0.5 if np.allclose(total, (left + right) / 2, atol=1e-4) else _LEAST_WEIGHT
    powers = [float(np.mean(np.square(channel, dtype=np.float64))) for channel in (left, right)]
    if sum(powers) <= _FAINT:
        return total
    unrelated = sum(powers) * weight**2
    if np.mean(np.square(total, dtype=np.float64)) >= _LOST * unrelated:
        return total
    # The left one where both are about as loud, so that it is the same one second after second.
    return right if powers[1] > 2 * powers[0] else left


def _blocks(parts: Iterable[NDArray[np.float32]], length: int) -> Iterator[NDArray[np.float32]]:
    """Put parts together to blocks of `length` samples; the last one may be shorter."""
    held: list[NDArray[np.float32]] = []
    count = 0
    for part in parts:
        while len(part):
            taken = part[: length - count]
            held.append(taken)
            count += len(taken)
            part = part[len(taken) :]  # noqa: PLW2901 - what is left of it
            if count == length:
                yield np.concatenate(held)
                held, count = [], 0
    if held:
        yield np.concatenate(held)
