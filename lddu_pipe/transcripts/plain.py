"""Plain text, without times."""

from __future__ import annotations

from lddu_pipe.transcripts.cues import WORDS_PER_SECOND, split_words, spread_words
from lddu_pipe.transcripts.speakers import find_names
from lddu_pipe.types import Cue, TimeSpan, Transcript


def parse_plain(text: str, source: str) -> Transcript:
    """Make each line that has a word a cue.

    The spans are places in the text: line follows line from 0, at `WORDS_PER_SECOND`. Where lines
    begin with the names of speakers, these are taken off, and hold until the next empty line.

    Args:
        text: Any text.
        source: Named in the result.

    Returns:
        An untimed transcript, without cues where the text has no words.
    """
    lines = text.splitlines()
    split = find_names([line] for line in lines if line.strip())
    cues: list[Cue] = []
    moment, speaker = 0.0, None
    for line in lines:
        name, said = split(line)
        speaker = name or (speaker if line.strip() else None)
        count = len(split_words(said))
        if count:
            span = TimeSpan(moment, moment + count / WORDS_PER_SECOND)
            words = tuple(spread_words(said, span, speaker))
            cues.append(Cue(" ".join(said.split()), span, words, speaker))
            moment = span.end
    return Transcript(tuple(cues), source, timed=False)
