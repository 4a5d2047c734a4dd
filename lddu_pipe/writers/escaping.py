"""Text from files and file names, made safe for one line of a terminal, and for formats."""

from __future__ import annotations

import re
import unicodedata

_JOINERS_AND_MARKS = "\u200c\u200d\u200e\u200f"
"""Invisible, but part of correct Persian, Hindi, Hebrew, Arabic and emoji."""
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"
"""Around text whose direction is its own, not that of the line; Unicode Annex 9."""
_ESCAPED_BYTE = re.compile(r"\\u(dc[89a-f][0-9a-f])")
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""All but ``Char`` of XML 1.0, section 2.2, and CR, which parsers turn into a line feed."""


def printable(text: str) -> str:
    r"""Return `text` on one line, with nothing in it that a terminal would obey.

    White space is squeezed. Control characters, overrides of the writing direction and bytes of
    undecodable file names become escapes such as ``\x1b`` and ``\udcff``.
    """
    return "".join(
        character
        if character.isprintable() or character in _JOINERS_AND_MARKS
        else ascii(character)[1:-1]
        for character in " ".join(text.split())
    )


def shortened(text: str, length: int) -> str:
    """Return `printable` text of at most `length` characters, with dots where it was longer."""
    line = printable(text)
    return line if len(line) <= length else line[: length - 1] + "\N{HORIZONTAL ELLIPSIS}"


def is_right_to_left(text: str) -> bool:
    """Whether text has letters of a script that is written from right to left."""
    return any(unicodedata.bidirectional(character) in ("R", "AL") for character in text)


def encodable(text: str) -> str:
    r"""Return `text` with bytes of undecodable file names as ``\udcff``, for UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def named_bytes(text: str) -> str:
    r"""Return the file name that `encodable` made text of; any other text is what it was.

    Only a name in which ``\udcff`` was spelt out is lost.
    """
    return _ESCAPED_BYTE.sub(lambda found: chr(int(found[1], 16)), text)


def xml_text(text: str) -> str:
    """Return `text` with the sign for a lost character in place of those XML cannot hold."""
    return _NOT_XML.sub("\ufffd", text)
