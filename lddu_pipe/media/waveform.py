"""Sound that may be longer than what one wants to hold in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError

HELD = 5 * 60 * 16_000 * 4
"""Bytes up to which samples stay in memory: five minutes."""

_SAMPLE = np.dtype("<f4")


class Waveform:
    """(samples,) float32, read in slices; beyond `HELD` it lies in a temporary file.

    The file has no name, and is gone with the object or the process.
    """

    def __init__(self, parts: Iterable[NDArray[np.float32]], *, at_least: int = 0) -> None:
        """Take samples in as they come.

        Args:
            parts: (samples,) each.
            at_least: samples to which silence is added where there are fewer.

        Raises:
            UnusableInputError: the temporary folder is full.
        """
        file = tempfile.SpooledTemporaryFile(max_size=HELD)  # noqa: SIM115 - lives as long as we
        self._file = cast(IO[bytes], file)
        try:
            for part in parts:
                self._file.write(part.astype(_SAMPLE, copy=False).tobytes())
            while (missing := at_least * _SAMPLE.itemsize - self._file.tell()) > 0:
                self._file.write(bytes(min(missing, 1 << 20)))
        except OSError as error:
            raise UnusableInputError(
                f"sound cannot be kept in {tempfile.gettempdir()}: {error.strerror}; "
                "make room there or set TMPDIR to another folder"
            ) from error
        self._samples = self._file.tell() // _SAMPLE.itemsize

    def __del__(self) -> None:
        """Let the file go; it may be missing where making it failed."""
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()

    def __len__(self) -> int:
        return self._samples

    def __getitem__(self, part: slice) -> NDArray[np.float32]:
        """Read a part, as of an array; the step is 1."""
        start, stop, step = part.indices(self._samples)
        if step != 1:
            raise ValueError(
                f"a waveform is read without leaving samples out, got a step of {step}"
            )
        self._file.seek(start * _SAMPLE.itemsize)
        content = self._file.read(max(0, stop - start) * _SAMPLE.itemsize)
        return np.frombuffer(content, _SAMPLE).astype(np.float32)


WaveformLike = NDArray[np.float32] | Waveform
"""(samples,) float32: in memory, or a `Waveform`."""
