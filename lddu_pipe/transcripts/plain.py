"""Plain text, without times."""

from __future__ import annotations

from lddu_pipe.transcripts.cues import split_words, spread_words
from lddu_pipe.types import Cue, TimeSpan, Transcript

WORDS_PER_SECOND = 2.5
"""Nominal speaking rate, about that of English conversation: gives text a length in seconds."""


def parse_plain(text: str, source: str) -> Transcript:
    """Make each line that has a word a cue.

    The spans are places in the text: line follows line from 0, at `WORDS_PER_SECOND`.

    Args:
        text: Any text.
        source: Named in the result.

    Returns:
        An untimed transcript, without cues where the text has no words.
    """
    cues: list[Cue] = []
    moment = 0.0
    for line in text.splitlines():
        count = len(split_words(line))
        if count:
            span = TimeSpan(moment, moment + count / WORDS_PER_SECOND)
            cues.append(Cue(" ".join(line.split()), span, tuple(spread_words(line, span))))
            moment = span.end
    return Transcript(tuple(cues), source, timed=False)
