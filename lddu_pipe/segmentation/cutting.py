"""Cut words at sentences, pauses and changes of speaker or voice.

A place to cut is the index of the word that comes after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise

from sentencex import get_sentence_boundaries  # type: ignore[import-untyped]

from lddu_pipe.transcripts import join_words
from lddu_pipe.types import Cue, TimeSpan, Utterance, Word

_EXCLAIMED = re.compile(r"[!?][\"')\]\u2019\u201d]*$")

SHORT = 1.0
"""Seconds under which a sentence that was recognised joins its neighbour ("Yes.")."""


def spoken_words(cue: Cue) -> list[Word]:
    """Return a cue's words, each with its speaker where the word or the cue names one."""
    if cue.speaker is None:
        return list(cue.words)
    return [word if word.speaker else replace(word, speaker=cue.speaker) for word in cue.words]


def cut_recognised(
    words: Sequence[Word], language: str | None, max_duration: float, pause: float
) -> list[list[Word]]:
    """Cut recognised words at pauses and at the ends of sentences.

    Pieces of one word, or of under `SHORT` seconds, join a neighbour. What is said on both sides
    of a pause is cut as if the other side were not there.
    """
    pieces = [
        piece
        for run in cut_at(words, pauses(words, pause))
        for turn in cut_turns(run)
        for spoken in [turn[0].language or language]
        for sentence in cut_at(turn, sentence_starts(turn, spoken) | pauses(turn, pause))
        for piece in split_long(sentence, spoken, max_duration, pause)
    ]
    joined: list[list[Word]] = []
    for piece in pieces:
        if joined and belong_together(joined[-1], piece, max_duration, pause):
            joined[-1] = [*joined[-1], *piece]
        else:
            joined.append(piece)
    return joined


def utterance_of(words: Sequence[Word]) -> Utterance:
    """An utterance of some words, at least one, without a number yet."""
    voices = [word.voice for word in words if word.voice is not None]
    return Utterance(
        *("", words_span(words), join_words(words), tuple(words), words[0].speaker),
        language=words[0].language,
        voice=voices[0] if voices else None,
    )


def cut_turns(words: Sequence[Word]) -> list[list[Word]]:
    """Cut where who speaks changes, or in which language, or time jumps back.

    Time does so in overlapping cues.
    """
    starts = set()
    voice = words[0].voice if words else None
    for index, (before, after) in enumerate(pairwise(words), start=1):
        jumps = after.span.start < before.span.start
        # A word whose voice is not known is of whoever speaks.
        changes = None not in {voice, after.voice} and voice != after.voice
        changes = changes or before.language != after.language
        if before.speaker != after.speaker or jumps or changes:
            starts.add(index)
        voice = voice if after.voice is None else after.voice
    return cut_at(words, starts)


def split_long(
    words: list[Word], language: str | None, max_duration: float, pause: float
) -> list[list[Word]]:
    """Halve words that last too long, at the best cut nearest to the middle, until none does."""
    done: list[list[Word]] = []
    waiting = [words]
    while waiting:
        piece = waiting.pop()
        span = words_span(piece)
        if span.duration <= max_duration or len(piece) == 1:
            done.append(piece)
            continue
        starts = sentence_starts(piece, language) or pauses(piece, pause) or range(1, len(piece))
        best = min(starts, key=lambda index: abs(piece[index].span.start - span.middle))
        waiting += [piece[best:], piece[:best]]
    return done


def cut_at(words: Sequence[Word], starts: Iterable[int]) -> list[list[Word]]:
    """Cut before each word whose index is in `starts`; none of them is 0."""
    if not words:
        return []
    return [list(words[a:b]) for a, b in pairwise([0, *sorted(starts), len(words)])]


def sentence_starts(words: Sequence[Word], language: str | None) -> set[int]:
    """Return the index of each word, but the first, that begins a sentence."""
    text = join_words(words)
    starts, position = {}, 0
    for index, word in enumerate(words):
        position = text.index(word.text.strip(), position)
        starts[position] = index
        position += len(word.text.strip())
    # "en" also stands in for an unknown language; full-width stops end sentences in every one.
    sentences = get_sentence_boundaries(language or "en", text)
    found = {starts.get(sentence["start_index"], 0) for sentence in sentences}
    # sentencex 1.0 leaves "No!! I do." whole, and with it much of what is said in anger or joy.
    exclaimed = {
        index
        for index, (before, after) in enumerate(pairwise(words), start=1)
        if _EXCLAIMED.search(before.text) and after.text[:1].isupper()
    }
    return (found | exclaimed) - {0}


def pauses(words: Sequence[Word], pause: float) -> set[int]:
    """Return the index of each word that follows a pause longer than `pause` seconds."""
    ends = accumulate((word.span.end for word in words), max)
    return {
        index
        for index, (end, word) in enumerate(zip(ends, words[1:], strict=False), start=1)
        if word.span.start - end > pause
    }


def belong_together(
    before: list[Word], piece: list[Word], max_duration: float, pause: float
) -> bool:
    """True where one of two neighbours is too short to stand alone and they belong together."""
    first, second = words_span(before), words_span(piece)
    return (
        (_is_short(before) or _is_short(piece))
        and before[-1].speaker == piece[0].speaker
        and before[-1].language == piece[0].language
        and len({word.voice for word in (*before, *piece)} - {None}) <= 1
        and before[-1].span.start <= second.start
        and second.start - first.end <= pause
        and hull([first, second]).duration <= max_duration
    )


def _is_short(words: list[Word]) -> bool:
    return len(words) == 1 or words_span(words).duration < SHORT


def words_span(words: Sequence[Word]) -> TimeSpan:
    """Return the span from the first start of a word to the last end."""
    return hull([word.span for word in words])


def hull(spans: Sequence[TimeSpan]) -> TimeSpan:
    """Return the smallest span that holds all of `spans`."""
    return TimeSpan(min(span.start for span in spans), max(span.end for span in spans))
