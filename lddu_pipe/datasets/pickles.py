"""Reading pickles and torch files that strangers made, without running what is in them.

A pickle is a program: loading it may call anything. The public features of this field come as
pickles all the same, so they are read by an unpickler that knows numpy arrays and plain containers
and refuses every other name before it is looked up.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lddu_pipe.errors import UnusableInputError

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_MARK = b"PK\x03\x04"  # torch files are zip archives


class _RefusedError(Exception):
    """A pickle names something that is neither an array nor a plain container."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - classes and functions
        """Return one of a few constructors of arrays; whatever else is named is not touched."""
        found = _constructors().get((module, name))
        if found is None:
            raise _RefusedError(f"{module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401
        """Refuse references to things outside the file."""
        raise _RefusedError("a persistent reference")


def _constructors() -> dict[tuple[str, str], Callable[..., Any]]:
    from numpy._core import multiarray
    from numpy._core.numeric import _frombuffer  # type: ignore[attr-defined]

    found: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "OrderedDict"): dict,
        # How protocols 0 to 2 store the bytes of an array.
        ("_codecs", "encode"): _encode,
    }
    for module in _ARRAY_MODULES:
        found[module, "_reconstruct"] = multiarray._reconstruct
        found[module, "scalar"] = multiarray.scalar
    for module in _NUMERIC_MODULES:
        found[module, "_frombuffer"] = _frombuffer
    return found


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"_codecs.encode to {encoding}")
    return text.encode("latin1")


def read_untrusted(path: Path) -> Any:  # noqa: ANN401 - plain containers of arrays
    """Read a pickle, or a file of `torch.save`, that holds arrays in plain containers.

    Args:
        path: by its content one or the other, whatever its name.

    Returns:
        Containers with numpy arrays and plain values; tensors come as arrays.

    Raises:
        UnusableInputError: the file cannot be read, is neither, or names anything that is not
            an array or a plain container. Then nothing in it has run.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MARK)) == _MARK:
                return _read_torch(path)
            file.seek(0)
            return _read_pickle(path, file)
    except OSError as error:
        raise UnusableInputError(f"{path} cannot be read: {error.strerror}") from None


def _read_pickle(path: Path, file: io.BufferedReader) -> Any:  # noqa: ANN401
    try:
        # Files of Python 2 hold arrays as byte strings, which latin1 leaves as they are.
        return _ArrayUnpickler(file, encoding="latin1").load()
    except _RefusedError as error:
        raise UnusableInputError(
            f"{path} holds code ({error}) and was refused; nothing in it was run. Features come "
            "as numpy arrays in plain containers"
        ) from None
    except Exception as error:  # a damaged pickle can raise anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnusableInputError(f"{path} is not a whole pickle: {reason}") from None


def _read_torch(path: Path) -> Any:  # noqa: ANN401
    import torch
    from numpy._core.multiarray import _reconstruct

    kinds = [type(np.dtype(kind)) for kind in "efdbBhHiIlLqQ?"]
    arrays: list[Any] = [_reconstruct, np.ndarray, np.dtype, *kinds]
    try:
        with torch.serialization.safe_globals(arrays):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = next((line for line in str(error).splitlines() if "GLOBAL" in line), "code")
        raise UnusableInputError(
            f"{path} holds code and was refused; nothing in it was run ({reason.strip()[:120]})"
        ) from None
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnusableInputError(f"{path} is not a whole torch file: {reason}") from None
    return _as_arrays(loaded)


def _as_arrays(value: Any) -> Any:  # noqa: ANN401
    import torch

    if isinstance(value, torch.Tensor):
        return value.numpy()
    if isinstance(value, dict):
        return {key: _as_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_arrays(item) for item in value]
    return value
