"""Which language a text is written in, by py3langid: small, offline, and right on a few words.

On lines of BRIGHTER and XED in twelve languages it is right of 94 % with three to five words and
of 99 % with more; docs/languages.md has the table, and what else was tried.
"""

from __future__ import annotations

import unicodedata
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from lddu_pipe.languages import ISO_639_1
from lddu_pipe.transcripts.cues import split_words

FEWEST_WORDS = 3
"""That tell a language in Latin letters: "no", "die" and "a" are words of several."""
SURE = 0.5
"""Probability from which a language is believed."""
RARE = frozenset(
    ["an", "eo", "gv", "ht", "ia", "ie", "io", "kw", "la", "lb", "li", "nn", "oc", "se", "vo"]
)
"""Codes of languages that are named by mistake more often than they are written."""


def language_of(text: str, fewest: int = FEWEST_WORDS, sure: float = SURE) -> str | None:
    """The ISO 639-1 code of a text's language, None where it is too short or unclear to tell.

    In a script other than Latin one word is enough: it is not English, at least.

    Args:
        text: of any length.
        fewest: words, at least, in Latin letters.
        sure: probability, at least, of a language in Latin letters.
    """
    letters = [character for character in text if character.isalpha()]
    if not letters:
        return None
    latin = sum(_is_latin(character) for character in letters) > len(letters) / 2
    if latin and len(split_words(text)) < fewest:
        return None
    language, probability = _identifier().classify(text)
    if latin and probability < sure:
        return None
    return str(language)


def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("LATIN")


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    known = ISO_639_1 - RARE
    identifier.set_languages([name for name in identifier.labels if name in known])
    return identifier
