"""Speech recognition by faster-whisper; where nobody speaks it gives no words.

Whisper writes English sentences for whatever it hears: for music, for sobs, for Swedish. What it
invents is told from what was said by how sure it is of its words and, where it is not, by reading
the same sound a second time (`credibility`). A voice whose words cannot be believed is still a
voice: its place is kept, without words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, groupby, pairwise
from typing import TYPE_CHECKING

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment, restore_speech_timestamps
from numpy.typing import NDArray

from lddu_pipe.events import WordsHeard
from lddu_pipe.extractors.blocks import MIN_VOICE, Block
from lddu_pipe.extractors.credibility import (
    MAX_COMPRESSION,
    SURE_OF_REST,
    Credibility,
    sureness,
    within_bounds,
)
from lddu_pipe.extractors.prosody import HOP_LENGTH, loudness_db
from lddu_pipe.extractors.whisper import LANGUAGE, SAMPLE_RATE, decode, skim
from lddu_pipe.media import WaveformLike
from lddu_pipe.transcripts.cues import merge_pieces
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

if TYPE_CHECKING:
    from lddu_pipe.extractors.bursts import BurstFinder
    from lddu_pipe.extractors.voices import VoiceTeller

MIN_SAMPLES = SAMPLE_RATE // 10  # less is shorter than any word, and the voice detector needs it

# WaveformLike is recognised in blocks, so that an hour takes no more memory than a few minutes.
MAX_BLOCK = 180.0  # seconds
SEARCH = 60.0  # seconds before its end in which a block is ended, at the quietest moment
QUIET = 0.5  # seconds over which quiet is measured

# A decoder that repeats itself has lost its place; in a shorter window it often keeps it.
SHORT_WINDOW = 10.0  # seconds
FRAME = 0.01  # seconds of a step of `Segment.seek`

# A recogniser that knows many languages tells them apart in what it decodes at once.
MAX_BLOCK_OF_ONE_LANGUAGE = 30.0  # seconds


class SpeechRecogniser:
    """Turns sound into words with times and probabilities."""

    def __init__(self, model: WhisperModel, name: str, bursts: BurstFinder | None = None) -> None:
        """Use a model.

        Args:
            model: as `load_whisper` returned it.
            name: goes into the transcript.
            bursts: finds voices without words; without it only speech is heard.
        """
        self._model = model
        self._bursts = bursts
        self.name = name
        self.language = LANGUAGE
        self._credibility = Credibility(model)

    def transcribe(self, waveform: WaveformLike) -> Transcript:
        """Recognise what is said in English, to the end; see `listen`.

        Returns:
            One cue a recognised segment, and the spans of voices whose words were not recognised:
            mumbled, drowned in noise, of another language, or laughter and the like without any.
            Neither where nobody is heard.
        """
        heard = list(self.listen(waveform))
        return Transcript(
            tuple(cue for news in heard for cue in news.cues),
            source=self.name,
            language=LANGUAGE,
            unrecognised=tuple(cue for news in heard for cue in news.unrecognised),
        )

    def listen(
        self, waveform: WaveformLike, voices: VoiceTeller | None = None
    ) -> Iterator[WordsHeard]:
        """Recognise what is said in English, and tell of it as it is recognised.

        Args:
            waveform: (samples,) float32 mono at 16 kHz, read as far as it is listened to: in
                blocks of at most `MAX_BLOCK` seconds that end where it is quiet.
            voices: tells the voices of this recording apart; without it they are not.
        """
        longest, search = MAX_BLOCK, SEARCH
        if self._model.model.is_multilingual:
            longest, search = MAX_BLOCK_OF_ONE_LANGUAGE, MAX_BLOCK_OF_ONE_LANGUAGE / 2
        start, length = 0, round(longest * SAMPLE_RATE)
        # One sample more than a block tells whether it is the last.
        while len(samples := waveform[start : start + length + 1]) >= MIN_SAMPLES:
            if len(samples) > length:
                samples = samples[: quietest_end(samples[:length], search)]
            yield from self._hear(samples, start / SAMPLE_RATE, voices)
            start += len(samples)

    def _hear(
        self, samples: NDArray[np.float32], offset: float, voices: VoiceTeller | None
    ) -> Iterator[WordsHeard]:
        """Tell what is said in a block that begins at second `offset`.

        What lies before words that are believed is settled with them.
        """
        block = self.block(samples, offset)
        if voices is not None and block.chunks:
            block.tell_apart(voices)
        for cue in self.believed(block):
            yield block.settle(cue)
        yield block.settle(None)

    def block(
        self,
        samples: NDArray[np.float32],
        offset: float,
        *,
        levels: NDArray[np.float32] | None = None,
        silent: bool = False,
    ) -> Block:
        """Take a stretch of sound, in which words are still to be recognised.

        Args:
            samples: (samples,) float32 mono at 16 kHz.
            offset: seconds of the media at which they begin.
            levels: how loud it was before; see `BurstFinder.over`.
            silent: it is known that nobody speaks.
        """
        bursts = self._bursts.over(samples, levels) if self._bursts else None
        return Block(samples, offset, bursts, [] if silent else None)

    def skim(self, block: Block) -> list[Word]:
        """Words of a block that goes on, quickly and not to be relied on; see `whisper.skim`."""
        if not block.chunks:
            return []
        segments = restore_speech_timestamps(
            skim(self._model, block.speech), list(block.chunks), SAMPLE_RATE
        )
        start, duration = block.span.start, block.span.duration
        return [
            word
            for segment in segments
            if within_bounds(segment) and sureness(segment) > SURE_OF_REST
            for word in _words(segment, start, duration)
        ]

    def believed(self, block: Block) -> Iterator[Cue]:
        """Recognise the words of a block, and note in it where they are not believed.

        Yields:
            Each segment whose words are believed, in order.
        """
        if not block.chunks:
            return
        speech = block.speech
        before = None
        english = self._credibility.is_english(speech)
        for segment in self._segments(speech) if english else ():
            credible = self._credibility.of(segment, speech, before)
            before = segment if credible else None
            (placed,) = restore_speech_timestamps([segment], list(block.chunks), SAMPLE_RATE)
            cue = _cue(placed, block.span.start, block.span.duration)
            if cue is not None and credible:
                yield cue
            elif cue is not None and cue.span.duration >= MIN_VOICE / 2:
                block.doubted.append(cue.span)

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
                piece = piece[: quietest_end(piece, SHORT_WINDOW / 2)]
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


def quietest_end(block: NDArray[np.float32], search: float) -> int:
    """The sample in the middle of the quietest half second of the last `search` seconds."""
    begin = len(block) - round(search * SAMPLE_RATE)
    level = 10 ** (loudness_db(block[begin:]) / 10)
    width = round(QUIET * SAMPLE_RATE / HOP_LENGTH)
    quiet = np.convolve(level, np.ones(width), "valid")
    return begin + (int(quiet.argmin()) + width // 2) * HOP_LENGTH


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
