"""Sound that goes on, of which the latest is held."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

_SPARE = 1 << 16  # samples that may lie before those that are held, until they are moved


class RecentSound:
    """(samples,) float32 that comes bit by bit; what nobody asks for any more is let go.

    Places are samples since the beginning, whatever was let go. Several threads may use it.
    """

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._held = np.zeros(_SPARE, np.float32)
        self._first = 0
        """Place of the first sample that lies in memory."""
        self._forgotten = 0
        self._count = 0
        self._alone = threading.Lock()

    def __len__(self) -> int:
        """Samples that came so far."""
        return self._count

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        """Read a part, as of an array, as far as it is there; what was let go is silent.

        Raises:
            ValueError: the step is not 1.
        """
        with self._alone:
            start, stop, step = part.indices(self._count)
            if step != 1:
                raise ValueError(
                    f"sound is read without leaving samples out, got a step of {step}"
                )
            found = np.zeros(max(0, stop - start), np.float32)
            begin = max(start, self._forgotten)
            if begin < stop:
                found[begin - start :] = self._held[begin - self._first : stop - self._first]
        return found

    def append(self, samples: NDArray[np.float32]) -> None:
        """Take in what comes next."""
        with self._alone:
            needed = self._count + len(samples) - self._first
            if needed > len(self._held):
                kept = self._held[self._forgotten - self._first : self._count - self._first]
                size = max(2 * (len(kept) + len(samples)), _SPARE)
                self._held = np.concatenate([kept, np.zeros(size - len(kept), np.float32)])
                self._first = self._forgotten
            place = self._count - self._first
            self._held[place : place + len(samples)] = samples
            self._count += len(samples)

    def forget(self, before: int) -> None:
        """Let go of all samples before a place."""
        with self._alone:
            self._forgotten = min(max(self._forgotten, before), self._count)
