"""Several speakers, each heard in a channel of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lddu_pipe.events import WordsHeard
from lddu_pipe.types import Cue


def listen_to_all(listeners: Mapping[str, Iterator[WordsHeard]]) -> Iterator[WordsHeard]:
    """What each of several speakers says, in steps that keep together in time.

    Args:
        listeners: by the speaker's name; at least one.
    """
    reached = dict.fromkeys(listeners, 0.0)
    while reached:
        name = min(reached, key=lambda other: reached[other])
        heard = next(listeners[name], None)
        if heard is None:
            del reached[name]
            continue
        reached[name] = heard.until
        yield replace(
            heard,
            cues=tuple(_said_by(name, cue) for cue in heard.cues),
            unrecognised=tuple(_said_by(name, cue) for cue in heard.unrecognised),
            until=min(reached.values()),
        )


def _said_by(name: str, cue: Cue) -> Cue:
    words = tuple(replace(word, speaker=name) for word in cue.words)
    return replace(cue, speaker=name, words=words)
