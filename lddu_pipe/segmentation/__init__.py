"""Cut media into utterances: by what is said, and in windows where nothing is."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Literal

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.segmentation.cutting import (
    belong_together,
    cut_at,
    cut_turns,
    hull,
    pauses,
    sentence_starts,
    split_long,
    spoken_words,
    words_span,
)
from lddu_pipe.transcripts import join_words
from lddu_pipe.types import Cue, TimeSpan, Transcript, Utterance, Word

__all__ = ["segment"]

logger = logging.getLogger(__name__)

ROUNDING = 1e-6
"""Share of the longest duration by which a silence may be longer: times are rounded, and nobody
wants two halves of what is longer by a microsecond."""


def segment(
    transcript: Transcript | None,
    duration: float,
    *,
    cut: Literal["cues", "sentences"] = "cues",
    max_duration: float = 15.0,
    pause: float = 0.6,
    window: float = 5.0,
    cover_silence: bool = True,
) -> list[Utterance]:
    """Cut media into the utterances that get emotions.

    Every word lands in exactly one utterance, except those of cues beyond the end of the media.
    An utterance has one speaker. Media without words is cut in windows, of the kind "silence", and
    so is speech whose words were not recognised, of the kind "sound".

    Args:
        transcript: What was said; None or one without words where nothing was. The spans of
            untimed text are spread over the media, if there is any.
        duration: Seconds of media; 0 for a still, or where there is no media.
        cut: "cues" makes each cue one utterance, for transcripts made by people. "sentences"
            makes new ones, cut at the ends of sentences and at pauses, for recognised speech;
            those under 1 s or of one word join a neighbour. Untimed text is always cut in
            sentences.
        max_duration: Seconds, at most, of an utterance; a longer one is cut at the ends of
            sentences, else at pauses, else between words. Only a single word may be longer.
            Untimed text is measured in its nominal seconds.
        pause: Seconds without a word that end a recognised utterance.
        window: Seconds of a window where nothing is said. A rest shorter than half a window
            joins the last one.
        cover_silence: Also make windows of the gaps between utterances longer than `window`.

    Returns:
        At least one utterance, in order of start, inside the media, with ids "0000", "0001", ...

    Raises:
        UnusableInputError: The whole transcript lies beyond the end of the media.
        ValueError: A setting is out of range.
    """
    if not (math.isfinite(duration) and duration >= 0):
        raise ValueError(f"duration is a number of seconds from 0, got {duration}")
    if not (max_duration > 0 and window > 0 and pause >= 0):
        raise ValueError("max_duration and window are above 0, pause is not below 0")
    window = min(window, max_duration)
    media = TimeSpan(0.0, float(duration))
    if transcript is None or not (transcript.words or transcript.unrecognised):
        return _numbered(_windows(media, window, max_duration))
    language = transcript.language
    if not transcript.timed:
        return _numbered(_from_text(transcript, duration, max_duration, pause), language)
    spoken: list[Utterance] = []
    if transcript.words:
        cues = _inside(transcript, duration)
        cutter = _from_cues if cut == "cues" else _from_sentences
        spoken += cutter(cues, language, max_duration, pause)
    spoken += [
        replace(unclear, speaker=cue.speaker, kind="sound")
        for cue in transcript.unrecognised
        for unclear in _windows(cue.span, window, max_duration)
    ]
    if duration > 0:
        spoken = [_clipped(utterance, media) for utterance in spoken]
        if cover_silence:
            gaps = [gap for gap in _gaps(spoken, media) if gap.duration > window]
            spoken += [silent for gap in gaps for silent in _windows(gap, window, max_duration)]
    return _numbered(spoken, language)


def _from_cues(
    cues: Sequence[Cue], language: str | None, max_duration: float, pause: float
) -> list[Utterance]:
    utterances = []
    for cue in cues:
        pieces = [
            piece
            for turn in cut_turns(spoken_words(cue))
            for piece in split_long(turn, language, max_duration, pause)
        ]
        span = hull([cue.span, words_span(cue.words)])
        if len(pieces) == 1 and span.duration <= max_duration:
            utterances.append(replace(_utterance(pieces[0]), span=span, text=cue.text))
        else:
            utterances += map(_utterance, pieces)
    return utterances


def _from_sentences(
    cues: Sequence[Cue], language: str | None, max_duration: float, pause: float
) -> list[Utterance]:
    words = [word for cue in cues for word in spoken_words(cue)]
    pieces = [
        piece
        for turn in cut_turns(words)
        for sentence in cut_at(turn, sentence_starts(turn, language) | pauses(turn, pause))
        for piece in split_long(sentence, language, max_duration, pause)
    ]
    joined: list[list[Word]] = []
    for piece in pieces:
        if joined and belong_together(joined[-1], piece, max_duration, pause):
            joined[-1] = [*joined[-1], *piece]
        else:
            joined.append(piece)
    return [_utterance(piece) for piece in joined]


def _from_text(
    transcript: Transcript, duration: float, max_duration: float, pause: float
) -> list[Utterance]:
    utterances = [
        _utterance(piece)
        for cue in transcript.cues
        for sentence in cut_at(cue.words, sentence_starts(cue.words, transcript.language))
        for piece in split_long(sentence, transcript.language, max_duration, pause)
    ]
    if duration == 0:
        return utterances
    logger.warning(
        "%s has no times: its text is spread evenly over the %.1f s of media",
        transcript.source,
        duration,
    )
    end = max(utterance.span.end for utterance in utterances)
    stretched = [_stretched(utterance, duration / end) for utterance in utterances]
    # Rounding may leave the last word an ulp beyond the end.
    return [_clipped(utterance, TimeSpan(0.0, duration)) for utterance in stretched]


def _inside(transcript: Transcript, duration: float) -> list[Cue]:
    """Drop cues that begin after the media has ended."""
    cues = [cue for cue in transcript.cues if cue.words]
    kept = [cue for cue in cues if duration == 0 or cue.span.start < duration]
    if not kept:
        raise UnusableInputError(
            f"{transcript.source} begins at {cues[0].span.start:.1f} s, after the media has ended "
            f"({duration:.1f} s); check that the transcript belongs to it"
        )
    if len(kept) < len(cues):
        logger.warning(
            "%s: %d of %d cues begin after the media has ended (%.1f s) and are left out",
            transcript.source,
            len(cues) - len(kept),
            len(cues),
            duration,
        )
    return kept


def _utterance(words: list[Word]) -> Utterance:
    return Utterance("", words_span(words), join_words(words), tuple(words), words[0].speaker)


def _windows(span: TimeSpan, window: float, max_duration: float) -> list[Utterance]:
    """Tile a span exactly; an empty span gives one empty window."""
    count = max(1, math.floor(span.duration / window))
    rest = span.duration - count * window
    if rest >= window / 2:
        count += 1
    elif window + rest > max_duration:  # the rest cannot join the last window: equal ones instead
        count = math.ceil(span.duration / max_duration - ROUNDING)
        window = span.duration / count
    edges = [span.start + window * index for index in range(count)]
    spans = [TimeSpan(start, end) for start, end in pairwise([*edges, span.end])]
    return [Utterance("", span, kind="silence") for span in spans]


def _gaps(utterances: Iterable[Utterance], media: TimeSpan) -> list[TimeSpan]:
    spans = sorted(utterance.span for utterance in utterances)
    ends = accumulate((span.end for span in spans), max, initial=media.start)
    starts = [*(span.start for span in spans), media.end]
    return [TimeSpan(e, s) for e, s in zip(ends, starts, strict=True) if s > e]


def _clipped(utterance: Utterance, media: TimeSpan) -> Utterance:
    words = tuple(
        word if word.span.end <= media.end else replace(word, span=word.span.clip(media))
        for word in utterance.words
    )
    return replace(utterance, span=utterance.span.clip(media), words=words)


def _stretched(utterance: Utterance, factor: float) -> Utterance:
    def stretch(span: TimeSpan) -> TimeSpan:
        return TimeSpan(span.start * factor, span.end * factor)

    words = tuple(replace(word, span=stretch(word.span)) for word in utterance.words)
    return replace(utterance, span=stretch(utterance.span), words=words)


def _numbered(utterances: Iterable[Utterance], language: str | None = None) -> list[Utterance]:
    """In order of start, each with its id, those with words with their language."""
    ordered = sorted(utterances, key=lambda utterance: utterance.span)
    return [
        replace(utterance, id=f"{index:04d}", language=language if utterance.words else None)
        for index, utterance in enumerate(ordered)
    ]
