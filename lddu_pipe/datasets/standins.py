"""Inert stand-ins for what the pickles of this field hold beside plain containers.

A pickle names classes and functions, and loading it calls them. Here each name that is known is
answered with something of ours that keeps the values and does nothing else; `plain` makes arrays,
lists and dicts of them afterwards. No class or function that a file names is looked up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np

_ARRAY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC_MODULES = ("numpy.core.numeric", "numpy._core.numeric")
_PLAIN_MODULES = ("builtins", "__builtin__")  # of Python 3 and 2
_PLAIN_TYPES = (
    *("bool", "int", "long", "float", "str", "unicode"),
    *("list", "dict", "tuple", "slice", "object"),
)
_MANAGER_MODULES = ("pandas.core.internals", "pandas.core.internals.managers")
_INDEX_MODULES = (
    "pandas",
    "pandas.core.indexes.base",
    "pandas.core.indexes.numeric",
    "pandas.core.indexes.range",
)
_INDEX_TYPES = ("Index", "RangeIndex", "Int64Index", "UInt64Index", "Float64Index")
_TORCH_TYPES = (
    *("float16", "bfloat16", "float32", "float64", "bool"),
    *("uint8", "int8", "int16", "int32", "int64"),
)
_PATH_MODULES = ("pathlib", "pathlib._local")
_LONGEST_RANGE = 10_000_000


class RefusedError(Exception):
    """A pickle names something that has no stand-in."""


class _Kind:
    """Stands for the type of an element.

    numpy's own takes its flags from the file: with that of an object array cleared, the bytes of
    the file would be used as addresses. Here the file chooses a plain type and its byte order.
    """

    __slots__ = ("dtype",)

    def __init__(self, code: str, align: object, copy: object) -> None:
        if not re.fullmatch(r"b1|[iu][1248]|f[248]|O8?|[SU]\d{1,6}", str(code)):
            raise RefusedError(f"numpy.dtype {code!r:.40}")
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subarray, names, fields, *_ = state
        if (subarray, names, fields) != (None, None, None) or order not in ("<", ">", "|", "="):
            raise RefusedError("numpy.dtype with fields")
        self.dtype = self.dtype.newbyteorder(order)


class _Array(np.ndarray[Any, Any]):
    """An array that grows from a file: its kind is a `_Kind`."""

    def __setstate__(self, state: tuple[Any, ...], /) -> None:
        version, shape, kind, fortran, content = state
        if not isinstance(kind, _Kind):
            raise RefusedError("an array of no known kind")
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
        raise RefusedError(f"_codecs.encode to {encoding!r:.40}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """As protocols 0 to 2 store empty bytes."""
    return b""


def _bytearray(*content: Any) -> bytes:
    return bytes(_bytes(content[0])) if content and not isinstance(content[0], int) else b""


def _bytes(content: Any) -> Any:  # noqa: ANN401
    return content.encode("latin1") if isinstance(content, str) else content


class _Held:
    """Keeps what a file says of an object."""

    __slots__ = ("state",)

    state: Any

    def __new__(cls) -> Self:
        """Hold nothing: pickles make objects without `__init__`, and empty ones have no state."""
        made = super().__new__(cls)
        made.state = None
        return made

    def __setstate__(self, state: Any) -> None:  # noqa: ANN401
        self.state = state

    def plain(self) -> Any:  # noqa: ANN401
        """What it held, as arrays, lists and dicts."""
        return self.state


class _Fields(_Held):
    """Stands for a namespace of settings: a dict of its fields."""

    __slots__ = ()

    def plain(self) -> dict[str, Any]:
        if not isinstance(self.state, Mapping | None):
            raise ValueError("a namespace without names")
        return dict(self.state or {})


class _Masked(_Held):
    """Stands for a masked array: what is masked is NaN."""

    __slots__ = ()

    def plain(self) -> np.ndarray[Any, Any]:
        version, shape, kind, fortran, content, masked, _ = self.state
        values = _Array(0, np.int8)
        values.__setstate__((version, shape, kind, fortran, content))
        mask = np.frombuffer(_bytes(masked), np.bool_).reshape(
            shape, order="F" if fortran else "C"
        )
        if not mask.any():
            return values
        if values.dtype.kind not in "biuf":
            raise ValueError("a masked array that holds no numbers")
        return np.where(mask, np.nan, values)


class _Series(_Held):
    """Stands for a pandas Series: its values in their order, without its index."""

    __slots__ = ()

    def plain(self) -> Any:  # noqa: ANN401
        manager = self.state.get("_mgr", self.state.get("_data"))  # before pandas 1.1: _data
        _, values, *_ = manager.state  # axes, blocks, and the same once more
        return values[0]


class _Texts(_Held):
    """Stands for the texts of a Series since pandas 3."""

    __slots__ = ()

    def plain(self) -> Any:  # noqa: ANN401
        return self.state["_pa_array"]


def _arrow_array(content: tuple[Any, ...]) -> list[str | None]:
    """Texts from the buffers of pyarrow: which are there, where each begins, all in one."""
    kind, length, _, offset, (there, begins, texts), *_ = content
    size = {"string": "<i4", "large_string": "<i8"}.get(kind)
    if size is None:
        raise RefusedError(f"pyarrow.{kind!s:.40}")
    bounds = np.frombuffer(begins, size, offset + length + 1)[offset:].tolist()
    known = [True] * length
    if there is not None:
        bits = np.unpackbits(np.frombuffer(there, np.uint8), bitorder="little")
        known = bits[offset : offset + length].astype(bool).tolist()
    return [
        bytes(texts[begin:end]).decode() if is_known else None
        for begin, end, is_known in zip(bounds[:-1], bounds[1:], known, strict=True)
    ]


def _same(value: Any) -> Any:  # noqa: ANN401 - the name of a type, or bytes
    return value


class _Nothing:
    """Stands for what is not needed: an index, the factory of a defaultdict."""

    __slots__ = ()

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _masked(_type: object, _base: object, _shape: object, _code: object) -> _Masked:
    return _Masked()


def _made(kind: Any, _base: object, _state: object) -> Any:  # noqa: ANN401
    """As protocols 0 and 1 store objects."""
    if kind not in (_Fields, _Series, _Texts, _Held, _Nothing):
        raise RefusedError("copyreg._reconstructor")
    return kind()


def _counted(*content: Any) -> dict[Any, Any]:
    """A Counter, or a defaultdict of which the first argument made what was missing."""
    return dict(content[-1]) if content and isinstance(content[-1], dict) else {}


def _range(*bounds: int) -> list[int]:
    numbers = range(*bounds)
    if len(numbers) > _LONGEST_RANGE:
        raise ValueError(f"a range of {len(numbers)} numbers")
    return list(numbers)


def _path(*parts: str) -> str:
    return "/".join(map(str, parts)).replace("//", "/", 1)


def _named(modules: tuple[str, ...], *names: str) -> list[str]:
    return [f"{module}.{name}" for module in modules for name in names]


CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    "numpy.ndarray": _Array,
    "numpy.dtype": _Kind,
    "collections.OrderedDict": dict,
    "_codecs.encode": _encode,  # how protocols 0 to 2 store the bytes of an array
    **dict.fromkeys(_named(_PLAIN_MODULES, "set"), set),
    **dict.fromkeys(_named(_PLAIN_MODULES, "frozenset"), frozenset),
    **dict.fromkeys(_named(_PLAIN_MODULES, "bytes"), _no_bytes),
    **dict.fromkeys(_named(_PLAIN_MODULES, "bytearray"), _bytearray),
    **dict.fromkeys(_named(_ARRAY_MODULES, "_reconstruct"), _reconstruct),
    **dict.fromkeys(_named(_ARRAY_MODULES, "scalar"), _scalar),
    **dict.fromkeys(_named(_NUMERIC_MODULES, "_frombuffer"), _from_buffer),
    # settings of the programs that made the file
    **dict.fromkeys(("argparse.Namespace", "types.SimpleNamespace"), _Fields),
    **dict.fromkeys(_named(_PATH_MODULES, "PosixPath", "PurePosixPath", "WindowsPath"), _path),
    **dict.fromkeys(_named(("torch",), "device", *_TORCH_TYPES), _Nothing),
    **dict.fromkeys(_named(("datetime",), "datetime", "date", "time", "timedelta"), _Nothing),
    **dict.fromkeys(_named(_PLAIN_MODULES, "complex"), _Nothing),
    # containers
    **dict.fromkeys(("collections.defaultdict", "collections.Counter"), _counted),
    **dict.fromkeys(_named(_PLAIN_MODULES, "range", "xrange"), _range),
    **dict.fromkeys(_named(_PLAIN_MODULES, *_PLAIN_TYPES), _Nothing),
    **dict.fromkeys(("copyreg._reconstructor", "copy_reg._reconstructor"), _made),
    # masked arrays and Series
    **dict.fromkeys(("numpy.ma.core._mareconstruct", "numpy.ma._mareconstruct"), _masked),
    **dict.fromkeys(("numpy.ma.core.MaskedArray", "numpy.ma.MaskedArray"), _Masked),
    **dict.fromkeys(("pandas.Series", "pandas.core.series.Series"), _Series),
    "pandas.arrays.ArrowStringArray": _Texts,
    "pandas.StringDtype": _Nothing,
    "pyarrow.lib._restore_array": _arrow_array,
    **dict.fromkeys(("pyarrow.lib.type_for_alias", "pyarrow.lib.py_buffer"), _same),
    **dict.fromkeys(_named(_MANAGER_MODULES, "SingleBlockManager"), _Held),
    "pandas.core.indexes.base._new_Index": _Nothing,
    **dict.fromkeys(_named(_INDEX_MODULES, *_INDEX_TYPES), _Nothing),
}
"""What stands for a name: it keeps values, and does nothing."""


def plain(value: Any, leaf: Callable[[Any], Any] = lambda item: item) -> Any:  # noqa: ANN401
    """Replace the stand-ins in what was loaded by arrays, lists and dicts.

    Args:
        value: what was loaded.
        leaf: what to make of everything that is neither a stand-in nor a container.

    Raises:
        ValueError: an object does not hold what its kind holds.
    """
    return _plain(value, leaf, {})


def _plain(value: Any, leaf: Callable[[Any], Any], known: dict[int, Any]) -> Any:  # noqa: ANN401
    # What stands in many places is walked once: a file of a few lines can name it 2 ** 60 times.
    # The value is kept beside what it became, so that no other takes its id meanwhile.
    if id(value) in known:
        return known[id(value)][1]
    found: Any
    if isinstance(value, _Held):
        found = _plain(value.plain(), leaf, known)
    elif value is _Nothing or isinstance(value, _Nothing):
        found = None
    elif isinstance(value, dict):
        found = {}
        known[id(value)] = value, found
        found.update((key, _plain(item, leaf, known)) for key, item in value.items())
    elif isinstance(value, list):
        found = []
        known[id(value)] = value, found
        found.extend(_plain(item, leaf, known) for item in value)
    elif isinstance(value, tuple):
        found = tuple(_plain(item, leaf, known) for item in value)
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        found = np.empty(value.shape, object)
        for index in np.ndindex(value.shape):
            found[index] = _plain(value[index], leaf, known)
    else:
        return leaf(value)
    known[id(value)] = value, found
    return found
