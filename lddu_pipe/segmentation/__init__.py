"""Cut media into utterances: by what is said, and in windows where nothing is."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.segmentation.cutting import (
    cut_at,
    cut_recognised,
    cut_turns,
    hull,
    sentence_starts,
    split_long,
    spoken_words,
    utterance_of,
    words_span,
)
from lddu_pipe.segmentation.segmenter import (
    SHORTEST_GAP,
    Segmenter,
    clipped,
    voices_without_words,
)
from lddu_pipe.types import Cue, TimeSpan, Transcript, Utterance

__all__ = ["SHORTEST_GAP", "Segmenter", "clipped", "cut_transcript", "segment"]

logger = logging.getLogger(__name__)


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
        cover_silence: Also make windows of the gaps between utterances longer than `window`, and
            let short gaps join what was cut at sentences; see `Segmenter`.

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
    said: list[Utterance] = []
    if transcript is not None and (transcript.words or transcript.unrecognised):
        said = cut_transcript(
            transcript, duration, cut=cut, max_duration=max_duration, pause=pause, window=window
        )
    timed = transcript is None or transcript.timed
    gaps = not said or (cover_silence and timed and duration > 0)
    segmenter = Segmenter(
        TimeSpan(0.0, float(duration)) if gaps else None,
        language=None if transcript is None else transcript.language,
        max_duration=max_duration,
        window=window,
        join=cut == "sentences",
    )
    segmenter.take(said)
    segmenter.end()
    return list(segmenter.closed())


def cut_transcript(
    transcript: Transcript,
    duration: float,
    *,
    cut: Literal["cues", "sentences"] = "cues",
    max_duration: float = 15.0,
    pause: float = 0.6,
    window: float = 5.0,
) -> list[Utterance]:
    """Cut what a transcript says, without numbers and without the gaps; see `segment`.

    Raises:
        UnusableInputError: The whole transcript lies beyond the end of the media.
    """
    if not transcript.timed:
        return _from_text(transcript, duration, max_duration, pause)
    said: list[Utterance] = []
    if transcript.words:
        cues = _inside(transcript, duration)
        if cut == "cues":
            said += _from_cues(cues, transcript.language, max_duration, pause)
        else:
            words = [word for cue in cues for word in spoken_words(cue)]
            pieces = cut_recognised(words, transcript.language, max_duration, pause)
            said += map(utterance_of, pieces)
    said += voices_without_words(transcript.unrecognised, window, max_duration)
    if duration > 0:
        said = [clipped(utterance, TimeSpan(0.0, float(duration))) for utterance in said]
    return said


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
            utterances.append(replace(utterance_of(pieces[0]), span=span, text=cue.text))
        else:
            utterances += map(utterance_of, pieces)
    return utterances


def _from_text(
    transcript: Transcript, duration: float, max_duration: float, pause: float
) -> list[Utterance]:
    utterances = [
        utterance_of(piece)
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
    return [clipped(utterance, TimeSpan(0.0, duration)) for utterance in stretched]


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


def _stretched(utterance: Utterance, factor: float) -> Utterance:
    def stretch(span: TimeSpan) -> TimeSpan:
        return TimeSpan(span.start * factor, span.end * factor)

    words = tuple(replace(word, span=stretch(word.span)) for word in utterance.words)
    return replace(utterance, span=stretch(utterance.span), words=words)
