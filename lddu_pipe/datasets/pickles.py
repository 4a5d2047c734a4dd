"""Reading pickles, torch and numpy files that strangers made, without running what is in them.

A pickle is a program: loading it may call anything. The public features of this field come as
pickles all the same, so they are read by an unpickler that knows numpy arrays, plain containers
and a few stand-ins for objects, and refuses every other name before it is looked up.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from lddu_pipe.datasets.standins import CONSTRUCTORS, RefusedError, plain
from lddu_pipe.errors import UnusableInputError

_ZIP_MARK = b"PK\x03\x04"  # torch files since 1.6, and .npz
_NPY_MARK = b"\x93NUMPY"
_HDF5_MARK = b"\x89HDF\r\n\x1a\n"
_OLD_TORCH_MARK = 0x1950A86A20F9469CFC6C  # the first pickle of the torch files before
_COMPRESSED: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_LONGEST_MARK = 8


def _storage(content: bytes) -> Any:  # noqa: ANN401 - of torch
    import torch

    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *_: Any) -> Any:  # noqa: ANN401
    import torch

    rebuild: Callable[..., torch.Tensor] = torch._utils._rebuild_tensor_v2
    return _as_array(rebuild(storage, offset, size, stride, False, {}))


_KNOWN: dict[str, Callable[..., Any]] = {
    **CONSTRUCTORS,
    # how plain pickle stores tensors; files of torch have a reader of their own
    "torch.storage._load_from_bytes": _storage,
    "torch._utils._rebuild_tensor_v2": _tensor,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - classes and functions
        """Return one of a few constructors of ours; whatever else is named is not touched."""
        found = _KNOWN.get(f"{module}.{name}")
        if found is None:
            raise RefusedError(f"{module}.{name}")
        return found

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401
        """Refuse references to things outside the file."""
        raise RefusedError("a persistent reference")


def read_untrusted(path: Path) -> Any:  # noqa: ANN401 - plain containers of arrays
    """Read a pickle, a file of `torch.save`, `numpy.save` or `numpy.savez`, compressed or not.

    Args:
        path: by its content one of these, whatever its name.

    Returns:
        Containers with numpy arrays and plain values; tensors and Series come as arrays or lists,
        namespaces as dicts, what is masked in an array as NaN.

    Raises:
        UnusableInputError: the file cannot be read, is none of these, or names anything that is
            not an array, a plain container or an object that has a stand-in. Then nothing in it
            has run.
    """
    try:
        with path.open("rb") as file:
            mark = file.read(_LONGEST_MARK)
            file.seek(0)
            opener = next((o for m, o in _COMPRESSED.items() if mark.startswith(m)), None)
            if opener is None:
                return _read(path, file)
        with opener(path) as unpacked:
            return _read(path, unpacked)
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UnusableInputError(f"{path} is damaged: {_first_line(error)}") from None
    except OSError as error:
        cause = error.strerror or _first_line(error)  # bz2 has only a text
        raise UnusableInputError(f"{path} cannot be read: {cause}") from None


def _read(path: Path, file: BinaryIO) -> Any:  # noqa: ANN401
    mark = file.read(_LONGEST_MARK)
    file.seek(0)
    if mark == _HDF5_MARK:
        raise UnusableInputError(
            f"{path} is HDF5, as the computational sequences (.csd) of CMU's SDK: one modality, "
            "not cut into utterances; let the SDK align them to the labels and pickle "
            "{train, valid, test} of text, audio, vision, id and labels"
        )
    if mark.startswith(_NPY_MARK):
        return _read_numpy(path, file, _read_npy)
    if mark.startswith(_ZIP_MARK):
        return _read_numpy(path, file, _read_npz) if _is_npz(file) else _read_torch(path, file)
    loaded = _read_pickle(path, file)
    if isinstance(loaded, int) and loaded == _OLD_TORCH_MARK:
        file.seek(0)
        return _read_torch(path, file)
    return loaded


def _read_pickle(path: Path, file: BinaryIO) -> Any:  # noqa: ANN401
    try:
        # Files of Python 2 hold arrays as byte strings, which latin1 leaves as they are.
        return plain(_ArrayUnpickler(file, encoding="latin1").load())
    except RefusedError as error:
        raise _refused(path, str(error)) from None
    except Exception as error:  # a damaged pickle can raise anything
        raise UnusableInputError(f"{path} is not a whole pickle: {_first_line(error)}") from None


def _read_numpy(path: Path, file: BinaryIO, read: Callable[[Any], Any]) -> Any:  # noqa: ANN401
    try:
        return plain(read(file))
    except RefusedError as error:
        raise _refused(path, str(error)) from None
    except Exception as error:  # a damaged file can raise anything
        raise UnusableInputError(
            f"{path} is not a whole numpy file: {_first_line(error)}"
        ) from None


def _is_npz(file: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except Exception:  # a damaged file can raise anything; torch's reader tells what is wrong
        names = []
    file.seek(0)
    return bool(names) and all(name.endswith(".npy") for name in names)


def _read_npz(file: BinaryIO) -> dict[str, Any]:
    found = {}
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            with archive.open(name) as part:
                found[name.removesuffix(".npy")] = _read_npy(part)
    return found


def _read_npy(file: Any) -> Any:  # noqa: ANN401
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, kind = read_header(file)
    if kind.hasobject:  # then a pickle follows
        loaded = _ArrayUnpickler(file).load()
        return loaded.item() if isinstance(loaded, np.ndarray) and not loaded.shape else loaded
    return np.frombuffer(file.read(), kind).reshape(shape, order="F" if fortran else "C")


def _read_torch(path: Path, file: BinaryIO) -> Any:  # noqa: ANN401
    import torch

    # torch's own reader of plain tensors, with our stand-ins for names that it does not know.
    standins: list[Any] = [(found, name) for name, found in CONSTRUCTORS.items()]
    try:
        with torch.serialization.safe_globals(standins):
            loaded = torch.load(file, map_location="cpu", weights_only=True)
        return plain(loaded, _as_array)
    except (RefusedError, pickle.UnpicklingError) as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise _refused(path, named[1] if named else _first_line(error)[:120]) from None
    except Exception as error:  # a damaged file can raise anything
        raise UnusableInputError(
            f"{path} is not a whole torch file: {_first_line(error)}"
        ) from None


def _refused(path: Path, named: str) -> UnusableInputError:
    way = "Features come as tensors or numpy arrays in plain containers"
    if named.startswith(("pandas.", "pyarrow.")):
        way = "Of pandas only a plain Series is read; save lists (.tolist())"
    return UnusableInputError(
        f"{path} holds code ({named}) and was refused; nothing in it was run. {way}"
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _as_array(value: Any) -> Any:  # noqa: ANN401
    import torch

    if isinstance(value, torch.Tensor):
        held = value.detach()
        # numpy has no bfloat16
        return (held.float() if held.dtype == torch.bfloat16 else held).numpy()
    return value
