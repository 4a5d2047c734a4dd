"""In which language a transcript is, where it does not say so itself."""

from __future__ import annotations

from dataclasses import replace

from lddu_pipe.extractors.written_language import language_of
from lddu_pipe.languages import ENGLISH
from lddu_pipe.pipelines.settings import AUTO
from lddu_pipe.types import Cue, Transcript

ENOUGH = 20_000
"""Characters of a transcript that are looked at."""
FEWEST_WORDS, SURE = 6, 0.9
"""Of a cue in another language than the rest, and the probability of it."""


def with_language(transcript: Transcript, chosen: str = AUTO) -> Transcript:
    """The same transcript with its language, and with that of cues in another.

    Args:
        transcript: is believed where it names its language.
        chosen: by a person, for others; "auto": it is found out, and English where too little is
            written to tell.
    """
    if transcript.language is not None or not transcript.cues:
        return transcript
    if chosen != AUTO:
        return replace(transcript, language=chosen)
    text = " ".join(cue.text for cue in transcript.cues)
    language = language_of(text[:ENOUGH]) or ENGLISH
    cues = tuple(_in_its_own(cue, language) for cue in transcript.cues)
    return replace(transcript, cues=cues, language=language)


def _in_its_own(cue: Cue, language: str) -> Cue:
    own = language_of(cue.text, FEWEST_WORDS, SURE)
    if own in {None, language}:
        return cue
    return replace(cue, words=tuple(replace(word, language=own) for word in cue.words))
