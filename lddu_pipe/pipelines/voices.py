"""What several speakers say, each heard apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lddu_pipe.types import Transcript


def together(heard: Mapping[str, Transcript]) -> Transcript:
    """One transcript of several at the same times, each of one speaker.

    Args:
        heard: by the speaker's name; at least one.
    """
    cues = [
        replace(cue, speaker=name, words=tuple(replace(word, speaker=name) for word in cue.words))
        for name, transcript in heard.items()
        for cue in transcript.cues
    ]
    first = next(iter(heard.values()))
    return replace(first, cues=tuple(sorted(cues, key=lambda cue: cue.span)))
