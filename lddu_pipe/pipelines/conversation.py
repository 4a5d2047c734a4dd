"""What was said before each utterance of a recording: its context."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lddu_pipe.extractors.text import CONTEXT_LINES
from lddu_pipe.types import Cue, Utterance

LONGEST_AGO = 30.0
"""Seconds before an utterance at which its context ended, at most: what is said after a long
silence or another scene has little to do with it."""


class Conversation:
    """Remembers the last utterances with words, whoever said them."""

    def __init__(self, before: Iterable[str] = ()) -> None:
        """Begin a recording.

        Args:
            before: what was said right before it, the oldest first.
        """
        self._said = deque(((0.0, line) for line in before), CONTEXT_LINES)
        """When each line ended, in seconds of the recording, and its text."""

    def place(self, utterances: Iterable[Utterance]) -> list[Utterance]:
        """Give utterances their context: up to three that begin earlier, or were placed earlier.

        Args:
            utterances: those that follow, in order of start.
        """
        placed = []
        for utterance in utterances:
            since = utterance.span.start - LONGEST_AGO
            context = tuple(line for end, line in self._said if end >= since)
            placed.append(replace(utterance, context=context))
            if utterance.words:
                self._said.append((utterance.span.end, utterance.text))
        return placed


def said_before(cues: Sequence[Cue], start: float) -> tuple[str, ...]:
    """The context of what is said from a moment on, in seconds: cues that are over by then."""
    over = [cue for cue in cues if cue.words and cue.words[-1].span.middle < start]
    recent = [cue.text for cue in over if cue.span.end >= start - LONGEST_AGO]
    return tuple(recent[-CONTEXT_LINES:])
