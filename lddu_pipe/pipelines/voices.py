"""What several speakers say, each heard apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lddu_pipe.types import Cue, Transcript


def together(heard: Mapping[str, Transcript]) -> Transcript:
    """One transcript of several at the same times, each of one speaker.

    Args:
        heard: by the speaker's name; at least one.
    """
    cues = _in_order({name: transcript.cues for name, transcript in heard.items()})
    unrecognised = _in_order({name: transcript.unrecognised for name, transcript in heard.items()})
    return replace(next(iter(heard.values())), cues=cues, unrecognised=unrecognised)


def _in_order(cues: Mapping[str, Sequence[Cue]]) -> tuple[Cue, ...]:
    """Cues of several speakers, each with its speaker's name."""
    named = [
        replace(cue, speaker=name, words=tuple(replace(word, speaker=name) for word in cue.words))
        for name, own in cues.items()
        for cue in own
    ]
    return tuple(sorted(named, key=lambda cue: cue.span))
