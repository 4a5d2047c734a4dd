"""Weights of a CTranslate2 model as arrays; CTranslate2 itself runs such files but shows nothing.

The layout is that of ``ctranslate2.specs.model_spec``, which writes them: numbers are little
endian, a name is its length in bytes and then the bytes, with a zero at the end.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import IncompatibleModelError

VERSION = 6
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)


def read_weights(path: Path, prefix: str) -> dict[str, NDArray[np.generic]]:
    """Read the variables whose names start with `prefix`.

    Args:
        path: the ``model.bin`` of a model.
        prefix: such as "encoder/"; it is cut from the names.

    Returns:
        Arrays of the types and shapes they were written with, by name; scalars have shape ().

    Raises:
        IncompatibleModelError: the file is damaged, or of another version or number type.
    """
    with path.open("rb") as file:
        try:
            return {
                name.removeprefix(prefix): values
                for name, values in _variables(file, prefix)
                if values is not None
            }
        except (struct.error, ValueError, IndexError) as error:
            raise IncompatibleModelError(f"{path} is no CTranslate2 model: {error}") from error


def _variables(file: BinaryIO, prefix: str) -> Iterator[tuple[str, NDArray[np.generic] | None]]:
    """Each variable of a file in order; None for the values of those that are not asked for."""
    (version,) = _numbers(file, "I")
    if version != VERSION:
        raise ValueError(f"version {version} where {VERSION} is known")
    _name(file)  # of the specification
    _, count = _numbers(file, "2I")  # its revision, and how many variables follow
    for _ in range(count):
        name = _name(file)
        (rank,) = _numbers(file, "B")
        shape = _numbers(file, f"{rank}I")
        kind, size = _numbers(file, "BI")
        if name.startswith(prefix):
            yield name, np.frombuffer(file.read(size), _TYPES[kind]).reshape(shape)
        else:
            file.seek(size, 1)
            yield name, None


def _numbers(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(f"<{layout}", file.read(struct.calcsize(f"<{layout}")))


def _name(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return file.read(length).rstrip(b"\0").decode()
