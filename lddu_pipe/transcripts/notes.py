"""What of a transcript could not be read, told in a sentence or two however much it is."""

from __future__ import annotations

from pathlib import Path

from lddu_pipe.errors import UnusableInputError


class UnreadableError(Exception):
    """Of one cue, in words that follow its name; the others are read all the same."""


class Notes:
    """Counts what is left out of a transcript and what is put right; keeps the first of each."""

    def __init__(self, path: Path, unit: str) -> None:
        """Nothing is noted yet.

        Args:
            path: Of the transcript, named in errors.
            unit: What is counted, such as "cue".
        """
        self._path = path
        self._unit = unit
        self._left_out: list[str] = []
        self._put_right: list[str] = []
        self._others: list[str] = []

    def leave_out(self, place: str, reason: object) -> None:
        """Note that a cue is left out, and why.

        Args:
            place: Names the cue, such as "cue 3 (line 9)".
            reason: Words that follow it, such as "has no end".
        """
        self._left_out.append(f"{place} {reason}")

    def put_right(self, place: str, what: object) -> None:
        """Note that something of a cue was put right, such as times that were swapped."""
        self._put_right.append(f"{place} {what}")

    def say(self, sentence: str) -> None:
        """Note something of the whole transcript."""
        self._others.append(sentence)

    def sentences(self, read: int) -> tuple[str, ...]:
        """Return the notes.

        Args:
            read: How many cues could be read.

        Raises:
            UnusableInputError: None could, and the notes say why.
        """
        if self._left_out and not read:
            raise UnusableInputError(f"{self._path}: {_first(self._left_out)}")
        found = list(self._others)
        if self._left_out:
            count = len(self._left_out)
            found.append(
                f"{count} {self._unit}{'' if count == 1 else 's'} left out: "
                f"{_first(self._left_out)}"
            )
        if self._put_right:
            found.append(_first(self._put_right))
        return tuple(found)


def _first(lines: list[str]) -> str:
    return lines[0] + (f", and {len(lines) - 1} more" if len(lines) > 1 else "")
