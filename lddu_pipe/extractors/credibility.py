"""Words that were said, and words that a recogniser invented for a sound it did not understand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.transcribe import Segment
from numpy.typing import NDArray

from lddu_pipe.extractors.whisper import LANGUAGE, SAMPLE_RATE

# Whisper invents words for noise and music. It does so unsure of itself (mean log-probability
# of its tokens) or of there being speech at all; these are the bounds of its own decoder
# (Radford et al. 2022, section 4.5), which faster-whisper only applies both at once.
MIN_LOG_PROBABILITY = -1.2
MAX_NO_SPEECH = 0.8
MAX_COMPRESSION = 2.4  # text that repeats itself compresses well and was not said

# Chosen by benchmarks/words.py, whose figures stand in docs/annotation.md.
SURE = -0.5
"""Mean log-probability of the words from which on they are believed at once."""
SURE_OF_REST = -1.0
"""The same as `SURE`, for the rest of a sentence whose beginning is believed."""
UNSURE = -1.3
"""Mean log-probability of the words up to which no second reading is worth while."""
MIN_AGREEMENT = 0.7
"""Share of the letters that a second reading has in common with the words."""
MIN_SECOND = -0.9
"""Mean log-probability of the tokens of a second reading."""
MARGIN = 0.3
"""Seconds before and after the words that a second reading hears."""


@dataclass(frozen=True)
class Reading:
    """What a second look at the same sound gives."""

    agreement: float
    """0..1: the share of letters in common with the words that were read first."""
    log_probability: float
    """Mean over its tokens."""


class Credibility:
    """Whether what a recogniser wrote down was said."""

    def __init__(self, model: WhisperModel, language: str = LANGUAGE) -> None:
        """Use the model that wrote it, and tell it the language, ISO 639-1."""
        self._model = model
        self._language = language

    def of(
        self, segment: Segment, speech: NDArray[np.float32], believed: Segment | None = None
    ) -> bool:
        """Judge a segment.

        Args:
            segment: with words, and times in seconds of `speech`.
            speech: (samples,) float32 mono at 16 kHz.
            believed: the segment right before, where it is believed.
        """
        if not segment.words or not within_bounds(segment) or sureness(segment) <= UNSURE:
            return False
        continues = believed is not None and not believed.text.rstrip().endswith((".", "?", "!"))
        if sureness(segment) > (SURE_OF_REST if continues else SURE):
            return True
        second = self.read_again(segment, speech)
        return second.agreement >= MIN_AGREEMENT and second.log_probability >= MIN_SECOND

    def read_again(self, segment: Segment, speech: NDArray[np.float32]) -> Reading:
        """Read the sound of a segment by itself, the best token at a time and without times.

        What was said is read nearly the same way; what was invented depends on where the window
        begins and comes out as something else.
        """
        words = segment.words or []
        begin, end = words[0].start - MARGIN, words[-1].end + MARGIN
        part = speech[max(0, round(begin * SAMPLE_RATE)) : round(end * SAMPLE_RATE)]
        found, _ = self._model.transcribe(
            part,
            language=self._language,
            beam_size=1,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            max_new_tokens=100,
        )
        segments = list(found)
        if not segments:
            return Reading(0.0, -np.inf)
        first, second = (
            letters(text) for text in (segment.text, " ".join(item.text for item in segments))
        )
        agreement = SequenceMatcher(None, first, second, autojunk=False).ratio()
        return Reading(agreement, float(np.mean([item.avg_logprob for item in segments])))


def within_bounds(segment: Segment) -> bool:
    """Whether the decoder was sure enough of the whole window that a segment is of."""
    return bool(
        segment.avg_logprob > MIN_LOG_PROBABILITY
        and segment.no_speech_prob < MAX_NO_SPEECH
        and segment.compression_ratio < MAX_COMPRESSION
    )


def sureness(segment: Segment) -> float:
    """Mean log-probability of a segment's words."""
    probabilities = [word.probability for word in segment.words or ()]
    return float(np.mean(np.log(np.maximum(probabilities, 1e-4))))


def letters(text: str) -> str:
    """What is said of a text: its words in lower case, without marks."""
    return " ".join(re.findall(r"(?:[^\W_]|')+", text.lower()))
