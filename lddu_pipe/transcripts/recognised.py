"""JSON of speech recognisers: Whisper, WhisperX, and bare lists of segments."""

from __future__ import annotations

import json
import math
from itertools import groupby
from pathlib import Path
from typing import Any

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.cues import (
    checked_span,
    is_description,
    join_words,
    merge_pieces,
    remove_descriptions,
    share_span,
    spread_words,
)
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

_SHAPES = (
    'an object with "segments" as Whisper and WhisperX write it, or a list of objects with '
    '"start", "end" (seconds) and "text"'
)


def parse_json(text: str, path: Path) -> Transcript:
    """Read Whisper's ``{"segments": [...], "language": ...}`` or a list of segments.

    A segment has ``start`` and ``end`` in seconds, ``text``, and where known ``speaker`` and
    ``words``; a word has ``word`` or ``text``, ``start``, ``end``, and where known
    ``probability`` (Whisper) or ``score`` (WhisperX) and ``speaker``. Words without times, as
    WhisperX leaves numbers, share the time up to the next word that has them.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: It is not JSON of these shapes, or a time or probability is impossible.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableInputError(
            f"{path} is not JSON ({error}); a transcript is {_SHAPES}"
        ) from error
    segments = content.get("segments") if isinstance(content, dict) else content
    if not isinstance(segments, list):
        raise UnusableInputError(f"{path} has no transcript in a known shape: {_SHAPES}")
    cues = [
        _cue(segment, f"{path}: segment {number}")
        for number, segment in enumerate(segments, start=1)
    ]
    spoken = sorted((cue for cue in cues if cue.words), key=lambda cue: cue.span.start)
    language = content.get("language") if isinstance(content, dict) else None
    # OpenAI's API writes the language's English name here, which is no code.
    known = isinstance(language, str) and len(language) == 2
    return Transcript(tuple(spoken), path.name, language if known else None)


def _cue(segment: Any, place: str) -> Cue:  # noqa: ANN401 - whatever the JSON holds
    if not isinstance(segment, dict) or not {"start", "end"} <= segment.keys():
        raise UnusableInputError(f"{place} is in no known shape; a transcript is {_SHAPES}")
    span = checked_span(_number(segment, "start", place), _number(segment, "end", place), place)
    speaker = _string(segment, "speaker", place) or None
    entries = segment.get("words") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnusableInputError(f'{place} has "words" that are not a list of objects')
    words = _words(entries, span, speaker, place)
    text = _string(segment, "text", place)
    if text is None and not entries:
        raise UnusableInputError(f'{place} has no "text"; a transcript is {_SHAPES}')
    said = remove_descriptions(text or "") or join_words(words)
    return Cue(said, span, tuple(words or spread_words(said, span, speaker)), speaker)


def _words(
    entries: list[dict[str, Any]], segment: TimeSpan, speaker: str | None, place: str
) -> list[Word]:
    places = [f"{place}, word {number}" for number in range(1, len(entries) + 1)]
    raw = [
        _string(entry, "word" if "word" in entry else "text", where) or ""
        for entry, where in zip(entries, places, strict=True)
    ]
    texts = [text.strip() for text in raw]
    spans = _word_spans(entries, texts, segment, places)
    described = is_description(texts)
    return merge_pieces(
        [
            Word(
                raw[index],
                spans[index],
                _probability(entry, places[index]),
                _string(entry, "speaker", places[index]) or speaker,
            )
            for index, entry in enumerate(entries)
            if texts[index] and not described[index]
        ]
    )


def _word_spans(
    entries: list[dict[str, Any]], texts: list[str], segment: TimeSpan, places: list[str]
) -> list[TimeSpan]:
    stated = [
        checked_span(_number(entry, "start", where), _number(entry, "end", where), where)
        if entry.get("start") is not None and entry.get("end") is not None
        else None
        for entry, where in zip(entries, places, strict=True)
    ]
    spans: list[TimeSpan] = []
    for untimed, run in groupby(zip(stated, texts, strict=True), key=lambda pair: pair[0] is None):
        pairs = list(run)
        if not untimed:
            spans += [span for span, _ in pairs if span is not None]
            continue
        start = spans[-1].end if spans else segment.start
        following = stated[len(spans) + len(pairs) :]
        end = following[0].start if following and following[0] else segment.end
        # A blank text gets a share too, so that a run of blanks does not divide by zero.
        shares = share_span([text or " " for _, text in pairs], TimeSpan(start, max(start, end)))
        spans += shares
    return spans


def _probability(entry: dict[str, Any], place: str) -> float | None:
    name = "probability" if "probability" in entry else "score"
    if entry.get(name) is None:
        return None
    value = _number(entry, name, place)
    if math.isnan(value):  # WhisperX, where it could not align a word
        return None
    if not 0 <= value <= 1:
        raise UnusableInputError(f'{place} has "{name}" {value}, which does not lie in 0..1')
    return value


def _number(entry: dict[str, Any], name: str, place: str) -> float:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableInputError(f'{place} has "{name}" {value!r:.40}, which is not a number')
    try:
        return float(value)
    except OverflowError:
        raise UnusableInputError(f'{place} has "{name}" too large for a time') from None


def _string(entry: dict[str, Any], name: str, place: str) -> str | None:
    value = entry.get(name)
    if value is not None and not isinstance(value, str):
        raise UnusableInputError(f'{place} has "{name}" {value!r:.40}, which is not text')
    return value
