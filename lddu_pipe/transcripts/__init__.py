"""Read what was said and when: subtitles, recognisers' JSON, ELAN, Praat and plain text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.transcripts.cues import join_words, merge_pieces
from lddu_pipe.transcripts.elan import parse_eaf
from lddu_pipe.transcripts.encoding import read_text
from lddu_pipe.transcripts.plain import parse_plain
from lddu_pipe.transcripts.praat import parse_textgrid
from lddu_pipe.transcripts.recognised import parse_json
from lddu_pipe.transcripts.subtitles import parse_subtitles
from lddu_pipe.types import Transcript

__all__ = ["TRANSCRIPT_SUFFIXES", "join_words", "merge_pieces", "parse_text", "read_transcript"]

_PARSERS: dict[str, Callable[[str, Path], Transcript]] = {
    ".srt": parse_subtitles,
    ".vtt": parse_subtitles,
    ".json": parse_json,
    ".eaf": parse_eaf,
    ".textgrid": parse_textgrid,
    ".txt": lambda text, path: parse_plain(text, path.name),
}

TRANSCRIPT_SUFFIXES: tuple[str, ...] = tuple(_PARSERS)
"""The file name endings, in lower case, that `read_transcript` understands."""


def read_transcript(path: Path) -> Transcript:
    """Read a transcript; the format follows from the file name's ending.

    Descriptions of sound in square brackets ("[laughter]") and music signs are left out of timed
    transcripts, since nobody said them, and cues without a letter, a digit or an emoji are
    dropped. Cues whose times are swapped are put right with a logged warning; overlapping cues
    are kept.

    Args:
        path: A .srt, .vtt, .json, .eaf, .TextGrid or .txt file in UTF-8, UTF-16 or a common
            national encoding.

    Returns:
        The cues in order of start, at least one word among them. Plain text comes back with
        ``timed=False``.

    Raises:
        UnusableInputError: The file is missing, empty, not text, of another format, has no words,
            or has a time that cannot be read.
    """
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise UnusableInputError(
            f"{path} is not a transcript this program reads; give a file that ends in "
            f"{', '.join(TRANSCRIPT_SUFFIXES)}"
        )
    transcript = parse(read_text(path), path)
    if not transcript.words:
        raise UnusableInputError(
            f"{path} has no words; give a transcript in which something is said, or none at all"
        )
    return transcript


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
