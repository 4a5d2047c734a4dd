"""Segments of recognised speech to cues, whatever of their times is there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from lddu_pipe.transcripts.cues import (
    checked_span,
    is_description,
    is_spoken,
    join_words,
    likely_end,
    merge_pieces,
    remove_descriptions,
    runs,
    share_span,
    split_words,
    spread_words,
    timed_text,
)
from lddu_pipe.transcripts.notes import Notes, UnreadableError
from lddu_pipe.types import Cue, TimeSpan, Word


@dataclass(frozen=True)
class Piece:
    """A word, or a part of one, as the recogniser has it."""

    text: str
    start: float | None
    end: float | None
    probability: float | None
    speaker: str | None


@dataclass(frozen=True)
class Segment:
    """What stands together in the file, its times in seconds where they are there."""

    place: str
    start: float | None
    end: float | None
    text: str
    speaker: str | None
    pieces: list[Piece]
    starts_stated: bool = False
    """The recogniser gives every segment a start; where none is, something is wrong."""


def join_segments(segments: Sequence[Segment]) -> Segment:
    """One segment of the words that each were one."""
    pieces = [
        Piece(segment.text, segment.start, segment.end, None, segment.speaker)
        for segment in segments
    ]
    return Segment("the words", None, None, "", None, pieces)


def make_cues(
    segments: Sequence[Segment],
    notes: Notes,
    *,
    running: bool = False,
    clipped: bool = False,
) -> list[Cue]:
    """Make a cue of each segment that can be placed; of running words, one of each run.

    Args:
        segments: In the order of the file.
        notes: Told what is left out or put right.
        running: The segments are turns or channels and no units of their own.
        clipped: A segment ends when the next begins, whatever is stated.
    """
    cues: list[Cue] = []
    starts = [_first_start(segment) for segment in segments]
    for segment, following in zip(segments, [*starts[1:], None], strict=False):
        before = cues[-1].span.end if cues else 0.0
        try:
            span = _span(segment, before, following, notes)
        except UnreadableError as error:
            notes.leave_out(segment.place, error)
            continue
        if clipped and following is not None and span.start < following < span.end:
            span = TimeSpan(span.start, following)
        said, words = _spoken(segment, span, notes)
        if segment.starts_stated and segment.start is None and _first_start(segment) is None:
            notes.put_right(segment.place, "has no start: it follows the one before")
        if running and any(_is_time(piece.start) for piece in segment.pieces):
            cues += runs(sorted(words, key=lambda word: word.span.start))
            continue
        speakers = {word.speaker for word in words}
        speaker = segment.speaker or (speakers.pop() if len(speakers) == 1 else None)
        cues.append(Cue(said, span, tuple(words), speaker))
    return cues


def _first_start(segment: Segment) -> float | None:
    times = [segment.start, *(piece.start for piece in segment.pieces)]
    return next((time for time in times if time is not None and _is_time(time)), None)


def _is_time(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value >= 0


def _span(segment: Segment, before: float, following: float | None, notes: Notes) -> TimeSpan:
    """When a segment is said: as it states, as its words do, or as follows from its neighbours.

    Raises:
        UnreadableError: It cannot be told.
    """
    start, end = segment.start, segment.end
    inside = [
        time for piece in segment.pieces for time in (piece.start, piece.end) if _is_time(time)
    ]
    known = [time for time in inside if time is not None]
    first = segment.pieces[0] if segment.pieces else None
    if start is None and first is not None and first.start is None and _is_time(first.end):
        # Google leaves out a time of zero.
        start = min(before, first.end or 0.0)
    if known:
        start = start if _is_time(start) else min(known)
        end = end if _is_time(end) else max(known)
    if start is None and end is not None and _is_time(end):
        start = min(before, end)
    text = segment.text or " ".join(piece.text for piece in segment.pieces)
    if start is None:
        raise UnreadableError("has no start" if split_words(text) else "has no times")
    if end is None:
        end = likely_end(start, text, following)
    span = checked_span(start, end, segment.place, notes)
    if span.duration == 0 and split_words(text):
        notes.put_right(segment.place, "has no length: given that of its words")
        span = TimeSpan(span.start, likely_end(span.start, text, following))
    return span


def _spoken(segment: Segment, span: TimeSpan, notes: Notes) -> tuple[str, list[Word]]:
    """What is said in a segment, and its words."""
    words = _words(segment, span, notes)
    said = remove_descriptions(segment.text)
    if not said:
        return join_words(words), words
    if not words:
        return said, spread_words(said, span, segment.speaker)
    if split_words(said) != [word.text for word in words]:
        # The words may stand without punctuation beside a text that has it.
        words = timed_text(said, words) or words
    return said, words


def _words(segment: Segment, span: TimeSpan, notes: Notes) -> list[Word]:
    pieces = _with_punctuation(segment.pieces)
    described = is_description([piece.text.strip() for piece in pieces])
    words: list[Word] = []
    for piece, place, left_out in zip(
        pieces, _word_spans(pieces, span, segment.place, notes), described, strict=True
    ):
        if left_out:
            continue
        gap = piece.text[:1] if piece.text[:1].isspace() else ""
        parts = split_words(piece.text) or [piece.text.strip()]
        words += [
            Word(
                f"{gap if index == 0 else ' '}{part}",
                share,
                piece.probability,
                piece.speaker or segment.speaker,
            )
            for index, (part, share) in enumerate(
                zip(parts, share_span(parts, place), strict=True)
            )
        ]
    return merge_pieces(words)


def _with_punctuation(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces that say something; punctuation without a time goes to the word before it."""
    found: list[Piece] = []
    for piece in pieces:
        text = piece.text.strip()
        if not text:
            continue
        if found and piece.start is None and piece.end is None and not is_spoken(text):
            found[-1] = replace(found[-1], text=found[-1].text + text)
        else:
            found.append(piece)
    return found


def _word_spans(
    pieces: Sequence[Piece], segment: TimeSpan, place: str, notes: Notes
) -> list[TimeSpan]:
    stated = _stated(pieces, segment, place, notes)
    spans: list[TimeSpan] = []
    pairs = zip(stated, pieces, strict=True)
    for untimed, run in groupby(pairs, key=lambda pair: pair[0] is None):
        group = list(run)
        if not untimed:
            spans += [span for span, _ in group if span is not None]
            continue
        start = spans[-1].end if spans else segment.start
        following = stated[len(spans) + len(group) :]
        end = following[0].start if following and following[0] else segment.end
        spans += share_span([piece.text for _, piece in group], TimeSpan(start, max(start, end)))
    return spans


def _stated(
    pieces: Sequence[Piece], segment: TimeSpan, place: str, notes: Notes
) -> list[TimeSpan | None]:
    """The span of each piece that has times; one of the two may be that of a neighbour."""
    found: list[TimeSpan | None] = []
    for number, piece in enumerate(pieces):
        start, end = piece.start, piece.end
        if start is None and end is not None:
            start = found[-1].end if found and found[-1] else segment.start
        elif end is None and start is not None:
            later = pieces[number + 1].start if number + 1 < len(pieces) else segment.end
            end = max(start, later) if later is not None and _is_time(later) else start
        if start is None or end is None:
            found.append(None)
            continue
        try:
            found.append(checked_span(start, end, f"{place}, word {number + 1}", notes))
        except UnreadableError as error:
            notes.put_right(f"{place}, word {number + 1}", f"{error}; placed by its neighbours")
            found.append(None)
    return found
