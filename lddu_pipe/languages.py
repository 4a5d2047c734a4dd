"""Codes of languages, as they stand in the names of files, in media and in transcripts."""

from __future__ import annotations

_SECOND_LETTERS = {
    "a": "abefkmnrsvyz",
    "b": "aeghimnors",
    "c": "aehorsuvy",
    "d": "aevz",
    "e": "elnostu",
    "f": "afijory",
    "g": "adlnuv",
    "h": "aeiortuyz",
    "i": "adegikostu",
    "j": "av",
    "k": "agijklmnorsuvwy",
    "l": "abginotuv",
    "m": "ghiklnrsty",
    "n": "abdeglnorvy",
    "o": "cjmrs",
    "p": "ailst",
    "q": "u",
    "r": "mnouw",
    "s": "acdegiklmnoqrstuvw",
    "t": "aeghiklnorstwy",
    "u": "gkrz",
    "v": "eio",
    "w": "ao",
    "x": "h",
    "y": "io",
    "z": "ahu",
}
ISO_639_1 = frozenset(
    first + second for first, seconds in _SECOND_LETTERS.items() for second in seconds
)
"""Every code of two letters."""
_LONGER = {
    **{"eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it"},
    **{"por": "pt", "nld": "nl", "dut": "nl", "rus": "ru", "pol": "pl", "tur": "tr", "ara": "ar"},
    **{"jpn": "ja", "kor": "ko", "zho": "zh", "chi": "zh", "yue": "zh", "swe": "sv", "dan": "da"},
}
"""Of ISO 639-2 and 639-3, those that are common in names of files."""


def short_code(code: str) -> str | None:
    """Return the ISO 639-1 code of a language's code, None where it is of none.

    Args:
        code: Two or three letters in any case, perhaps with a country behind them ("en-US").
    """
    first = code.replace("_", "-").partition("-")[0].lower()
    return first if first in ISO_639_1 else _LONGER.get(first)
