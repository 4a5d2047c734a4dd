"""Praat's TextGrid in its long and short text forms, and its binary form.

The file is read as Praat reads it: strings, and numbers that stand free, in order, whatever
stands between them (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html). praatio
6.2 splits a file wherever ``item [`` or ``intervals [`` stands, also within a label, and knows no
times such as 1e-05.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.tiers import Tier, identify, read_tiers
from lddu_pipe.types import Transcript

_TOKEN = re.compile(
    r'"(?P<string>(?:[^"]|"")*+)"'
    r"|(?<!\S)(?:(?P<flag><exists>|<absent>)|(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))(?!\S)"
)
BINARY = b"ooBinaryFile\x08TextGrid"
"""How a file in the binary form begins."""
_NUMBERS_OF_ENTRY = {"IntervalTier": 2, "TextTier": 1}


def parse_textgrid(text: str, path: Path, chosen: Sequence[str] = ()) -> Transcript:
    """Read the interval tiers of a TextGrid that hold speech; see `lddu_pipe.transcripts.tiers`.

    Args:
        text: The whole file.
        path: Named in errors and in the result.
        chosen: Names of the tiers to read; none leaves it to the rule.

    Raises:
        UnusableInputError: It is not a TextGrid, ends too early, or no interval can be read.
    """
    return _read(_tokens(text), path, chosen)


def parse_binary_textgrid(data: bytes, path: Path, chosen: Sequence[str] = ()) -> Transcript:
    """Read the binary form, which begins with `BINARY`; the same in all else.

    Raises:
        UnusableInputError: It ends too early, or no interval can be read.
    """
    return _read(_binary_tokens(BytesIO(data.removeprefix(BINARY))), path, chosen)


def _read(tokens: Iterator[str | float], path: Path, chosen: Sequence[str]) -> Transcript:
    try:
        tiers = list(_tiers(tokens))
    except ValueError as error:
        raise UnusableInputError(
            f"{path} is not a TextGrid of Praat ({error}); "
            "open it in Praat and save it as text file"
        ) from error
    return read_tiers(tiers, path, chosen)


def _binary_tokens(file: BytesIO) -> Iterator[str | float]:
    """What the text forms have, in the same order (Praat's sources, melder_readtext, abcio)."""

    def unpack(form: str) -> Any:  # noqa: ANN401 - a number or bytes
        data = file.read(struct.calcsize(form))
        if len(data) < struct.calcsize(form):
            raise ValueError("it ends too early")
        return struct.unpack(form, data)[0]

    def text() -> str:
        length = unpack(">H")
        if length == 0xFFFF:  # not only Latin letters
            length = unpack(">H")
            return bytes(unpack(f"{2 * length}s")).decode("utf-16-be", "replace")
        return bytes(unpack(f"{length}s")).decode("latin-1")

    yield "ooTextFile"
    yield "TextGrid"
    yield unpack(">d")
    yield unpack(">d")
    tiers = unpack(">i") if unpack("?") else 0
    yield float(tiers)
    for _ in range(tiers):
        kind = bytes(unpack(f"{unpack('B')}s")).decode("latin-1")
        yield kind
        yield text()
        yield unpack(">d")
        yield unpack(">d")
        entries = unpack(">i")
        yield float(entries)
        for _ in range(entries):
            for _ in range(_NUMBERS_OF_ENTRY.get(kind, 0)):
                yield unpack(">d")
            yield text()


def _tokens(text: str) -> Iterator[str | float]:
    """Strings and numbers; of the flags, only ``<absent>`` matters, as a tier count of 0."""
    for match in _TOKEN.finditer(text):
        if match["string"] is not None:
            yield match["string"].replace('""', '"')
        elif match["number"] is not None:
            yield float(match["number"])
        elif match["flag"] == "<absent>":
            yield 0.0


def _tiers(tokens: Iterator[str | float]) -> Iterator[Tier]:
    if not _string(tokens).startswith("ooTextFile") or _string(tokens) != "TextGrid":
        raise ValueError("its first lines do not say so")
    _number(tokens), _number(tokens)  # when the file starts and ends
    for _ in range(int(_number(tokens))):
        count = _NUMBERS_OF_ENTRY.get(kind := _string(tokens))
        if count is None:
            raise ValueError(f"it has a tier of class {kind[:40]!r}")
        name = _string(tokens)
        _number(tokens), _number(tokens)  # when the tier starts and ends
        entries = [
            ([_number(tokens) for _ in range(count)], _string(tokens))
            for _ in range(int(_number(tokens)))
        ]
        if kind == "IntervalTier":  # points have no length, and so hold no speech
            intervals = [(times[0], times[1], label) for times, label in entries]
            yield Tier(name, *identify(name), intervals)


def _string(tokens: Iterator[str | float]) -> str:
    token = next(tokens, None)
    if not isinstance(token, str):
        raise ValueError("it ends too early" if token is None else f"{token} is where text goes")
    return token


def _number(tokens: Iterator[str | float]) -> float:
    token = next(tokens, None)
    if not isinstance(token, float):
        raise ValueError(
            "it ends too early" if token is None else f"{token[:40]!r} is where a number goes"
        )
    return token
