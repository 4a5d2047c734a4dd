"""Subtitles of ASS, SSA and TTML, read with pysubs2."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from pysubs2 import SSAEvent, SSAFile

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.cues import LATEST, checked_span
from lddu_pipe.transcripts.notes import Notes, UnreadableError
from lddu_pipe.transcripts.rolling import Shown
from lddu_pipe.transcripts.subtitles import make_transcript
from lddu_pipe.transcripts.xml import check_xml
from lddu_pipe.types import Transcript

_DRAWING = re.compile(r"\{[^{}]*\\p[1-9]")
"""Text that is a picture, as a sign or a sound effect."""
_TIME_ATTRIBUTE = re.compile(r"""\b(?P<name>begin|end|dur)=(["'])(?P<value>[^"'<>]{0,40})\2""")
_PARAGRAPH = re.compile(r"<(?:\w+:)?p\b[^<>]*?(?=/?>)")
_BREAK = re.compile(r"\\[Nn]")


def parse_ass(text: str, path: Path) -> Transcript:
    """Read the dialogue of ASS or SSA; its field "Name" or "Actor" is the speaker.

    Comments and drawings are left out.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: There is no dialogue that can be read.
    """
    form = "ass" if "v4+" in text.lower() else "ssa"
    notes = Notes(path, "cue")
    events: list[tuple[str, SSAEvent]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith("Dialogue:"):
            continue
        # Line by line: pysubs2 refuses a whole file for one time or style that it cannot read.
        place = f"line {number}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                events += [(place, event) for event in SSAFile.from_string(line, format_=form)]
        except (ValueError, OverflowError):
            notes.leave_out(place, f"cannot be read, {line[:60]!r}")
    return _transcript(events, path, notes)


def parse_ttml(text: str, path: Path) -> Transcript:
    """Read the paragraphs of TTML (also called DFXP, and IMSC) that have times.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Raises:
        UnusableInputError: It is not XML, has a document type (which may hide endless text or
            other files), or has no paragraph that can be read.
    """
    check_xml(path)
    # The first drafts of the format have other names for the same things.
    named = re.sub(r"http://www\.w3\.org/2006/(?:04|10)/ttaf1", "http://www.w3.org/ns/ttml", text)
    rates = {
        unit: float(match[1]) if (match := re.search(rf"{name}=[\"'](\d{{1,9}})", text)) else usual
        for unit, name, usual in (("f", "frameRate", 30.0), ("t", "tickRate", 1.0))
    }

    def in_seconds(match: re.Match[str]) -> str:
        value = _ttml_seconds(match["value"].strip(), rates)
        # Beyond all recordings, so that it is left out and noted like any other.
        return f'{match["name"]}="{2 * LATEST if value is None else value:.3f}s"'

    # The declared encoding is that of the file's bytes, which are decoded here.
    bare = re.sub(r"^\s*<\?xml[^>]*\?>", "", _TIME_ATTRIBUTE.sub(in_seconds, named))
    bare = _PARAGRAPH.sub(_with_both_times, bare)
    try:
        events = SSAFile.from_string(bare, format_="ttml").events
    except Exception as error:
        # pysubs2 checks little: whatever a file lacks shows as an error of any kind.
        raise UnusableInputError(
            f"{path} cannot be read as TTML ({type(error).__name__}: "
            f"{' '.join(str(error).split())}); convert it to SRT"
        ) from error
    places = [(f"cue {number}", event) for number, event in enumerate(events, 1)]
    return _transcript(places, path, Notes(path, "cue"))


def _with_both_times(tag: re.Match[str]) -> str:
    """A paragraph with the times that pysubs2 asks for; one without is left out and noted."""
    times = {
        match["name"]: float(match["value"][:-1]) for match in _TIME_ATTRIBUTE.finditer(tag[0])
    }
    begin = times.get("begin", 2 * LATEST)
    end = times.get("end", begin + times.get("dur", 2 * LATEST))
    return f'{_TIME_ATTRIBUTE.sub("", tag[0])} begin="{begin:.3f}s" end="{end:.3f}s"'


def _ttml_seconds(value: str, rates: Mapping[str, float]) -> float | None:
    """The seconds of a time in TTML, in frames and ticks, too, which pysubs2 does not know."""
    count = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)(h|ms|m|s|f|t)", value)
    if count is not None:
        units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
        factor = units[count[2]] if count[2] in units else 1 / (rates[count[2]] or 1.0)
        return float(count[1]) * factor
    clock = re.fullmatch(r"(\d{1,4}):(\d{1,2}):(\d{1,2}(?:[.,]\d{1,9})?)(?::(\d{1,3}))?", value)
    if clock is None:
        return None
    hours, minutes, seconds = (float(part.replace(",", ".")) for part in clock.groups()[:3])
    return hours * 3600 + minutes * 60 + seconds + float(clock[4] or 0) / (rates["f"] or 1.0)


def _transcript(events: Sequence[tuple[str, SSAEvent]], path: Path, notes: Notes) -> Transcript:
    blocks: list[Shown] = []
    for place, event in events:
        if event.is_comment or _DRAWING.search(event.text):
            continue
        if max(event.start, event.end) / 1000 > LATEST:
            notes.leave_out(place, "has no times that can be read")
            continue
        try:
            span = checked_span(event.start / 1000, event.end / 1000, place, notes)
        except UnreadableError as error:
            notes.leave_out(place, error)
            continue
        name = " ".join(event.name.split()) or None
        blocks.append(Shown(place, span, _BREAK.split(event.text), name))
    return make_transcript(blocks, path, notes)
