"""Speech to segments of words: a decoder that loses its place is helped to find it again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, groupby, pairwise

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from lddu_pipe.extractors.credibility import MAX_COMPRESSION, Credibility
from lddu_pipe.extractors.prosody import HOP_LENGTH, loudness_db
from lddu_pipe.extractors.whisper import LANGUAGE, SAMPLE_RATE, decode

QUIET = 0.5  # seconds over which quiet is measured

# A decoder that repeats itself has lost its place; in a shorter window it often keeps it.
SHORT_WINDOW = 10.0  # seconds
FRAME = 0.01  # seconds of a step of `Segment.seek`


class Reader:
    """Writes down what is said in one language."""

    def __init__(self, model: WhisperModel, language: str = LANGUAGE) -> None:
        """Use a model for speech in a language, ISO 639-1."""
        self.model = model
        self._decode = partial(decode, model, language=language)
        self.language = language
        self.credible = Credibility(model, language).of

    def segments(self, speech: NDArray[np.float32]) -> Iterator[Segment]:
        """Decode speech; a window that repeats itself is decoded again in shorter ones."""
        windows = (list(group) for _, group in groupby(self._decode(speech), _begin))
        for segments, following in pairwise(chain(windows, [[]])):
            if not _is_looped(segments[0]):
                yield from segments
                continue
            begin = _begin(segments[0])
            end = _begin(following[0]) if following else len(speech)
            yield from self._again(speech[begin:end], begin / SAMPLE_RATE)

    def _again(self, window: NDArray[np.float32], offset: float) -> Iterator[Segment]:
        """Decode a window in which the decoder lost its place, always in the same way."""
        start = 0
        while start < len(window):
            piece = window[start : start + round(SHORT_WINDOW * SAMPLE_RATE)]
            if start + len(piece) < len(window):
                piece = piece[: quietest_end(piece, SHORT_WINDOW / 2)]
            # A window that is short already would be read in the same way again.
            segments = list(self._decode(piece)) if len(piece) < len(window) else None
            if segments is None or any(map(_is_looped, segments)):
                segments = list(self._decode(piece, forbid_repetition=True))
            yield from (shifted(segment, offset + start / SAMPLE_RATE) for segment in segments)
            start += len(piece)


def _is_looped(segment: Segment) -> bool:
    """Whether the window that a segment is of repeats itself; all of its segments say the same."""
    return bool(segment.compression_ratio >= MAX_COMPRESSION)


def _begin(segment: Segment) -> int:
    """The sample at which the decoder's window of a segment begins."""
    return round(int(segment.seek) * FRAME * SAMPLE_RATE)


def shifted(segment: Segment, seconds: float) -> Segment:
    """The same segment so many seconds later."""
    words = [
        replace(word, start=word.start + seconds, end=word.end + seconds)
        for word in segment.words or ()
    ]
    return replace(segment, start=segment.start + seconds, end=segment.end + seconds, words=words)


def quietest_end(block: NDArray[np.float32], search: float) -> int:
    """The sample in the middle of the quietest half second of the last `search` seconds."""
    begin = len(block) - round(search * SAMPLE_RATE)
    level = 10 ** (loudness_db(block[begin:]) / 10)
    width = round(QUIET * SAMPLE_RATE / HOP_LENGTH)
    quiet = np.convolve(level, np.ones(width), "valid")
    return begin + (int(quiet.argmin()) + width // 2) * HOP_LENGTH
