"""CHAT, the format of CHILDES and TalkBank: the main tiers, with their times.

pylangacq reads all of CHAT; from 0.23 on it is a wrapper of a compiled library of natural language
processing, which the words that were said do not need.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.languages import short_code
from lddu_pipe.transcripts.cues import WORDS_PER_SECOND, likely_end, split_words, spread_words
from lddu_pipe.transcripts.notes import Notes
from lddu_pipe.types import Cue, TimeSpan, Transcript

_MAIN = re.compile(r"\*([^\s:]{1,20}):\s*(.*)", re.DOTALL)
_BULLET = re.compile(r"\x15[^\x15\d]*(\d+)_(\d+)[^\x15]*\x15|\u2022(\d+)_(\d+)\u2022")
_NOT_SAID = re.compile(
    r"\[[^\[\]]*\]"  # codes, as [//] for what is said again
    r"|&=\S+|&\*\S+|&[+~]\S+"  # events, others' words in between, fragments
    r"|(?<!\S)0(?!\d)\S*"  # left out by the speaker
    r"|(?<!\S)(?:xxx|yyy|www)(?!\w)(?:@\S+)?"  # not understood
    r"|\((?:\d*\.+|\.*)\d*\)"  # pauses
    r"|\+[^\s\w]{0,4}[.?!]|\+[<^,\"]+"  # how an utterance begins or breaks off
    r"|[<>\u2039\u203a\u2191\u2193\u21d7\u21d8\u2308\u2309\u230a\u230b\u2021\u201e]"
)
_FILLER = re.compile(r"&-")
_SUFFIX = re.compile(r"(?<=\w)@[\w:&$*-]+")
_HIDDEN = re.compile(r"\(([\w']+)\)")
"""A part of a word that was not pronounced: (be)cause."""


def parse_chat(text: str, path: Path) -> Transcript:
    """Read who says what, and when where the file tells; codes and dependent tiers are left out.

    Args:
        text: The whole file.
        path: Named in errors and in the result.

    Returns:
        Untimed if no utterance has times.

    Raises:
        UnusableInputError: There is no main tier (``*CHI:``), or none that can be read.
    """
    # A line that begins with white space goes on with the one before.
    lines = re.sub(r"\n[\t ]+", " ", text).split("\n")
    mains = [match for line in lines if (match := _MAIN.fullmatch(line))]
    if not mains:
        raise UnusableInputError(
            f"{path} is not CHAT; what is said stands after *CHI: or the like"
        )
    language = re.search(r"(?m)^@Languages:\s*(\w+)", text)
    code = short_code(language[1]) if language else None
    said = [(match[1], _words(match[2]), _span(match[2])) for match in mains]
    if all(span is None for *_, span in said):
        return Transcript(tuple(_placed(said)), path.name, code, timed=False)
    notes = Notes(path, "utterance")
    cues: list[Cue] = []
    for index, ((speaker, words, span), later) in enumerate(
        zip(said, _following([span for *_, span in said]), strict=True), start=1
    ):
        place = span or _between(cues[-1].span.end if cues else 0.0, words, later)
        if not split_words(words):
            continue
        if place is None:
            notes.leave_out(f"utterance {index} of {speaker}", "has no times")
        else:
            cues.append(Cue(words, place, tuple(spread_words(words, place, speaker)), speaker))
    ordered = sorted(cues, key=lambda cue: cue.span.start)
    return Transcript(tuple(ordered), path.name, code, notes=notes.sentences(len(cues)))


def _following(spans: Sequence[TimeSpan | None]) -> list[float | None]:
    """When the next utterance that has times begins, for each."""
    later: float | None = None
    found: list[float | None] = []
    for span in reversed(spans):
        found.append(later)
        later = span.start if span is not None else later
    return found[::-1]


def _between(start: float, words: str, later: float | None) -> TimeSpan | None:
    """Where an utterance without times is, which stands between two that have some."""
    if later is None or later <= start:
        return None
    return TimeSpan(start, min(later, likely_end(start, words, later)))


def _placed(said: Sequence[tuple[str, str, TimeSpan | None]]) -> list[Cue]:
    """Cues of utterances without times: their spans are places in the text."""
    cues: list[Cue] = []
    for speaker, words, _ in said:
        count = len(split_words(words))
        if count:
            start = cues[-1].span.end if cues else 0.0
            span = TimeSpan(start, start + count / WORDS_PER_SECOND)
            cues.append(Cue(words, span, tuple(spread_words(words, span, speaker)), speaker))
    return cues


def _span(tier: str) -> TimeSpan | None:
    """The times of an utterance, which are milliseconds at its end."""
    match = _BULLET.search(tier)
    if match is None:
        return None
    start, end = (int(value[:12]) / 1000 for value in match.groups() if value is not None)
    return TimeSpan(start, end) if start <= end else TimeSpan(end, start)


def _words(tier: str) -> str:
    """What was said: words as they were spoken, and marks of sentences."""
    text = _BULLET.sub(" ", tier)
    text = _NOT_SAID.sub(" ", text)
    text = _HIDDEN.sub(r"\1", _SUFFIX.sub("", _FILLER.sub("", text)))
    text = text.replace("_", " ")
    return re.sub(r"\s+([.,?!])", r"\1", " ".join(text.split())).strip(" ,")
