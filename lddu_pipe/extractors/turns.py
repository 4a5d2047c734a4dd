"""Turns of voices, laid over what is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lddu_pipe.types import Cue, TimeSpan, Turn

NEAR = 0.5
"""Seconds from a turn at which a word is still of it: the recogniser's times are estimates."""


def with_voices(cue: Cue, turns: Sequence[Turn]) -> Cue:
    """A cue whose words have the voice of the turn that shares most time with each.

    A word beside a turn, as the recogniser has it, is of the nearest one.
    """
    words = tuple(replace(word, voice=_voice_of(word.span, turns)) for word in cue.words)
    voices = {word.voice for word in words}
    return replace(cue, words=words, voice=voices.pop() if len(voices) == 1 else None)


def part_of(turns: Sequence[Turn], span: TimeSpan) -> tuple[Turn, ...]:
    """What of some turns lies in a span."""
    return tuple(
        Turn(turn.span.clip(span), turn.voice) for turn in turns if turn.span.overlap(span) > 0
    )


def cut_at_turns(
    span: TimeSpan, turns: Sequence[Turn], shortest: float
) -> list[tuple[TimeSpan, int | None]]:
    """Cut a span where the voice changes.

    Args:
        span: in which somebody speaks.
        turns: in order of start.
        shortest: seconds, at least, of a part; a shorter one is of the voice before it, or after.

    Returns:
        Parts that make up the span, each with its voice, None where no turn is in the whole span.
    """
    inside = [turn for turn in part_of(turns, span) if turn.span.duration >= shortest]
    parts: list[tuple[TimeSpan, int | None]] = []
    for turn in inside:
        if parts and parts[-1][1] == turn.voice:
            continue
        begin = turn.span.start if parts else span.start
        if parts:
            before = TimeSpan(parts[-1][0].start, max(parts[-1][0].start, begin))
            if before.duration < shortest or span.end - begin < shortest:
                continue
            parts[-1] = before, parts[-1][1]
        parts.append((TimeSpan(begin, span.end), turn.voice))
    return parts or [(span, None)]


def _voice_of(span: TimeSpan, turns: Sequence[Turn]) -> int | None:
    if not turns:
        return None

    def nearness(turn: Turn) -> tuple[float, float]:
        apart = max(turn.span.start - span.end, span.start - turn.span.end, 0.0)
        return turn.span.overlap(span), -apart

    best = max(turns, key=nearness)
    return best.voice if -nearness(best)[1] <= NEAR else None
