"""Reading pickles and torch files that strangers made, without running what is in them.

A pickle is a program: loading it may call anything. The public features of this field come as
pickles all the same, so they are read by an unpickler that knows numpy arrays and plain containers
and refuses every other name before it is looked up.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lddu_pipe.errors import UnusableInputError

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_PLAIN_MODULES = ("builtins", "__builtin__")  # of Python 3 and 2
_ZIP_MARK = b"PK\x03\x04"  # torch files since 1.6
_OLD_TORCH_MARK = 0x1950A86A20F9469CFC6C  # the first pickle of the torch files before


class _RefusedError(Exception):
    """A pickle names something that is neither an array nor a plain container."""


class _Kind:
    """Stands for the type of an element.

    numpy's own takes its flags from the file: with that of an object array cleared, the bytes of
    the file would be used as addresses. Here the file chooses a plain type and its byte order.
    """

    __slots__ = ("dtype",)

    def __init__(self, code: str, align: object, copy: object) -> None:
        if not re.fullmatch(r"b1|[iu][1248]|f[248]|O8?|[SU]\d{1,6}", str(code)):
            raise _RefusedError(f"numpy.dtype {code!r:.40}")
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subarray, names, fields, *_ = state
        if (subarray, names, fields) != (None, None, None) or order not in ("<", ">", "|", "="):
            raise _RefusedError("numpy.dtype with fields")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray[Any, Any]):
    """An array that grows from a file: its kind is a `_Kind`."""

    def __setstate__(self, state: tuple[Any, ...], /) -> None:
        version, shape, kind, fortran, content = state
        if not isinstance(kind, _Kind):
            raise _RefusedError("an array of no known kind")
        if kind.dtype.hasobject and len(content) != math.prod(shape):
            raise ValueError(f"{len(content)} objects for an array of shape {shape}")
        super().__setstate__((version, shape, kind.dtype, fortran, content))


def _reconstruct(_type: object, _shape: object, _code: object) -> _Array:
    return np.empty(0, np.int8).view(_Array)


def _scalar(kind: _Kind, content: bytes) -> Any:  # noqa: ANN401 - a number or a text
    return np.frombuffer(_bytes(content), kind.dtype, 1)[0]


def _from_buffer(content: Any, kind: _Kind, shape: Any, order: Any, *axes: Any) -> Any:  # noqa: ANN401
    """As protocol 5 stores an array; numpy 2.4 adds the order of its axes."""
    flat = np.frombuffer(content, kind.dtype)
    if order != "K":
        return flat.reshape(shape, order=order)
    return flat.reshape(shape).transpose(*axes)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _RefusedError(f"_codecs.encode to {encoding!r:.40}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """As protocols 0 to 2 store empty bytes."""
    return b""


def _bytes(content: Any) -> Any:  # noqa: ANN401
    return content.encode("latin1") if isinstance(content, str) else content


_CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Kind,
    "collections.OrderedDict": dict,
    "_codecs.encode": _encode,  # how protocols 0 to 2 store the bytes of an array
    **{f"{module}.set": set for module in _PLAIN_MODULES},
    **{f"{module}.frozenset": frozenset for module in _PLAIN_MODULES},
    **{f"{module}.bytes": _no_bytes for module in _PLAIN_MODULES},
    **{f"{module}._reconstruct": _reconstruct for module in _ARRAY_MODULES},
    **{f"{module}.scalar": _scalar for module in _ARRAY_MODULES},
    **{f"{module}._frombuffer": _from_buffer for module in _NUMERIC_MODULES},
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - classes and functions
        """Return one of a few constructors of arrays; whatever else is named is not touched."""
        found = _CONSTRUCTORS.get(f"{module}.{name}")
        if found is None:
            raise _RefusedError(f"{module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401
        """Refuse references to things outside the file."""
        raise _RefusedError("a persistent reference")


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
            if file.read(len(_ZIP_MARK)) == _ZIP_MARK:
                return _read_torch(path)
            file.seek(0)
            loaded = _read_pickle(path, file)
            return _read_torch(path) if _is_old_torch(loaded) else loaded
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
        raise UnusableInputError(f"{path} is not a whole pickle: {_first_line(error)}") from None


def _is_old_torch(loaded: Any) -> bool:  # noqa: ANN401
    return isinstance(loaded, int) and loaded == _OLD_TORCH_MARK


def _read_torch(path: Path) -> Any:  # noqa: ANN401
    import torch

    # torch's own reader of plain tensors, with our arrays under the names that numpy gives its.
    arrays: list[Any] = [(found, name) for name, found in _CONSTRUCTORS.items() if "numpy" in name]
    try:
        with torch.serialization.safe_globals(arrays):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
        return _as_arrays(loaded)
    except (_RefusedError, pickle.UnpicklingError) as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        cause = named[1] if named else _first_line(error)[:120]
        raise UnusableInputError(
            f"{path} holds code ({cause}) and was refused; nothing in it was run. Features come "
            "as tensors or numpy arrays in plain containers"
        ) from None
    except Exception as error:  # a damaged file can raise anything
        raise UnusableInputError(
            f"{path} is not a whole torch file: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _as_arrays(value: Any) -> Any:  # noqa: ANN401
    import torch

    if isinstance(value, torch.Tensor):
        plain = value.detach()
        # numpy has no bfloat16
        return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    if isinstance(value, dict):
        return {key: _as_arrays(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_arrays(item) for item in value]
    return value
