"""Text with times in it, as recognisers print it and people type it.

Whisper's ``[00:00.000 --> 00:02.000] text``, labels of Audacity, ``Anna  0:12`` above what Anna
says (Otter, Rev), ``[00:12] text`` and the like, LRC, and tables with columns of times.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.cues import checked_span, likely_end
from lddu_pipe.transcripts.notes import Notes, UnreadableError
from lddu_pipe.transcripts.rolling import Shown
from lddu_pipe.transcripts.subtitles import make_transcript
from lddu_pipe.types import Transcript

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:[.,]\d{1,6})?)"
_BETWEEN = r"\s*(?:[-\u2010-\u2015\u2212]+\s?>|\u2192|[-\u2010-\u2015\u2212]|to)\s*"
_RANGE = re.compile(rf"\s*[\[(]?\s*{_CLOCK}{_BETWEEN}{_CLOCK}\s*[\])]?\s*:?(?:\s+|$)(?P<text>.*)")
_LEADING = re.compile(
    rf"\s*(?:[\[(<]\s*{_CLOCK}\s*[\])>]|{_CLOCK}(?=\s|$))"
    r"(?:\s*[-\u2013\u2014|:](?=\s))?\s*(?P<text>.*)"
)
_HEADING = re.compile(
    rf"\s*(?P<speaker>[^\W\d_][^\n:\[\]()]{{0,40}}?)\s*[|,\u2013-]?\s+[\[(]?{_CLOCK}[\])]?\s*:?\s*"
)
_LABEL = re.compile(r"(\d+[.,]\d+)\t(\d+[.,]\d+)\t(?P<text>.*)")
_UNREADABLE = re.compile(
    r"\s*\[[^\]]*(?:-->|\u2192)[^\]]*\].*|(?=\S*\d)[-+\w.,]{1,20}\t[-+\w.,]{1,20}\t.*"
)
"""Lines of a kind that has times in the places of times, whatever stands there."""
_LRC_TAG = re.compile(r"\[([a-zA-Z#]+):([^\]]*)\]\s*")
_LRC_TIME = re.compile(rf"\s*\[{_CLOCK}\]")
_FIRST_LINES = 6
"""Lines of a text, at most, before the first time of one that has times."""
_ADVERT = re.compile(r"\s*Transcribed by https?://\S+\s*")


@dataclass(frozen=True)
class _Stamp:
    """A line that says when something is said."""

    line: int
    """From 1."""
    start: float
    """NaN where it cannot be read."""
    end: float | None
    """None where the line does not say."""
    text: str
    speaker: str | None = None


def parse_stamped(text: str, path: Path) -> Transcript | None:
    """Read text with times in it; None where it has none, and so is plain text.

    It has times where lines begin with them or are headings of a name and a time, among the first
    lines already, and where the times run forward. What has no end lasts until the next begins.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: It has times, and none is possible.
    """
    lines = text.split("\n")
    stamps = [
        stamp
        for number, line in enumerate(lines, 1)
        if (stamp := _stamp(number, line) or _unreadable(number, line))
    ]
    if not _are_times([stamp for stamp in stamps if not math.isnan(stamp.start)], lines):
        return None
    notes = Notes(path, "cue")
    before = sum(bool(line.strip()) for line in lines[: stamps[0].line - 1])
    if before:
        notes.say(f"{before} line{'' if before == 1 else 's'} before the first time left out")
    ends = [stamp.line - 1 for stamp in stamps[1:]] + [len(lines)]
    blocks = [
        (stamp, [stamp.text, *(line for line in lines[stamp.line : end] if not _ignored(line))])
        for stamp, end in zip(stamps, ends, strict=True)
    ]
    return make_transcript(list(_shown(blocks, notes)), path, notes)


def parse_lrc(text: str, path: Path) -> Transcript:
    """Read LRC, the format of song texts: ``[00:12.00]text``, several times a line where repeated.

    A line lasts until the next begins, which may be one without words.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: There is no line with a time.
    """
    offset = 0.0
    found: list[_Stamp] = []
    for number, line in enumerate(text.split("\n"), 1):
        tag = _LRC_TAG.fullmatch(line.strip())
        if tag is not None:
            value = tag[2].strip()
            if tag[1].lower() == "offset" and re.fullmatch(r"[-+]?\d{1,7}", value):
                offset = int(value) / 1000  # a positive one shows the text earlier
            continue
        times: list[float] = []
        position = 0
        while (match := _LRC_TIME.match(line, position)) is not None:
            times.append(_seconds(match.groups()))
            position = match.end()
        rest = line[position:]
        found += [_Stamp(number, max(0.0, time - offset), None, rest) for time in times]
    notes = Notes(path, "line")
    ordered = sorted(found, key=lambda stamp: stamp.start)
    blocks = _shown([(stamp, [stamp.text]) for stamp in ordered], notes)
    return make_transcript(list(blocks), path, notes)


def parse_table(text: str, path: Path) -> Transcript:
    """Read Whisper's ``.tsv``: columns ``start``, ``end`` and ``text``, times in milliseconds.

    A column ``speaker`` is read, too. Times with a decimal point are seconds.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: The first line does not name these columns, or no row can be read.
    """
    rows = [line.split("\t") for line in text.split("\n")]
    names = [name.strip().lower() for name in rows[0]]
    if not {"start", "end", "text"} <= set(names):
        raise UnusableInputError(
            f"{path} is a table of a kind that is not read as a transcript; "
            "its first line names the columns start, end and text, with tabs between them"
        )
    notes = Notes(path, "row")
    values = [dict(zip(names, row, strict=False)) for row in rows[1:]]
    times = [value.get(name, "") for value in values for name in ("start", "end")]
    unit = 1.0 if any("." in time for time in times) else 0.001
    blocks: list[Shown] = []
    for number, value in enumerate(values, 2):
        if not any(value.values()):
            continue
        place = f"line {number}"
        try:
            start, end = (float(value.get(name, "")) * unit for name in ("start", "end"))
            span = checked_span(start, end, place, notes)
        except ValueError:
            notes.leave_out(place, "has no times in the columns start and end")
        except UnreadableError as error:
            notes.leave_out(place, error)
        else:
            speaker = value.get("speaker", "").strip() or None
            blocks.append(Shown(place, span, [value.get("text", "")], speaker))
    return make_transcript(blocks, path, notes)


def _stamp(number: int, line: str) -> _Stamp | None:
    label = _LABEL.fullmatch(line)
    if label is not None:
        start, end = (float(label[group].replace(",", ".")) for group in (1, 2))
        return _Stamp(number, start, end, label["text"])
    line = " ".join(line.split())
    match = _RANGE.fullmatch(line)
    if match is not None:
        groups = match.groups()
        return _Stamp(number, _seconds(groups[:3]), _seconds(groups[3:6]), match["text"])
    match = _LEADING.fullmatch(line)
    if match is not None:
        groups = match.groups()
        time = groups[:3] if groups[1] else groups[3:6]
        return _Stamp(number, _seconds(time), None, match["text"])
    match = _HEADING.fullmatch(line)
    if match is not None:
        speaker = " ".join(match["speaker"].split())
        return _Stamp(number, _seconds(match.groups()[1:4]), None, "", speaker)
    return None


def _unreadable(number: int, line: str) -> _Stamp | None:
    return _Stamp(number, math.nan, math.nan, "") if _UNREADABLE.fullmatch(line) else None


def _seconds(groups: Sequence[str | None]) -> float:
    hours, minutes, rest = groups
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float((rest or "0").replace(",", "."))


def _are_times(stamps: Sequence[_Stamp], lines: Sequence[str]) -> bool:
    """True where the stamps are when things are said, and not times of day in a text."""
    if not stamps or not (len(stamps) > 1 or stamps[0].end is not None):
        return False
    before = sum(bool(line.strip()) for line in lines[: stamps[0].line - 1])
    forward = sum(after.start >= before.start for before, after in pairwise(stamps))
    return before < _FIRST_LINES and forward >= 0.9 * (len(stamps) - 1)


def _ignored(line: str) -> bool:
    """True for the frequencies of a label in Audacity, and for whose service it was."""
    return line.startswith("\\\t") or _ADVERT.fullmatch(line) is not None


def _shown(blocks: Sequence[tuple[_Stamp, list[str]]], notes: Notes) -> Iterator[Shown]:
    following: list[float | None] = []
    later = None
    for stamp, _ in reversed(blocks):
        following.append(later)
        later = later if math.isnan(stamp.start) else stamp.start
    for (stamp, lines), later in zip(blocks, reversed(following), strict=True):
        place = f"line {stamp.line}"
        if math.isnan(stamp.start):
            notes.leave_out(place, "has times that cannot be read")
            continue
        end = stamp.end
        if end is None:
            end = likely_end(stamp.start, " ".join(lines), later)
        try:
            span = checked_span(stamp.start, end, place, notes)
        except UnreadableError as error:
            notes.leave_out(place, error)
        else:
            yield Shown(place, span, lines, stamp.speaker)
