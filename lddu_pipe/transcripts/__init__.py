"""Read what was said and when, of whatever program wrote it down."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.languages import short_code
from lddu_pipe.transcripts.chat import parse_chat
from lddu_pipe.transcripts.cues import join_words, merge_pieces
from lddu_pipe.transcripts.elan import parse_eaf
from lddu_pipe.transcripts.encoding import read_bytes, to_text
from lddu_pipe.transcripts.plain import parse_plain
from lddu_pipe.transcripts.praat import BINARY, parse_binary_textgrid, parse_textgrid
from lddu_pipe.transcripts.recognised import is_json, parse_json
from lddu_pipe.transcripts.stamped import parse_lrc, parse_stamped, parse_table
from lddu_pipe.transcripts.styled import parse_ass, parse_ttml
from lddu_pipe.transcripts.subtitles import is_subtitles, parse_subtitles
from lddu_pipe.types import Transcript

__all__ = [
    "TIER_SUFFIXES",
    "TRANSCRIPT_SUFFIXES",
    "UNREAD_SUFFIXES",
    "join_words",
    "language_tag",
    "merge_pieces",
    "parse_text",
    "read_transcript",
]

logger = logging.getLogger(__name__)


def _parse_subtitles(text: str, path: Path) -> Transcript:
    """Subtitles, or lines with times that were given the name of subtitles."""
    if not is_subtitles(text):
        stamped = parse_stamped(text, path)
        if stamped is not None:
            return stamped
    return parse_subtitles(text, path)


def _parse_txt(text: str, path: Path) -> Transcript:
    """Plain text, or what else people keep in files that end so."""
    if is_json(text):
        return parse_json(text, path)
    for begins, parse in _BEGINNINGS.items():
        if re.match(begins, text):
            return parse(text, path)
    if text.startswith("WEBVTT") or is_subtitles(text):
        return parse_subtitles(text, path)
    return parse_stamped(text, path) or parse_plain(text, path.name)


_BEGINNINGS: dict[str, Callable[[str, Path], Transcript]] = {
    r"\[Script Info\]": parse_ass,
    r"@(?:UTF8|Begin)\b": parse_chat,
    r"(?:<\?xml[^>]*>\s*)?<tt\b": parse_ttml,
}
"""How files of other endings begin, as patterns."""
_TIERS: dict[str, Callable[[str, Path, Sequence[str]], Transcript]] = {
    ".eaf": parse_eaf,
    ".textgrid": parse_textgrid,
}
_PARSERS: dict[str, Callable[..., Transcript]] = {
    ".srt": _parse_subtitles,
    ".vtt": _parse_subtitles,
    ".sbv": parse_subtitles,
    ".ass": parse_ass,
    ".ssa": parse_ass,
    ".ttml": parse_ttml,
    ".dfxp": parse_ttml,
    ".lrc": parse_lrc,
    ".json": parse_json,
    ".json3": parse_json,
    ".tsv": parse_table,
    ".cha": parse_chat,
    **_TIERS,
    ".txt": _parse_txt,
}

TIER_SUFFIXES: tuple[str, ...] = tuple(_TIERS)
"""Of `TRANSCRIPT_SUFFIXES`, those of files with tiers, of which some may be chosen."""
TRANSCRIPT_SUFFIXES: tuple[str, ...] = tuple(_PARSERS)
"""The file name endings, in lower case, that `read_transcript` understands."""
UNREAD_SUFFIXES: tuple[str, ...] = (
    *(".docx", ".doc", ".odt", ".rtf", ".pdf", ".html", ".md"),
    *(".sub", ".idx", ".sup", ".smi", ".sami", ".stl", ".scc", ".mcc", ".usf"),
    *(".trs", ".ctm", ".stm", ".rttm", ".exb", ".srv1", ".srv2", ".srv3", ".xml"),
)
"""Of files that may be transcripts, too, and are not read."""
_TAG = re.compile(
    r"\.(?P<code>[a-z]{2,3}(?:[-_][a-z0-9]{2,8})*)(?:\.(?:sdh|cc|hi|auto|orig))?$", re.IGNORECASE
)


def read_transcript(path: Path, tiers: Sequence[str] = ()) -> Transcript:
    """Read a transcript; the format follows from the file name's ending and what is in the file.

    Descriptions of sound in square brackets ("[laughter]") and music signs are left out of timed
    transcripts, since nobody said them, and cues without a letter, a digit or an emoji are
    dropped. Overlapping cues are kept. A cue that cannot be read does not lose the others: what is
    left out or put right is logged in one line and kept in ``notes``.

    Args:
        path: A file that ends in one of `TRANSCRIPT_SUFFIXES`, in UTF-8, UTF-16 or a common
            national encoding.
        tiers: Of ELAN and Praat, the names of the tiers to read; none leaves it to the rule.
            Other formats have none.

    Returns:
        The cues in order of start, at least one word among them. Plain text comes back with
        ``timed=False``.

    Raises:
        UnusableInputError: The file is missing, empty, not text, of another format, has no words,
            or no cue that can be read.
    """
    suffix = path.suffix.lower()
    if suffix not in _PARSERS:
        raise UnusableInputError(
            f"{path} is a transcript of a kind that is not read; give a file that ends in "
            f"{', '.join(TRANSCRIPT_SUFFIXES)}"
        )
    data = read_bytes(path)
    if suffix == ".textgrid" and data.startswith(BINARY):
        transcript = parse_binary_textgrid(data, path, tiers)
    elif suffix in _TIERS:
        transcript = _TIERS[suffix](to_text(data, path), path, tiers)
    else:
        transcript = _PARSERS[suffix](to_text(data, path), path)
    if not transcript.words:
        raise UnusableInputError(
            f"{path} has no words; give a transcript in which something is said, or none at all"
        )
    if transcript.notes:
        logger.warning("%s: %s", path, "; ".join(transcript.notes))
    tag = language_tag(path.stem)
    if transcript.language is None and tag is not None:
        return replace(transcript, language=tag[1])
    return transcript


def language_tag(stem: str) -> tuple[str, str] | None:
    """Take the language off a file's name, as "talk.en-US.srt" has one.

    Args:
        stem: The name without its ending.

    Returns:
        What stands before the language, and its ISO 639-1 code; None where there is none.
    """
    match = _TAG.search(stem)
    code = short_code(match["code"]) if match else None
    return (stem[: match.start()], code) if match and code else None


def parse_text(text: str) -> Transcript:
    """Turn plain text held in memory into an untimed transcript, one cue a line.

    Args:
        text: Anything a person wrote; square brackets are kept, as they may be part of it.

    Returns:
        A transcript with ``timed=False``: its spans are places in the text.

    Raises:
        UnusableInputError: The text has no words.
    """
    transcript = parse_plain(text, "text")
    if not transcript.words:
        raise UnusableInputError("the text has no words; give at least one word or emoji")
    return transcript
