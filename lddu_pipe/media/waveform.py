"""Sound that may be longer than what one wants to hold in memory."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterable
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media.recent import RecentSound

HELD = 5 * 60 * 16_000 * 4
"""Bytes up to which samples stay in memory: five minutes."""

_SAMPLE = np.dtype("<f4")


class Waveform:
    """(samples,) float32, read in slices; beyond `HELD` it lies in a temporary file.

    Samples are taken in as far as they are asked for, so that the beginning of a long sound can be
    read while the rest is still to be decoded. Several threads may read. The file has no name, and
    is gone with the object or the process.
    """

    def __init__(self, parts: Iterable[NDArray[np.float32]], *, at_least: int = 0) -> None:
        """Take no samples yet.

        Args:
            parts: (samples,) each; what they raise, reading raises.
            at_least: samples to which silence is added where there are fewer.
        """
        file = tempfile.SpooledTemporaryFile(max_size=HELD)  # noqa: SIM115 - lives as long as we
        self._file = cast(IO[bytes], file)
        self._parts = iter(parts)
        self._at_least = at_least
        self._samples = 0
        self._whole = False
        self._alone = threading.RLock()

    def __del__(self) -> None:
        """Let the file go; it may be missing where making it failed."""
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()

    def __len__(self) -> int:
        """How many samples there are; takes in all of them."""
        with self._alone:
            self._take_in(sys.maxsize)
            return self._samples

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        """Read a part, as of an array; the step is 1.

        Raises:
            UnusableInputError: the temporary folder is full, or the sound cannot be decoded.
        """
        with self._alone:
            ends = (part.start or 0, part.stop if part.stop is not None else -1)
            self._take_in(sys.maxsize if min(ends) < 0 else ends[1])
            start, stop, step = part.indices(self._samples)
            if step != 1:
                raise ValueError(
                    f"a waveform is read without leaving samples out, got a step of {step}"
                )
            self._file.seek(start * _SAMPLE.itemsize)
            content = self._file.read(max(0, stop - start) * _SAMPLE.itemsize)
        return np.frombuffer(content, _SAMPLE).astype(np.float32)

    def _take_in(self, count: int) -> None:
        """Make sure that the first `count` samples are there, or all where there are fewer."""
        if self._whole or count <= self._samples:
            return
        self._file.seek(0, os.SEEK_END)
        while self._samples < count and (part := next(self._parts, None)) is not None:
            self._append(part)
        if self._samples < count:
            while (missing := self._at_least - self._samples) > 0:
                self._append(np.zeros(min(missing, 1 << 18), np.float32))
            self._whole = True

    def _append(self, part: NDArray[np.float32]) -> None:
        try:
            self._file.write(part.astype(_SAMPLE, copy=False).tobytes())
        except OSError as error:
            raise UnusableInputError(
                f"sound cannot be kept in {tempfile.gettempdir()}: {error.strerror}; "
                "make room there or set TMPDIR to another folder"
            ) from error
        self._samples += len(part)


WaveformLike = NDArray[np.float32] | Waveform | RecentSound
"""(samples,) float32: in memory, a `Waveform`, or what goes on."""
