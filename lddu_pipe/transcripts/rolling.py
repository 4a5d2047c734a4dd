"""Captions that roll up: a cue shows again what the cue before it showed, and adds to it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from lddu_pipe.types import TimeSpan

MAX_GAP = 1.0
"""Seconds after which the screen was empty, and what is shown again is said again."""
_LONGEST = 60
"""Words, at most, of which a screen is full; more are not compared."""
_ANY_TAG = re.compile(r"</?[a-zA-Z\d][^<>]*>")


@dataclass(frozen=True)
class Shown:
    """A cue as it stands in the file."""

    place: str
    """Names it in notes."""
    span: TimeSpan
    lines: list[str]
    speaker: str | None = None
    """Where the format has a place for it."""


def said_once(blocks: Sequence[Shown], *, timed_words: bool) -> list[Shown]:
    """Leave out at the top of a cue what the cue before already showed.

    Captions of live programmes and of YouTube roll. So do those with times of words, which people
    do not write; others are known by it that most cues begin with what the one before ended with.

    Args:
        blocks: In the order of the file.
        timed_words: Their words have times.

    Returns:
        As many as before, some of them without lines; all as they were if nothing rolls.
    """
    if not timed_words and not _roll(blocks):
        return list(blocks)
    kept: list[Shown] = []
    before: Shown | None = None
    for block in blocks:
        lines = [line for line in block.lines if _plain(line)]
        if before is not None and (timed_words or _follows(before, block)):
            again = _lines_again(before, lines)
            if again or timed_words:
                lines = lines[again:]
            else:
                lines = _without_words(lines, _words_again(_words(before.lines), _words(lines)))
        kept.append(replace(block, lines=lines))
        before = block
    return kept


def _roll(blocks: Sequence[Shown]) -> bool:
    """True where most cues begin with what the one before ended with, and go on."""
    rolled = others = 0
    for before, block in pairwise(blocks):
        shown, words = _words(before.lines), _words(block.lines)
        again = _words_again(shown, words)
        whole = _lines_again(before, [line for line in block.lines if _plain(line)])
        if again == len(words):
            continue  # the screen stood still, or somebody said the same again
        if _follows(before, block) and (again or whole):
            rolled += 1
        else:
            others += 1
    return rolled >= 2 and rolled >= others


def _follows(before: Shown, block: Shown) -> bool:
    return block.span.start - before.span.end < MAX_GAP


def _lines_again(before: Shown, lines: Sequence[str]) -> int:
    """How many lines at the top stood at the bottom of the cue before."""
    shown = [bare for line in before.lines if (bare := _plain(line))]
    plain = [_plain(line) for line in lines]
    most = min(len(shown), len(plain))
    return next((k for k in range(most, 0, -1) if shown[-k:] == plain[:k]), 0)


def _words_again(shown: Sequence[str], words: Sequence[str]) -> int:
    """How many words at the beginning stood at the end of the cue before.

    A single one is chance, unless it is all that was shown.
    """
    for count in range(min(len(shown), len(words), _LONGEST), 0, -1):
        if list(shown[-count:]) == list(words[:count]):
            return count if count > 1 or len(shown) == 1 else 0
    return 0


def _without_words(lines: Sequence[str], count: int) -> list[str]:
    """Take so many words off the top; a line that loses some keeps its own without markup."""
    rest: list[str] = []
    for line in lines:
        words = _plain(line).split()
        rest.append(line if not count else " ".join(words[count:]))
        count = max(0, count - len(words))
    return [line for line in rest if line]


def _words(lines: Sequence[str]) -> list[str]:
    return [word for line in lines for word in _plain(line).split()]


def _plain(line: str) -> str:
    return " ".join(_ANY_TAG.sub("", line).split())
