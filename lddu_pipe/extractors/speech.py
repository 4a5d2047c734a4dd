"""Speech recognition by faster-whisper: who says nothing gets no words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from lddu_pipe.extractors.whisper import SAMPLE_RATE
from lddu_pipe.transcripts.cues import merge_pieces
from lddu_pipe.types import Cue, TimeSpan, Transcript, Word

# Whisper invents words for noise and music. It does so unsure of itself (mean log-probability
# of its tokens) or of there being speech at all; these are the bounds of its own decoder
# (Radford et al. 2022, section 4.5), which faster-whisper only applies both at once.
MIN_LOG_PROBABILITY = -1.2
MAX_NO_SPEECH = 0.8
MAX_COMPRESSION = 2.4  # text that repeats itself compresses well and was not said


class SpeechRecogniser:
    """Turns sound into words with times and probabilities."""

    def __init__(self, model: WhisperModel, name: str) -> None:
        """Use a model that `load_whisper` returned; `name` goes into the transcript."""
        self._model = model
        self._name = name

    def transcribe(
        self,
        waveform: NDArray[np.float32],
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Recognise what is said.

        Args:
            waveform: (samples,) float32 mono at 16 kHz.
            progress: called with the share done, 0..1.

        Returns:
            One cue a recognised segment; no cues where nobody speaks.
        """
        duration = len(waveform) / SAMPLE_RATE
        if duration < 0.1:  # shorter than any word, and the voice detector needs a window
            return Transcript((), source=self._name)
        segments, info = self._model.transcribe(
            waveform,
            beam_size=5,
            word_timestamps=True,
            vad_filter=True,
            condition_on_previous_text=False,
            # No sampling where the best guess looks wrong: the same sound gives the same words.
            temperature=0.0,
        )
        cues = []
        for segment in segments:
            if progress is not None:
                progress(min(1.0, segment.end / duration))
            words = tuple(_words(segment, duration)) if _credible(segment) else ()
            if words:
                span = TimeSpan(words[0].span.start, words[-1].span.end)
                cues.append(Cue(segment.text.strip(), span, words))
        return Transcript(tuple(cues), source=self._name, language=info.language)


def _credible(segment: Segment) -> bool:
    return bool(
        segment.avg_logprob > MIN_LOG_PROBABILITY
        and segment.no_speech_prob < MAX_NO_SPEECH
        and segment.compression_ratio < MAX_COMPRESSION
    )


def _words(segment: Segment, duration: float) -> list[Word]:
    pieces = []
    latest = 0.0
    for word in segment.words or ():
        # Times are estimates and may run over the end of the sound or cross each other.
        start = min(max(float(word.start), latest), duration)
        end = min(max(float(word.end), start), duration)
        latest = start
        if word.word.strip():
            probability = min(1.0, max(0.0, float(word.probability)))
            pieces.append(Word(word.word, TimeSpan(start, end), probability))
    return merge_pieces(pieces)
