"""Speech recognition by faster-whisper: who says nothing gets no words.

Whisper writes English sentences for whatever it hears: for music, for sobs, for Swedish. What it
invents is told from what was said by how sure it is of its words and, where it is not, by reading
the same sound a second time (`credibility`). A voice whose words cannot be believed is still a
voice: its place is kept, without words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, groupby, pairwise

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, restore_speech_timestamps
from faster_whisper.vad import get_speech_timestamps
from numpy.typing import NDArray

from lddu_pipe.extractors.credibility import MAX_COMPRESSION, Credibility
from lddu_pipe.extractors.prosody import HOP_LENGTH, loudness_db
from lddu_pipe.extractors.whisper import LANGUAGE, SAMPLE_RATE, decode
from lddu_pipe.media import WaveformLike
from lddu_pipe.transcripts.cues import merge_pieces
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

MIN_SAMPLES = SAMPLE_RATE // 10  # less is shorter than any word, and the voice detector needs it

# Sound is recognised in blocks, so that an hour takes no more memory than a few minutes.
MAX_BLOCK = 180.0  # seconds
SEARCH = 60.0  # seconds before its end in which a block is ended, at the quietest moment
QUIET = 0.5  # seconds over which quiet is measured

# A decoder that repeats itself has lost its place; in a shorter window it often keeps it.
SHORT_WINDOW = 10.0  # seconds
FRAME = 0.01  # seconds of a step of `Segment.seek`

# A recogniser that knows many languages tells them apart in what it decodes at once.
MAX_BLOCK_OF_ONE_LANGUAGE = 30.0  # seconds

MIN_VOICE = 1.0
"""Seconds of speech, at least, that are worth an utterance without words."""
VOICE_PAUSE = 0.5
"""Seconds without a voice that end speech whose words are unknown."""


@dataclass
class _Heard:
    """What was heard so far, in seconds of the whole sound."""

    cues: list[Cue] = field(default_factory=list)
    unrecognised: list[TimeSpan] = field(default_factory=list)


class SpeechRecogniser:
    """Turns sound into words with times and probabilities."""

    def __init__(self, model: WhisperModel, name: str) -> None:
        """Use a model that `load_whisper` returned; `name` goes into the transcript."""
        self._model = model
        self._name = name
        self._credibility = Credibility(model)

    def transcribe(
        self,
        waveform: WaveformLike,
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Recognise what is said in English.

        Args:
            waveform: (samples,) float32 mono at 16 kHz. Long ones are read in blocks of at most
                `MAX_BLOCK` seconds that end where it is quiet.
            progress: called with the share done, 0..1.

        Returns:
            One cue a recognised segment, and the spans of speech whose words were not recognised:
            mumbled, drowned in noise, or of another language. Neither where nobody speaks.
        """
        heard = _Heard()
        longest, search = MAX_BLOCK, SEARCH
        if self._model.model.is_multilingual:
            longest, search = MAX_BLOCK_OF_ONE_LANGUAGE, MAX_BLOCK_OF_ONE_LANGUAGE / 2
        start = 0
        while len(waveform) - start >= MIN_SAMPLES:
            block = waveform[start : start + round(longest * SAMPLE_RATE)]
            if start + len(block) < len(waveform):
                block = block[: _quietest_end(block, search)]
            for moment in self._hear(block, start / SAMPLE_RATE, heard):
                if progress is not None:
                    progress(min(1.0, moment * SAMPLE_RATE / len(waveform)))
            start += len(block)
        return Transcript(
            tuple(heard.cues),
            source=self._name,
            language=LANGUAGE,
            unrecognised=tuple(Cue("", span, ()) for span in heard.unrecognised),
        )

    def _hear(self, block: NDArray[np.float32], offset: float, heard: _Heard) -> Iterator[float]:
        """Add what is said in a block that begins at second `offset`; yield how far it got."""
        chunks = get_speech_timestamps(block)
        if not chunks:
            return
        # What faster-whisper's own filter does: the decoder gets the speech without the rest.
        speech = np.concatenate([block[chunk["start"] : chunk["end"]] for chunk in chunks])
        duration = len(block) / SAMPLE_RATE
        believed: list[Cue] = []
        doubted: list[TimeSpan] = []
        before = None
        english = self._credibility.is_english(speech)
        for segment in self._segments(speech) if english else ():
            credible = self._credibility.of(segment, speech, before)
            before = segment if credible else None
            (placed,) = restore_speech_timestamps([segment], chunks, SAMPLE_RATE)
            cue = _cue(placed, offset, duration)
            if cue is not None and credible:
                believed.append(cue)
            elif cue is not None and cue.span.duration >= MIN_VOICE / 2:
                doubted.append(cue.span)
            yield offset + placed.end
        heard.cues += believed
        for chunk in chunks:
            span = TimeSpan(chunk["start"] / SAMPLE_RATE, chunk["end"] / SAMPLE_RATE)
            for rest in _rests(span.shift(offset), [cue.span for cue in believed]):
                # Whose words are not believed is heard, however unsure the voice detector is.
                unclear = [other.clip(rest) for other in doubted if other.overlap(rest) > 0]
                heard.unrecognised += _joined([*_voices(rest, block, offset), *unclear])

    def _segments(self, speech: NDArray[np.float32]) -> Iterator[Segment]:
        """Decode speech; a window that repeats itself is decoded again in shorter ones."""
        windows = (list(group) for _, group in groupby(decode(self._model, speech), _begin))
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
                piece = piece[: _quietest_end(piece, SHORT_WINDOW / 2)]
            # A window that is short already would be read in the same way again.
            segments = list(decode(self._model, piece)) if len(piece) < len(window) else None
            if segments is None or any(map(_is_looped, segments)):
                segments = list(decode(self._model, piece, forbid_repetition=True))
            yield from (_shifted(segment, offset + start / SAMPLE_RATE) for segment in segments)
            start += len(piece)


def _is_looped(segment: Segment) -> bool:
    """Whether the window that a segment is of repeats itself; all of its segments say the same."""
    return bool(segment.compression_ratio >= MAX_COMPRESSION)


def _begin(segment: Segment) -> int:
    """The sample at which the decoder's window of a segment begins."""
    return round(int(segment.seek) * FRAME * SAMPLE_RATE)


def _shifted(segment: Segment, seconds: float) -> Segment:
    words = [
        replace(word, start=word.start + seconds, end=word.end + seconds)
        for word in segment.words or ()
    ]
    return replace(segment, start=segment.start + seconds, end=segment.end + seconds, words=words)


def _quietest_end(block: NDArray[np.float32], search: float) -> int:
    """The sample in the middle of the quietest half second of the last `search` seconds."""
    begin = len(block) - round(search * SAMPLE_RATE)
    level = 10 ** (loudness_db(block[begin:]) / 10)
    width = round(QUIET * SAMPLE_RATE / HOP_LENGTH)
    quiet = np.convolve(level, np.ones(width), "valid")
    return begin + (int(quiet.argmin()) + width // 2) * HOP_LENGTH


def _rests(span: TimeSpan, taken: Sequence[TimeSpan]) -> list[TimeSpan]:
    """What is left of a span outside of those that are taken."""
    rests, start = [], span.start
    for other in [*sorted(taken), TimeSpan(span.end, span.end)]:
        if min(other.start, span.end) > start:
            rests.append(TimeSpan(start, min(other.start, span.end)))
        start = max(start, other.end)
    return rests


def _joined(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """Spans in order, those made one that overlap or have no pause between them."""
    joined: list[TimeSpan] = []
    for span in sorted(spans):
        if joined and span.start - joined[-1].end < VOICE_PAUSE:
            joined[-1] = TimeSpan(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _voices(span: TimeSpan, block: NDArray[np.float32], offset: float) -> list[TimeSpan]:
    """Where in a span somebody really speaks, at least `MIN_VOICE` seconds at a time."""
    if span.duration < MIN_VOICE:
        return []
    begin, end = (round((moment - offset) * SAMPLE_RATE) for moment in (span.start, span.end))
    found = get_speech_timestamps(
        block[begin:end],
        min_speech_duration_ms=round(MIN_VOICE * 1000),
        min_silence_duration_ms=round(VOICE_PAUSE * 1000),
        speech_pad_ms=100,
    )
    return [
        TimeSpan(chunk["start"] / SAMPLE_RATE, chunk["end"] / SAMPLE_RATE).shift(span.start)
        for chunk in found
    ]


def _cue(segment: Segment, offset: float, duration: float) -> Cue | None:
    """A segment of a block that begins at second `offset`, if it has words."""
    words = tuple(_words(segment, offset, duration))
    if not words:
        return None
    span = TimeSpan(words[0].span.start, words[-1].span.end)
    return Cue(segment.text.strip(), span, words)


def _words(segment: Segment, offset: float, duration: float) -> list[Word]:
    pieces = []
    latest = 0.0
    for word in segment.words or ():
        # Times are estimates and may run over the end of the sound or cross each other.
        start = min(max(float(word.start), latest), duration)
        end = min(max(float(word.end), start), duration)
        latest = start
        if word.word.strip():
            probability = min(1.0, max(0.0, float(word.probability)))
            span = TimeSpan(start + offset, end + offset)
            pieces.append(Word(word.word, span, probability))
    return merge_pieces(pieces)
