"""SRT and WebVTT.

Both are read by the algorithm of WebVTT (https://www.w3.org/TR/webvtt1/, section 6), made
tolerant of SRT as found in the wild. The subtitle libraries were tried: pysubs2 1.8 takes a WebVTT
line with two word times for a new cue, and notes and cue names for speech; webvtt-py 0.5 passes
over cues it cannot read. Each loses or adds words without a sign.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.cues import (
    checked_span,
    remove_descriptions,
    share_span,
    split_words,
)
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?"
_HEADER = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_MARK = re.compile(rf"<(?P<time>{_TIME})>|<v(?:\.[^\s>]*)?(?:\s(?P<speaker>[^>]*))?>|</v>")
_WORD_TIME = re.compile(rf"<{_TIME}>")
_FORMATTING = re.compile(r"</?(?!v[\s.>])[a-zA-Z][^<>]*>|\{(?:\\|[a-zA-Z]:)[^{}]*\}|\\h")
_ANY_TAG = re.compile(r"</?[a-zA-Z\d][^<>]*>")
# A dash at the start of a line, and ">>" anywhere, say that the speaker changes.
_DASH = re.compile(r"(?m)^[^\S\n]*((?:<[^<>]*>)*)[^\S\n]*[-\u2013\u2014]+[^\S\n]*(?!\d)")
_TURN = re.compile(r"(?<!\w)(?:>{2,}|(?:&gt;){2,})")
_DESCRIBED_LINE = re.compile(r"(?m)^\s*\([^()]*\)\s*$")


@dataclass(frozen=True)
class _Block:
    """A cue as it stands in the file."""

    span: TimeSpan
    lines: list[str]


@dataclass(frozen=True)
class _Section:
    """A part of a cue with one speaker and one start."""

    start: float
    text: str
    speaker: str | None


def parse_subtitles(text: str, path: Path) -> Transcript:
    """Read SRT or WebVTT.

    Formatting and ASS codes are removed. ``<v Name>`` names a speaker; "NAME:" at the start of a
    line does not, since it cannot be told from speech. Word times inside a WebVTT cue
    (``<00:00:01.000>``) are kept; other words share the cue's span by length. Left out, since
    nobody says it: "[...]", music signs, a line wholly in parentheses, and the dash or ">>" of a
    change of speaker. In captions that roll up (with word times), a line shown again is said once.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: There is no cue, or a cue's times cannot be read.
    """
    blocks = list(_blocks(text.split("\n"), path))
    if not blocks:
        raise UnusableInputError(
            f"{path} has no subtitle cues; a cue begins with a line such as "
            "00:00:01,000 --> 00:00:04,000"
        )
    if _WORD_TIME.search(text):
        blocks = _said_once(blocks)
    cues = [cue for cue in map(_cue, blocks) if cue.words]
    return Transcript(tuple(sorted(cues, key=lambda cue: cue.span.start)), path.name)


def _blocks(lines: list[str], path: Path) -> Iterator[_Block]:
    # Only WebVTT ends a cue at a blank line for certain: SRT files have them inside cues.
    webvtt = lines[0].startswith("WEBVTT")
    headers = [number for number, line in enumerate(lines) if "-->" in line]
    for count, (header, following) in enumerate(pairwise([*headers, len(lines)]), start=1):
        body = lines[header + 1 : following]
        if webvtt:
            blank = (number for number, line in enumerate(body) if not line)
            body = body[: next(blank, len(body))]
        elif following < len(lines) and body and body[-1].strip().isdigit():
            body.pop()  # the number of the next cue
        yield _Block(_header_span(lines[header], f"{path}: cue {count} (line {header + 1})"), body)


def _header_span(line: str, place: str) -> TimeSpan:
    match = _HEADER.fullmatch(line)
    if match is None:
        raise UnusableInputError(
            f"{place} has times that cannot be read, {line.strip()[:60]!r}; "
            "they look like 00:00:01,000 --> 00:00:04,000"
        )
    groups = match.groups()
    return checked_span(_seconds(groups[:4]), _seconds(groups[4:8]), place)


def _seconds(groups: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (group or "0" for group in groups)
    return int(hours) * 3600 + int(minutes) * 60 + float(f"{seconds}.{fraction}")


def _said_once(blocks: Iterable[_Block]) -> list[_Block]:
    """Drop the lines at the top of a cue that the cue before already showed."""
    kept: list[_Block] = []
    shown: list[str] = []
    for block in blocks:
        plain = [" ".join(_ANY_TAG.sub("", line).split()) for line in block.lines]
        lines = [line for line, bare in zip(block.lines, plain, strict=True) if bare]
        bare = [line for line in plain if line]
        most = min(len(shown), len(bare))
        again = next((k for k in range(most, 0, -1) if shown[-k:] == bare[:k]), 0)
        kept.append(_Block(block.span, lines[again:]))
        shown = bare
    return kept


def _cue(block: _Block) -> Cue:
    text = _FORMATTING.sub("", "\n".join(block.lines).replace("\\N", "\n"))
    text = _TURN.sub(" ", _DASH.sub(r"\1", text))
    sections = _sections(remove_descriptions(_DESCRIBED_LINE.sub("", text)), block.span)
    starts = sorted({section.start for section in sections})
    ends = dict(pairwise([*starts, block.span.end]))
    words: list[Word] = []
    for start, group in groupby(sections, key=lambda section: section.start):
        spoken = [(word, part.speaker) for part in group for word in split_words(part.text)]
        spans = share_span([word for word, _ in spoken], TimeSpan(start, ends[start]))
        words += [
            Word(text, span, speaker=speaker)
            for (text, speaker), span in zip(spoken, spans, strict=True)
        ]
    speakers = {word.speaker for word in words}
    return Cue(
        " ".join("".join(section.text for section in sections).split()),
        block.span,
        tuple(words),
        speakers.pop() if len(speakers) == 1 else None,
    )


def _sections(text: str, span: TimeSpan) -> list[_Section]:
    """Cut a cue's text at changes of speaker and at word times that run forward inside it."""
    sections: list[_Section] = []
    position, start, speaker = 0, span.start, None
    for match in _MARK.finditer(text):
        sections.append(_Section(start, html.unescape(text[position : match.start()]), speaker))
        position = match.end()
        if match["time"]:
            stated = _seconds(match.groups()[1:5])
            start = stated if start <= stated <= span.end else start
        else:
            speaker = " ".join(html.unescape(match["speaker"] or "").split()) or None
    return [*sections, _Section(start, html.unescape(text[position:]), speaker)]
