"""Praat's TextGrid in its long and short text forms.

The file is read as Praat reads it: strings, and numbers that stand free, in order, whatever
stands between them (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html). praatio
6.2 splits a file wherever ``item [`` or ``intervals [`` stands, also within a label, and knows no
times such as 1e-05.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.tiers import Tier, identify, read_tiers
from lddu_pipe.types import Transcript

_TOKEN = re.compile(
    r'"(?P<string>(?:[^"]|"")*+)"'
    r"|(?<!\S)(?:(?P<flag><exists>|<absent>)|(?P<number>[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))(?!\S)"
)
_NUMBERS_OF_ENTRY = {"IntervalTier": 2, "TextTier": 1}


def parse_textgrid(text: str, path: Path) -> Transcript:
    """Read the interval tiers of a TextGrid that hold speech; see `lddu_pipe.transcripts.tiers`.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: It is not a TextGrid, ends too early, or has an impossible time.
    """
    try:
        tiers = list(_tiers(_tokens(text)))
    except ValueError as error:
        raise UnusableInputError(
            f"{path} is not a TextGrid in one of Praat's text forms ({error}); "
            "open it in Praat and save it as text file"
        ) from error
    return read_tiers(tiers, path)


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
