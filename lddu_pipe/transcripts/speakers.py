"""Names of speakers before what they say: "Anna Smith: ...", "[SPEAKER_00]: ...".

A word and a colon may also be speech ("Listen: ..."). Labels that a machine made are taken for
what they are; other names only where they stand before half of all cues, and before two at least.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

_WORD = r"[\w'\u2019.-]+"
_CAPITAL = r"(?=[^\W\d_a-z])"
"""Before a letter that is no small Latin one; other scripts may have no capitals."""
_PARTICLE = r"(?:de|da|del|der|den|di|du|el|la|le|van|von|bin|al|of|the)"
_NAME = (
    rf"{_CAPITAL}{_WORD}"
    rf"(?:,?\ (?:{_PARTICLE}\ )*(?:{_CAPITAL}|(?=\d)){_WORD}){{0,4}}"
    r"(?:\ \([^()\n]{1,30}\))?"
)
_MACHINE = r"(?:speaker|spk)(?:[\ _-]?\d{1,3}|[\ _-][a-z])"
_LABEL = re.compile(
    rf"[^\S\n]*(?:\[(?P<square>[^\[\]\n:]{{1,40}})\]|\((?P<round>[^()\n:]{{1,40}})\)"
    rf"|(?P<name>(?i:{_MACHINE})|{_NAME}))[^\S\n]*:(?:\s+|$)"
)
_BRACKETED_MACHINE = re.compile(rf"[^\S\n]*[\[(](?P<name>{_MACHINE})[\])][^\S\n]*:?\s*", re.I)
_IS_MACHINE = re.compile(_MACHINE, re.I)
_IS_NAME = re.compile(_NAME)

Split = Callable[[str], tuple[str | None, str]]
"""Takes a line and gives the speaker it names, and the rest."""


def find_names(cues: Iterable[Sequence[str]]) -> Split:
    """Return what takes the names of speakers off the lines of a transcript.

    Args:
        cues: The lines of each, without markup.
    """
    names: set[str] = set()
    named = total = 0
    for lines in cues:
        found = [name for line in lines if (name := _head(line)[0]) is not None]
        total += 1
        named += bool(found) and _head(lines[0])[0] is not None
        names.update(found)
    if named < 2 or 2 * named < total:
        names = set()

    def split(line: str) -> tuple[str | None, str]:
        name, rest = _head(line)
        if name is not None and (name in names or _IS_MACHINE.fullmatch(name)):
            return name, rest
        return None, line

    return split


def _head(line: str) -> tuple[str | None, str]:
    """What may be a speaker's name, and what follows it."""
    machine = _BRACKETED_MACHINE.match(line)
    if machine is not None:
        return machine["name"], line[machine.end() :]
    match = _LABEL.match(line)
    if match is None:
        return None, line
    bracketed = match["square"] or match["round"]
    if bracketed is not None and not _IS_NAME.fullmatch(bracketed.strip()):
        return None, line
    name = " ".join((bracketed or match["name"]).split())
    return (name, line[match.end() :]) if len(name) <= 40 else (None, line)
