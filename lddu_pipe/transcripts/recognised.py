"""JSON of speech recognisers, by the table in `lddu_pipe.transcripts.recognisers`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.languages import short_code
from lddu_pipe.transcripts.cues import LATEST, split_words
from lddu_pipe.transcripts.notes import Notes
from lddu_pipe.transcripts.recognisers import NAMES, Shape, find_all, find_shape, look_up
from lddu_pipe.transcripts.segments import Piece, Segment, join_segments, make_cues
from lddu_pipe.types import Transcript

_TOO_SLOW = 20.0
"""Seconds a word above which times are not seconds."""
_ISO_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
_CLOCK = re.compile(r"(\d{1,3}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)")
_SPACE = re.compile(r"\s*")
_NUMBER = re.compile(r"\d{1,12}(?:\.\d*)?")


def parse_json(text: str, path: Path) -> Transcript:
    """Read the JSON of a recogniser, or a list of segments.

    Words without times, as WhisperX leaves numbers, share the time up to the next word that has
    them. Punctuation that stands in the text alone is given to the words. Where only words are
    known they make cues that end at pauses and changes of speaker. A list of segments may count in
    seconds or milliseconds: nobody says a word in 20 seconds. A segment that cannot be placed is
    left out and noted; a probability that is none is passed over.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: It is not JSON, of no known shape, or no segment can be read.
    """
    content = _load(text, path)
    if isinstance(content, dict) and {"schema_version", "provenance"} <= content.keys():
        raise UnusableInputError(f"{path} is an annotation and no transcript; give what was said")
    if isinstance(content, list) and look_up(content, "*.word") is not None:
        content = {"words": content}
    shape = find_shape(content)
    if content == []:
        return Transcript((), path.name)
    if shape is None:
        raise UnusableInputError(
            f"{path} is a transcript of a kind that is not read; JSON is read of {NAMES}, and "
            'lists of objects with "start", "end" (seconds) and "text"'
        )
    notes = Notes(path, "segment")
    segments = _segments(content, shape, notes)
    running = shape.running
    if shape.perhaps_words and all(len(split_words(item.text)) <= 1 for item in segments):
        segments, running = [join_segments(segments)], True
    cues = make_cues(segments, notes, running=running, clipped=shape.clipped)
    language = look_up(content, shape.language)
    spoken = sorted((cue for cue in cues if cue.words), key=lambda cue: cue.span.start)
    return Transcript(
        tuple(spoken),
        path.name,
        # OpenAI's API writes the language's English name, which is no code.
        short_code(language) if isinstance(language, str) else None,
        running=running,
        notes=notes.sentences(len(cues)),
    )


def is_json(text: str) -> bool:
    """Whether a text is JSON as recognisers write it, whatever the name of its file."""
    try:
        content = json.loads(text) if text.lstrip()[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) or (
        isinstance(content, list) and bool(content) and isinstance(content[0], dict)
    )


def _load(text: str, path: Path) -> Any:  # noqa: ANN401 - whatever the JSON holds
    """The value of a file, or the list of values where several stand one after the other."""
    decoder = json.JSONDecoder()
    values: list[Any] = []
    try:
        position = len(text) - len(text.lstrip())
        while position < len(text):
            value, position = decoder.raw_decode(text, position)
            values.append(value)
            position = _SPACE.match(text, position).end()  # type: ignore[union-attr]
    except (ValueError, RecursionError) as error:
        raise UnusableInputError(
            f"{path} is not JSON ({error}); save what the recogniser gave once more"
        ) from error
    return values if len(values) != 1 else values[0]


def _segments(content: Any, shape: Shape, notes: Notes) -> list[Segment]:  # noqa: ANN401
    entries = list(find_all(content, shape.segments))
    channels = [
        str(number) if shape.channel == "#" else look_up(entry, shape.channel)
        for number, entry in enumerate(entries)
    ]
    several = len(set(map(str, channels))) > 1
    labels = _labels_of_aws(content)
    segments: list[Segment] = []
    for number, (entry, channel) in enumerate(zip(entries, channels, strict=True), start=1):
        place = f"segment {number}"
        if not isinstance(entry, dict):
            notes.leave_out(place, "is no object")
            continue
        unit = 1.0 if shape.unit is None else shape.unit
        start = _seconds(look_up(entry, shape.start), unit)
        end = _end(entry, start, shape.end, shape.duration, unit)
        text = look_up(entry, shape.text)
        speaker = _name(look_up(entry, shape.speaker))
        if speaker is None and several and channel is not None:
            speaker = channel if isinstance(channel, str) and not channel.isdigit() else None
            speaker = speaker or f"channel {channel}"
        pieces = [
            _piece(word, shape, start, unit, f"{place}, word {index}", notes, labels)
            for index, word in enumerate(find_all(entry, shape.words), start=1)
            if isinstance(word, dict)
        ]
        if not isinstance(text, str) and not pieces and shape.text:
            notes.leave_out(place, "has no text")
            continue
        text = text if isinstance(text, str) else ""
        if start is None and not text.strip() and not pieces:
            continue  # of a silence
        segments.append(Segment(place, start, end, text, speaker, pieces, bool(shape.start)))
    if shape.cumulative and len(segments) > 1 and _holds_all(segments):
        segments = segments[-1:]
    if shape.unit is None and _counts_milliseconds(segments):
        notes.say("its times are taken for milliseconds: in seconds nobody speaks so slowly")
        segments = [_scaled(segment, 0.001) for segment in segments]
    return segments


def _piece(
    entry: dict[str, Any],
    shape: Shape,
    begun: float | None,
    unit: float,
    place: str,
    notes: Notes,
    labels: dict[str, str],
) -> Piece:
    paths = shape.word
    text = look_up(entry, paths.text)
    start = _seconds(look_up(entry, paths.start), unit)
    if paths.offset and begun is not None:
        start = begun + (_seconds(look_up(entry, paths.offset), unit) or 0.0)
    return Piece(
        text if isinstance(text, str) else "",
        start,
        _end(entry, start, paths.end, paths.duration, unit),
        _probability(look_up(entry, paths.probability), place, notes),
        _name(look_up(entry, paths.speaker)) or labels.get(str(look_up(entry, "start_time"))),
    )


def _labels_of_aws(content: Any) -> dict[str, str]:  # noqa: ANN401
    """The speaker by the start of a word, which older output of AWS keeps in a list of its own."""
    items = find_all(content, "results.speaker_labels.segments.*.items.*")
    return {
        str(look_up(item, "start_time")): label
        for item in items
        if (label := _name(look_up(item, "speaker_label"))) is not None
    }


def _end(
    entry: dict[str, Any], start: float | None, end: str, duration: str, unit: float
) -> float | None:
    if not duration:
        return _seconds(look_up(entry, end), unit)
    length = _seconds(look_up(entry, duration), unit)
    return None if start is None or length is None else start + length


def _seconds(value: Any, unit: float) -> float | None:  # noqa: ANN401 - whatever the JSON holds
    """A time in any of the ways recognisers write it; NaN where it is there and is none."""
    if isinstance(value, str):
        text = value.strip()
        if _NUMBER.fullmatch(text):
            return float(text) * unit
        if _NUMBER.fullmatch(text.removesuffix("s")):
            return float(text.removesuffix("s"))  # Google
        match = _ISO_DURATION.fullmatch(text) or _CLOCK.fullmatch(text)
        if match is None or text == "PT":
            return math.nan
        hours, minutes, seconds = (float(group or 0) for group in match.groups())
        return hours * 3600 + minutes * 60 + seconds
    if isinstance(value, dict):  # Google's, as its library has it
        parts = [value.get("seconds", 0), value.get("nanos", 0)]
        whole, nanos = (_seconds(part, 1.0) for part in parts)
        return None if whole is None or nanos is None else whole + nanos * 1e-9
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value) * unit
    except OverflowError:
        return math.nan


def _probability(value: Any, place: str, notes: Notes) -> float | None:  # noqa: ANN401
    number = _seconds(value, 1.0)
    if number is None or math.isnan(number):  # WhisperX, where it could not align a word
        return None
    if not 0 <= number <= 1:
        notes.put_right(place, f"has the probability {number:g}, passed over")
        return None
    return number


def _name(value: Any) -> str | None:  # noqa: ANN401 - whatever the JSON holds
    """A speaker's name, made of a number where the recogniser counts them."""
    if isinstance(value, str):
        return " ".join(value.split()) or None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10_000:
        return f"speaker {value}"
    return None


def _holds_all(segments: Sequence[Segment]) -> bool:
    """True where the last segment repeats the words of all before it, with their speakers."""
    *others, last = (segment.pieces for segment in segments)
    count = sum(map(len, others))
    return bool(count) and len(last) >= count and any(piece.speaker for piece in last)


def _counts_milliseconds(segments: Sequence[Segment]) -> bool:
    pace: list[float] = []
    latest = 0.0
    for segment in segments:
        timed: list[Segment | Piece] = [segment, *segment.pieces]
        for item in timed:
            if item.start is not None and item.end is not None and item.end <= 1000 * LATEST:
                count = len(split_words(item.text)) or 1
                pace.append((item.end - item.start) / count)
                latest = max(latest, item.end)
    return bool(pace) and latest >= 1000 and median(pace) > _TOO_SLOW


def _scaled(segment: Segment, factor: float) -> Segment:
    def times(item: Segment | Piece) -> dict[str, float | None]:
        return {
            name: None if (value := getattr(item, name)) is None else value * factor
            for name in ("start", "end")
        }

    pieces = [replace(piece, **times(piece)) for piece in segment.pieces]  # type: ignore[arg-type]
    return replace(segment, **times(segment), pieces=pieces)  # type: ignore[arg-type]
