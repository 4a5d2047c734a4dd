"""Speech recognition by faster-whisper: who says nothing gets no words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from lddu_pipe.extractors.prosody import HOP_LENGTH, loudness_db
from lddu_pipe.extractors.whisper import SAMPLE_RATE
from lddu_pipe.media import Sound
from lddu_pipe.transcripts.cues import merge_pieces
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

# Whisper invents words for noise and music. It does so unsure of itself (mean log-probability
# of its tokens) or of there being speech at all; these are the bounds of its own decoder
# (Radford et al. 2022, section 4.5), which faster-whisper only applies both at once.
MIN_LOG_PROBABILITY = -1.2
MAX_NO_SPEECH = 0.8
MAX_COMPRESSION = 2.4  # text that repeats itself compresses well and was not said

MIN_SAMPLES = SAMPLE_RATE // 10  # less is shorter than any word, and the voice detector needs it

# Sound is recognised in blocks, so that an hour takes no more memory than a few minutes.
MAX_BLOCK = 180.0  # seconds
SEARCH = 60.0  # seconds before its end in which a block is ended, at the quietest moment
QUIET = 0.5  # seconds over which quiet is measured


class SpeechRecogniser:
    """Turns sound into words with times and probabilities."""

    def __init__(self, model: WhisperModel, name: str) -> None:
        """Use a model that `load_whisper` returned; `name` goes into the transcript."""
        self._model = model
        self._name = name

    def transcribe(
        self,
        waveform: Sound,
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Recognise what is said.

        Args:
            waveform: (samples,) float32 mono at 16 kHz. Long ones are read in blocks of at most
                `MAX_BLOCK` seconds that end where it is quiet.
            progress: called with the share done, 0..1.

        Returns:
            One cue a recognised segment; no cues where nobody speaks.
        """
        cues: list[Cue] = []
        language = None
        start = 0
        while len(waveform) - start >= MIN_SAMPLES:
            block = waveform[start : start + round(MAX_BLOCK * SAMPLE_RATE)]
            if start + len(block) < len(waveform):
                block = block[: _quietest_end(block)]
            segments, info = self._model.transcribe(
                block,
                beam_size=5,
                word_timestamps=True,
                vad_filter=True,
                condition_on_previous_text=False,
                # No sampling where the best guess looks wrong: the same sound, the same words.
                temperature=0.0,
            )
            language = info.language
            for segment in segments:
                if progress is not None:
                    heard = start + segment.end * SAMPLE_RATE
                    progress(min(1.0, heard / len(waveform)))
                cue = _cue(segment, start / SAMPLE_RATE, len(block) / SAMPLE_RATE)
                if cue is not None:
                    cues.append(cue)
            start += len(block)
        return Transcript(tuple(cues), source=self._name, language=language)


def _quietest_end(block: NDArray[np.float32]) -> int:
    """The sample in the middle of the quietest half second near the end of a block."""
    begin = len(block) - round(SEARCH * SAMPLE_RATE)
    level = 10 ** (loudness_db(block[begin:]) / 10)
    width = round(QUIET * SAMPLE_RATE / HOP_LENGTH)
    quiet = np.convolve(level, np.ones(width), "valid")
    return begin + (int(quiet.argmin()) + width // 2) * HOP_LENGTH


def _cue(segment: Segment, offset: float, duration: float) -> Cue | None:
    """A segment of a block that begins at second `offset`, if it can be believed."""
    words = tuple(_words(segment, offset, duration)) if _credible(segment) else ()
    if not words:
        return None
    span = TimeSpan(words[0].span.start, words[-1].span.end)
    return Cue(segment.text.strip(), span, words)


def _credible(segment: Segment) -> bool:
    return bool(
        segment.avg_logprob > MIN_LOG_PROBABILITY
        and segment.no_speech_prob < MAX_NO_SPEECH
        and segment.compression_ratio < MAX_COMPRESSION
    )


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
