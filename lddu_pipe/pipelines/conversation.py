"""What was said before each utterance of a recording: its context."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace

from lddu_pipe.extractors.text import CONTEXT_LINES
from lddu_pipe.types import Cue, Utterance

LONGEST_AGO = 30.0
"""Seconds before an utterance at which its context ended, at most: what is said after a long
silence or another scene has little to do with it."""


class Conversation:
    """Remembers what was said last, by whomever."""

    def __init__(self, before: Iterable[str] = ()) -> None:
        """Begin a recording.

        Args:
            before: what was said right before it, the oldest line first.
        """
        self._said = deque(((0.0, line) for line in before), CONTEXT_LINES)
        """When each line ended, in seconds of the recording, and its text."""

    def before(self, moment: float) -> tuple[str, ...]:
        """The context of what begins at a moment, in seconds; the oldest line first."""
        return tuple(line for end, line in self._said if end >= moment - LONGEST_AGO)

    def hear(self, line: str, end: float) -> None:
        """Remember a line, which ended at a moment; lines come in order of their start."""
        self._said.append((end, line))

    def place(
        self, utterances: Iterable[Utterance], reads: Callable[[str], bool] = lambda _: True
    ) -> list[Utterance]:
        """Give utterances, in order of their start, their context; those with words are heard.

        Args:
            utterances: in order.
            reads: whether words in a language, ISO 639-1, can be read; others are no context.
        """
        placed = []
        for utterance in utterances:
            placed.append(replace(utterance, context=self.before(utterance.span.start)))
            if utterance.words and (utterance.language is None or reads(utterance.language)):
                self.hear(utterance.text, utterance.span.end)
        return placed


def said_before(cues: Iterable[Cue], moment: float) -> tuple[str, ...]:
    """The context of what is said from a moment on, in seconds: cues that are over by then."""
    conversation = Conversation()
    for cue in cues:
        if cue.words and cue.words[-1].span.middle < moment:
            conversation.hear(cue.text, cue.span.end)
    return conversation.before(moment)
