"""Text to words, words to cues, the same for every format of transcript."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from lddu_pipe.transcripts.notes import Notes, UnreadableError
from lddu_pipe.types import Cue, TimeSpan, Word

PAUSE = 0.6
"""Seconds without a word that end a cue, where a file has words and nothing longer."""
WORDS_PER_SECOND = 2.5
"""Nominal speaking rate, about that of English conversation: gives text a length in seconds."""
LATEST = 1e7
"""Seconds; no recording lasts so long, which is four months."""
SLOWEST = 0.8
"""Words a second under which somebody has stopped speaking before the next cue begins."""

# Chinese and Japanese put no spaces between words: there, each character is a word of its own.
# Thai, Lao, Khmer and Burmese do not, either; what cannot be parted there is a letter with the
# vowels and marks around it, about a syllable, which takes no dictionary to find.
_IDEOGRAPH = r"\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_IDEOGRAPH += "\U00020000-\U0003134f"
_LEADING = "\u0e40-\u0e44\u0ec0-\u0ec4"  # vowels of Thai and Lao that stand before their letter
_MARK = "\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebc\u0ec8-\u0ece"
_MARK += "\u102b-\u103e\u1056-\u1059\u17b4-\u17d3\u17dd"
_JOINED = "\u17d2\u1039"  # the next letter stands below this one
_SYLLABIC = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1050-\u109f\u1780-\u17d3"
_SYLLABLE = rf"[{_LEADING}]?[{_SYLLABIC}](?:[{_JOINED}].|[{_MARK}])*"
_UNSPACED = _IDEOGRAPH + _SYLLABIC
_OPENING = "「『（《〈【〔［｛"  # noqa: RUF001 - the full-width signs are meant
_CLOSING = "、。，．！？；：」』）》〉】〕］｝"  # noqa: RUF001
_TOKEN = re.compile(
    rf"[{_OPENING}]*(?:[{_IDEOGRAPH}]|{_SYLLABLE}|[^\s{_UNSPACED}{_OPENING}{_CLOSING}]+)"
    rf"[{_CLOSING}]*"
    rf"|[{_OPENING}{_CLOSING}]+"
)
_BEGINS_UNSPACED = re.compile(rf"[{_OPENING}]*[{_UNSPACED}]")
_ENDS_UNSPACED = re.compile(rf"[{_UNSPACED}][^\w\s]*$|[{_CLOSING}]$")

_EMOTICON = re.compile(r"[<>]?[:;=]['’]?[-o^]?[()\[\]{}/\\|*@<>]+|<3+|\^_*\^")  # noqa: RUF001
_MUSIC = "♩♪♫♬♭♮♯"
_DESCRIPTION = re.compile(r"\[[^\[\]]*\]")


def is_spoken(token: str) -> bool:
    """True for a token that is a word: it has a letter, a digit, an emoji or is an emoticon."""
    return any(_carries_meaning(char) for char in token) or bool(_EMOTICON.fullmatch(token))


def _carries_meaning(char: str) -> bool:
    # "So" (symbol, other) holds the emoji; U+FFFD, the sign for a lost character, is there too.
    symbol = unicodedata.category(char) == "So" and char not in _MUSIC + "\ufffd"
    return char.isalnum() or symbol or char in "&%"  # said as "and" and "per cent"


def split_words(text: str) -> list[str]:
    """Split at white space, and where a script has none.

    That is around each Chinese or Japanese character, and in Thai, Lao, Khmer and Burmese around
    each letter with its vowels and marks.

    Punctuation that stands alone joins the word before it, or the first word where none is
    before. Emoji and emoticons are words: they carry emotion.

    Returns:
        The words in order, none of them empty or with white space inside; an empty list where
        the text has no word.
    """
    words: list[str] = []
    prefix = ""
    for token in _TOKEN.findall(text):
        if is_spoken(token):
            words.append(prefix + token)
            prefix = ""
        elif words:
            words[-1] += token
        else:
            prefix += token
    return words


def join_words(words: Sequence[Word]) -> str:
    """Write words as running text, with no space where their script has none."""
    return join_texts([word.text for word in words])


def join_texts(texts: Iterable[str]) -> str:
    """Write words as running text, with no space where their script has none."""
    text = ""
    for part in texts:
        new = part.strip()
        unspaced = _ENDS_UNSPACED.search(text) and _BEGINS_UNSPACED.match(new)
        text += new if unspaced or not text else f" {new}"
    return text


def merge_pieces(pieces: Sequence[Word]) -> list[Word]:
    """Make words of the pieces a recogniser returns, whose text says by a space where one begins.

    Whisper gives "D.C." as " D" and ".C."; a piece that begins with a sign and no space is part of
    the word before it, and so is punctuation alone.

    Args:
        pieces: With their text as the recogniser wrote it, spaces included.

    Returns:
        Words without spaces around them. A word of several pieces has the lowest probability of
        those that are more than punctuation.
    """
    spaced = any(piece.text[0].isspace() for piece in pieces)
    words: list[Word] = []
    for piece in pieces:
        text = piece.text.strip()
        continues = spaced and not piece.text[0].isspace() and not text[0].isalnum()
        if words and (continues or not is_spoken(text)):
            words[-1] = _merged(words[-1], piece)
        elif is_spoken(text):
            words.append(replace(piece, text=text))
    return words


def _merged(word: Word, piece: Word) -> Word:
    known = [word.probability, piece.probability if is_spoken(piece.text.strip()) else None]
    return replace(
        word,
        text=word.text + piece.text.strip(),
        span=TimeSpan(word.span.start, max(word.span.end, piece.span.end)),
        probability=min((value for value in known if value is not None), default=None),
    )


def share_span(texts: Sequence[str], span: TimeSpan) -> list[TimeSpan]:
    """Divide a span among texts in proportion to their length in characters.

    Returns:
        One span a text, in order, each beginning where the one before ends.
    """
    if not texts:
        return []
    total = sum(map(len, texts))
    parts = [length / total for length in accumulate(map(len, texts), initial=0)]
    edges = [min(span.start + span.duration * part, span.end) for part in parts[:-1]]
    return [TimeSpan(start, end) for start, end in pairwise([*edges, span.end])]


def spread_words(text: str, span: TimeSpan, speaker: str | None = None) -> list[Word]:
    """Return the words of `text`, sharing `span` by their length in characters."""
    texts = split_words(text)
    return [
        Word(word, place, speaker=speaker)
        for word, place in zip(texts, share_span(texts, span), strict=True)
    ]


def remove_descriptions(text: str) -> str:
    """Take out "[laughter]" and music signs, and make every run of white space one space."""
    without = _DESCRIPTION.sub(" ", text).translate(dict.fromkeys(map(ord, _MUSIC), " "))
    return " ".join(without.split())


def is_description(texts: Sequence[str]) -> list[bool]:
    """Say of each word whether it stands in square brackets; they may span several words."""
    ends = list(accumulate(len(text) + 1 for text in texts))
    ranges = [match.span() for match in _DESCRIPTION.finditer(" ".join(texts))]
    return [
        any(first < end - 1 and end - 1 - len(text) < last for first, last in ranges)
        for text, end in zip(texts, ends, strict=True)
    ]


def timed_text(text: str, words: Sequence[Word]) -> list[Word] | None:
    """Return the words of `text` with the times of `words`, where both say the same.

    Punctuation, case and where words are joined may differ: recognisers time "twenty" and "five"
    and write "Twenty-five.".

    Returns:
        None where they do not say the same.
    """
    texts = split_words(text)
    if "".join(map(_bare, texts)) != "".join(_bare(word.text) for word in words):
        return None
    # The word to which each letter belongs.
    owners = [word for word in words for _ in _bare(word.text)]
    timed: list[Word] = []
    position = 0
    for said in texts:
        own = owners[position : position + len(_bare(said))]
        position += len(own)
        known = [word.probability for word in own if word.probability is not None]
        timed.append(
            Word(
                said,
                TimeSpan(own[0].span.start, max(word.span.end for word in own)),
                min(known, default=None),
                own[0].speaker,
            )
        )
    return timed


def _bare(word: str) -> str:
    """What is left of a word without punctuation and case; an emoji is left as it is."""
    return re.sub(r"\W", "", word).casefold() or word


def runs(words: Sequence[Word]) -> list[Cue]:
    """Make cues of words alone; one ends at a pause and where the speaker changes.

    Args:
        words: In order of start.
    """
    ends = accumulate((word.span.end for word in words), max)
    breaks = [
        number
        for number, (end, (before, after)) in enumerate(
            zip(ends, pairwise(words), strict=False), 1
        )
        if after.span.start - end >= PAUSE or before.speaker != after.speaker
    ]
    cues: list[Cue] = []
    for first, last in pairwise([0, *breaks, len(words)] if words else []):
        run = words[first:last]
        span = TimeSpan(run[0].span.start, max(word.span.end for word in run))
        cues.append(Cue(join_words(run), span, tuple(run), run[0].speaker))
    return cues


def likely_end(start: float, text: str, following: float | None) -> float:
    """Return when a cue ends that says only when it begins, in seconds.

    That is when the next begins, unless speech would have to be slower than `SLOWEST` for it.

    Args:
        start: Of the cue, seconds.
        text: What is said.
        following: When the next cue begins, seconds; None where there is none.
    """
    count = len(split_words(text))
    if following is not None and start < following <= start + count / SLOWEST:
        return following
    return start + count / WORDS_PER_SECOND


def checked_span(start: float, end: float, place: str, notes: Notes) -> TimeSpan:
    """Return the span of a cue or word, with swapped times put right and noted.

    Args:
        start: Seconds, as the file has it.
        end: Seconds, as the file has it.
        place: Names the cue, for notes.
        notes: Told of swapped times.

    Raises:
        UnreadableError: A time is negative, NaN or beyond `LATEST`.
    """
    if not (0 <= start <= LATEST and 0 <= end <= LATEST):  # NaN does not, either
        raise UnreadableError(
            f"has an impossible time ({start:g} to {end:g}); times are seconds from 0"
        )
    if end < start:
        notes.put_right(place, f"ends before it starts ({start:g} to {end:g} s): times swapped")
    return TimeSpan(min(start, end), max(start, end))
