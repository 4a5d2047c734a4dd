"""Which language is spoken, by a Whisper of many languages.

Its encoder hears five seconds, or ten, which takes a tenth or a fifth of the thirty that it is
made for and tells as much. Where it is not sure, the likeliest languages are tried: speech makes
sense in the language that it is in. Radford et al. 2022, section 2.3, says how Whisper names
languages.
"""

from __future__ import annotations

import zlib
from math import log
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from lddu_pipe.extractors.credibility import MAX_COMPRESSION
from lddu_pipe.extractors.whisper import SAMPLE_RATE, decode_shortly
from lddu_pipe.extractors.written_language import language_of

SHORT, LONGEST = 5.0, 10.0
"""Seconds that are heard at first, and where these do not tell."""
SHORTEST = 1.5
"""Seconds of speech that tell a language."""
FRAMES = 100  # a second
KNOWN = frozenset(
    [
        *("ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "fi", "fr", "he", "hi", "hr"),
        *("hu", "id", "it", "ja", "ko", "ms", "nl", "no", "pl", "pt", "ro", "ru", "sk", "sv"),
        *("ta", "th", "tr", "uk", "vi", "zh"),
    ]
)
"""Codes of the languages that are told: those of which the model has heard a good deal. The
others, such as Latin, Welsh and Nynorsk, are what it names where it does not know."""

# Chosen on espeak-ng's voices and on Asterisk's prompts; see benchmarks/languages.py.
SURE_AT_ONCE, SURE = 0.9, 0.7
"""Probabilities from which a language is believed of `SHORT` seconds and of `LONGEST`."""
TRIED = 3
"""Languages, and English, in which speech is read where none is sure."""
WEIGHT = 6.0
"""Of the mean log-probability of what is read beside the logarithm of the language's own."""
MIN_READING = -0.9
"""Mean log-probability of what is read, at least."""
MANY_TOKENS = frozenset(["ar", "el", "he", "hi", "ja", "ko", "ta", "th", "vi", "zh"])
"""Languages that are written in tokens of a letter or less, of which each is easily likely."""
MIN_READING_OF_MANY = -0.6
"""The same as `MIN_READING` for these."""


class LanguageTeller:
    """Tells which language is spoken in a stretch of speech."""

    def __init__(self, model: WhisperModel) -> None:
        """Use a model that knows many languages."""
        self._model = model

    def tell(self, speech: NDArray[np.float32], *, thoroughly: bool = True) -> str | None:
        """The ISO 639-1 code of the language that is spoken, None where that cannot be told.

        Args:
            speech: (samples,) float32 mono at 16 kHz; its first `LONGEST` seconds are heard.
            thoroughly: try what is likely where nothing is sure.
        """
        if len(speech) < SHORTEST * SAMPLE_RATE:
            return None
        for seconds, sure in ((SHORT, SURE_AT_ONCE), (LONGEST, SURE)):
            encoded, likely = self._hear(speech, seconds)
            best, share = likely[0]
            if share >= sure:
                return best
        if not thoroughly:
            return None
        tried = likely[:TRIED]
        tried += [item for item in likely[TRIED:] if item[0] == "en"]
        scores: dict[str, float] = {}
        for language, probability in tried:
            text, reading = decode_shortly(self._model, encoded, language)
            least = MIN_READING_OF_MANY if language in MANY_TOKENS else MIN_READING
            if reading >= least and _makes_sense(text, language):
                scores[language] = log(max(probability, 1e-6)) + WEIGHT * reading
        return max(scores, key=lambda name: scores[name], default=None)

    def _hear(
        self, speech: NDArray[np.float32], seconds: float
    ) -> tuple[Any, list[tuple[str, float]]]:
        """The first seconds as the encoder has them, and the known languages, likeliest first."""
        features = self._model.feature_extractor(speech[: round(seconds * SAMPLE_RATE)])
        wanted = round(seconds * FRAMES)
        features = features[:, :wanted]
        features = np.pad(features, ((0, 0), (0, wanted - features.shape[1])))
        encoded = self._model.encode(features)
        (found,) = self._model.model.detect_language(encoded)
        likely = [(str(name[2:-2]), float(share)) for name, share in found]
        return encoded, [item for item in likely if item[0] in KNOWN]


def _makes_sense(text: str, language: str) -> bool:
    """Whether what was read is written in the language and does not repeat itself."""
    content = text.encode()
    if len(content) / len(zlib.compress(content)) > MAX_COMPRESSION:
        return False
    return language_of(text) in (None, language)
