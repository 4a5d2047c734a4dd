"""SRT, WebVTT and SBV, and cues of other formats that are written as theirs.

They are read by the algorithm of WebVTT (https://www.w3.org/TR/webvtt1/, section 6), made
tolerant of SRT as found in the wild. The subtitle libraries were tried: pysubs2 1.8 takes a WebVTT
line with two word times for a new cue, and notes and cue names for speech; webvtt-py 0.5 passes
over cues it cannot read. Each loses or adds words without a sign.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.cues import (
    checked_span,
    likely_end,
    remove_descriptions,
    share_span,
    split_words,
)
from lddu_pipe.transcripts.notes import Notes, UnreadableError
from lddu_pipe.transcripts.rolling import Shown, said_once
from lddu_pipe.transcripts.speakers import Split, find_names
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

# Blanks within, six digits of a second, and a third colon come from translators and scripts.
_TIME = r"(?:(\d{1,4})\s?:\s?)?(\d{1,2})\s?:\s?(\d{1,2})(?:\s?[.,]\s?(\d{1,9})|:(\d{3}))?"
_SHAFT = r"[-\u2010-\u2015\u2212=~]"
_ARROW = rf"(?:(?:{_SHAFT}\s?)*(?:>|&gt;|\u203a|\u2192|\u27f6)+)"
_HEADER = re.compile(rf"\s*{_TIME}\s*{_ARROW}\s*{_TIME}(?:\s.*)?")
_DASHED = re.compile(rf"\s*{_TIME}\s*{_SHAFT}{{1,3}}\s*{_TIME}\s*")
_TIMES_ALONE = re.compile(rf"\s*{_TIME}\s*{_ARROW}\s*{_TIME}\s*(?:\w+:\S+\s*)*")
_SBV = re.compile(rf"\s*{_TIME},{_TIME}\s*")
_PAIR = re.compile(rf"\s*{_TIME}\s+{_TIME}\s*")
_ONE_TIME = re.compile(rf"\s*{_TIME}[\s,]*")
_ARROW_ALONE = re.compile(rf"\S\s*{_ARROW}\s*\S")
_BROKEN = re.compile(rf"(?=.*(?:\d|nan|null|none)).*{_SHAFT}\s?(?:>|&gt;)", re.IGNORECASE)
_LANGUAGE = re.compile(r"(?m)^Language:\s*([a-z]{2})\b")
_MARK = re.compile(
    rf"<(?P<time>{_TIME})>|<v(?:\.[^\s>]*)?(?:\s(?P<speaker>[^>]*))?>|</v>"
    r"|(?P<turn>\x02)(?P<named>[^\x03]*)\x03"
)
_WORD_TIME = re.compile(rf"<{_TIME}>")
_FORMATTING = re.compile(r"</?(?!v[\s.>])[a-zA-Z][^<>]*>|\{(?:\\|[a-zA-Z]:)[^{}]*\}|\\h")
# A dash at the start of a line, and ">>" anywhere, say that the speaker changes.
_DASH = re.compile(r"^[^\S\n]*((?:<[^<>]*>)*)[^\S\n]*[-\u2013\u2014]++[^\S\n]*(?![\d>])")
_TURN = re.compile(r"(?<!\w)(?:>{2,}|(?:&gt;){2,})")
_DESCRIBED_LINE = re.compile(r"\s*\([^()]*\)\s*")
_NEW_TURN = "\x02\x03"
_CONTROL = re.compile(r"[\x02\x03]")
_LEADING_MARKS = re.compile(r"(?:\s|\x02[^\x03]*\x03)*")
_ANY_MARK = re.compile(r"<[^<>]*>|\x02[^\x03]*\x03")


@dataclass(frozen=True)
class _Section:
    """A part of a cue with one speaker and one start."""

    start: float
    text: str
    speaker: str | None
    turn: int
    """Counts changes of speaker within the cue."""


def parse_subtitles(text: str, path: Path) -> Transcript:
    """Read SRT, WebVTT or SBV.

    Formatting and ASS codes are removed. ``<v Name>`` names a speaker, and so does "Name:" at the
    start of a line, as `lddu_pipe.transcripts.speakers` says. Word times inside a cue
    (``<00:00:01.000>``) are kept; other words share the cue's span by length. Left out, since
    nobody says it: "[...]", music signs, and a line wholly in parentheses. A dash at the start of
    a line and ">>" begin another person's turn, which is a cue of its own. In captions that roll
    up, what is shown again is said once. A cue whose times cannot be read is left out and noted.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: There is no cue that can be read.
    """
    notes = Notes(path, "cue")
    blocks = list(_blocks(text.split("\n"), notes))
    language = _LANGUAGE.search(text[:1000]) if text.startswith("WEBVTT") else None
    return make_transcript(blocks, path, notes, language[1] if language else None)


def is_subtitles(text: str) -> bool:
    """True where a line is that of a cue's times, with no words in it."""
    return any(_TIMES_ALONE.fullmatch(line) or _is_dashed(line) for line in text.split("\n"))


def make_transcript(
    blocks: Sequence[Shown], path: Path, notes: Notes, language: str | None = None
) -> Transcript:
    """Make cues of text as subtitles have it, with the same markup and the same signs.

    Args:
        blocks: In the order of the file.
        path: Named in errors and in the result.
        notes: What was noted so far; grows.
        language: ISO 639-1 code, where known.

    Raises:
        UnusableInputError: There are no blocks.
    """
    if not blocks:
        notes.sentences(0)
        raise UnusableInputError(
            f"{path} has no subtitle cues; a cue begins with a line such as "
            "00:00:01,000 --> 00:00:04,000"
        )
    timed_words = any(_WORD_TIME.search(line) for block in blocks for line in block.lines)
    shown = _lengthened(blocks, notes)
    once = said_once(shown, timed_words=timed_words)
    blocks = [replace(block, lines=_cleaned(block.lines)) for block in once]
    split = find_names(
        [_ANY_MARK.sub("", line).strip() for line in block.lines] for block in blocks
    )
    cues = [cue for block in blocks for cue in _cues(block, split)]
    return Transcript(
        tuple(sorted(cues, key=lambda cue: cue.span.start)),
        path.name,
        language,
        # What rolls breaks off anywhere in a sentence.
        running=not timed_words and once != shown,
        notes=notes.sentences(len(blocks)),
    )


def _blocks(lines: list[str], notes: Notes) -> Iterator[Shown]:
    # Only WebVTT ends a cue at a blank line for certain: SRT files have them inside cues.
    webvtt = lines[0].startswith("WEBVTT")
    headers = [number for number, line in enumerate(lines) if _is_header(lines, number)]
    for count, (header, following) in enumerate(pairwise([*headers, len(lines)]), start=1):
        place = f"cue {count} (line {header + 1})"
        body = lines[header + 1 : following]
        if webvtt:
            blank = (number for number, line in enumerate(body) if not line)
            body = body[: next(blank, len(body))]
        elif following < len(lines) and body and body[-1].strip().isdigit():
            body.pop()  # the number of the next cue
        try:
            yield Shown(place, _header_span(lines[header], place, notes), body)
        except UnreadableError as error:
            notes.leave_out(place, error)


def _is_header(lines: Sequence[str], number: int) -> bool:
    """True for the times of a cue, also where they stand in the place of times and are none."""
    line = lines[number]
    if _HEADER.fullmatch(line) or _SBV.fullmatch(line):
        return True
    if _is_dashed(line):
        return True
    if lines[0].startswith("WEBVTT") and "-->" in line:
        return True  # by its specification, whatever stands around it
    above = lines[number - 1].strip() if number else ""
    if above and not above.isdigit():
        return False
    if above.isdigit() and _ARROW_ALONE.search(line):
        return True
    alone = _ONE_TIME.fullmatch(line)
    in_place = bool(alone and alone[4]) or _PAIR.fullmatch(line) is not None
    return in_place or bool(_BROKEN.match(line))


def _is_dashed(line: str) -> bool:
    """True for two times and a dash; without a fraction of a second it may be what is said."""
    match = _DASHED.fullmatch(line)
    return match is not None and bool(match[4] or match[9])


def _header_span(line: str, place: str, notes: Notes) -> TimeSpan:
    match = _HEADER.fullmatch(line) or _DASHED.fullmatch(line) or _SBV.fullmatch(line)
    match = match or _PAIR.fullmatch(line)
    if match is None:
        raise UnreadableError(
            f"has times that cannot be read, {line.strip()[:60]!r}; "
            "they look like 00:00:01,000 --> 00:00:04,000"
        )
    groups = match.groups()
    return checked_span(seconds(groups[:5]), seconds(groups[5:10]), place, notes)


def seconds(groups: Sequence[str | None]) -> float:
    """Return the seconds of a time: its hours, minutes, seconds and fraction (in either form)."""
    hours, minutes, whole, fraction, millis = (group or "" for group in groups)
    moment = int(hours or 0) * 3600 + int(minutes or 0) * 60
    return moment + float(f"{whole}.{fraction or millis or 0}")


def _lengthened(blocks: Sequence[Shown], notes: Notes) -> list[Shown]:
    """Give cues of no length that of their words, since nobody says them in no time."""
    starts = sorted(block.span.start for block in blocks)
    longer: list[Shown] = []
    for block in blocks:
        start = block.span.start
        text = " ".join(block.lines)
        if block.span.duration == 0 and split_words(text):
            later = bisect_right(starts, start)
            end = likely_end(start, text, starts[later] if later < len(starts) else None)
            notes.put_right(block.place, "has no length: given that of its words")
            longer.append(replace(block, span=TimeSpan(start, end)))
        else:
            longer.append(block)
    return longer


def _cleaned(lines: Sequence[str]) -> list[str]:
    """Lines without formatting and descriptions; where the speaker changes stands a mark."""
    text = _CONTROL.sub(" ", "\n".join(lines)).replace("\\N", "\n").replace("\\n", "\n")
    cleaned = [
        _TURN.sub(_NEW_TURN, _DASH.sub(rf"{_NEW_TURN}\1", line, count=1))
        for line in map(str.strip, _FORMATTING.sub("", text).split("\n"))
        if not _DESCRIBED_LINE.fullmatch(line)
    ]
    return [line for line in cleaned if line.strip()]


def _cues(block: Shown, split: Split) -> Iterator[Cue]:
    """A cue for each turn: most have one."""
    lines = []
    for line in block.lines:
        marks = _LEADING_MARKS.match(line)
        begin = marks.end() if marks else 0
        name, rest = split(line[begin:])
        lines.append(line if name is None else f"{_NEW_TURN[:-1]}{name}\x03{rest}")
    text = remove_descriptions("\n".join(lines))
    sections = list(_sections(text, block))
    starts = sorted({section.start for section in sections})
    ends = dict(pairwise([*starts, block.span.end]))
    words: list[tuple[int, Word]] = []
    for start, group in groupby(sections, key=lambda section: section.start):
        spoken = [(word, part) for part in group for word in split_words(part.text)]
        spans = share_span([word for word, _ in spoken], TimeSpan(start, ends[start]))
        words += [
            (part.turn, Word(word, span, speaker=part.speaker))
            for (word, part), span in zip(spoken, spans, strict=True)
        ]
    turns = sorted({turn for turn, _ in words})
    edges = [next(word.span.start for turn, word in words if turn == new) for new in turns[1:]]
    bounds = pairwise([block.span.start, *edges, block.span.end])
    for turn, (start, end) in zip(turns, bounds, strict=False):
        own = tuple(word for number, word in words if number == turn)
        said = " ".join(
            "".join(section.text for section in sections if section.turn == turn).split()
        )
        speakers = {word.speaker for word in own}
        yield Cue(
            said,
            TimeSpan(start, max(start, end)),
            own,
            speakers.pop() if len(speakers) == 1 else None,
        )


def _sections(text: str, block: Shown) -> Iterator[_Section]:
    """Cut a cue's text at changes of speaker and at word times that run forward inside it."""
    span = block.span
    position, start, speaker, turn = 0, span.start, block.speaker, 0
    for match in _MARK.finditer(text):
        yield _Section(start, html.unescape(text[position : match.start()]), speaker, turn)
        position = match.end()
        if match["time"]:
            stated = seconds(match.groups()[1:6])
            start = stated if start <= stated <= span.end else start
        else:
            name = match["speaker"] or match["named"] or ""
            speaker = " ".join(html.unescape(name).split()) or None
            turn += match["turn"] is not None
    yield _Section(start, html.unescape(text[position:]), speaker, turn)
