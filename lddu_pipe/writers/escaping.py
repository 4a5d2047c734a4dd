"""Text from files and file names, made safe for one line of a terminal."""

from __future__ import annotations

_JOINERS_AND_MARKS = "\u200c\u200d\u200e\u200f"
"""Invisible, but part of correct Persian, Hindi, Hebrew, Arabic and emoji."""


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
