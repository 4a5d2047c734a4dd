"""Texts as training reads them: varied, spoilt, and some that say nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from faker import Faker
from numpy.typing import NDArray

from damage import break_text
from lddu_pipe.transcripts.cues import split_words
from texts import LabelledText

RARITY = 0.25
"""How strongly texts of rare labels are drawn more often: by this power of how rare they are."""
SPOKEN_SHARE = 0.3
BROKEN_SHARE = 0.12
"""Of the texts, how many are read with about half of their words missing."""
CONTEXT_SHARE, STRAY_SHARE = 0.6, 0.06
"""How many lines are read with what was said before, and how many with a line of elsewhere."""
UNMASKED_COMMAS, UNMASKED_EVENTS = 0.7, 0.4
PLACES = ("London", "Chicago", "the city", "Paris", "New York", "Boston", "town", "Texas")

SHORT_ANSWERS = (
    *("okay", "ok", "yes", "yeah", "yep", "no", "nope", "right", "sure", "I see", "uh-huh"),
    *("mm-hm", "hm", "so", "alright", "all right", "got it", "maybe", "perhaps", "I think so"),
    *("I guess", "I guess so", "you know", "and then", "like I said", "let me see", "one moment"),
    *("go on", "what time is it", "here", "there", "this one", "that one", "it is", "that's it"),
    *("exactly", "true", "of course", "I know", "me too", "hello", "hi", "hey", "good morning"),
    *("see you tomorrow", "in a minute", "on the table", "he said so", "at ten", "next week"),
)
"""What people say to say that they listen: it carries no emotion. Ours."""


class Varier:
    """Reads a text another way each time."""

    def __init__(self, texts: Sequence[LabelledText], seed: int) -> None:
        """Take stray lines from some texts."""
        faker = Faker("en_US")
        faker.seed_instance(seed)
        self._names = [faker.first_name() for _ in range(300)]
        self._texts = texts

    def unmasked(self, text: LabelledText, random: np.random.Generator) -> str:
        """Without what tells corpora apart: masked names, missing commas, "I felt ... when"."""
        found = text.text
        if text.corpus == "xed":
            found = re.sub(r"\[PERSON\]", lambda _: str(random.choice(self._names)), found)
            found = re.sub(r"\[LOCATION\]", lambda _: str(random.choice(PLACES)), found)
            if random.random() < UNMASKED_COMMAS:
                found = found.replace(",", "")
            found = re.sub(r"^[-*\s]+", "", found)
        elif text.corpus == "crowdenvent" and random.random() < UNMASKED_EVENTS:
            found = re.sub(r"^I felt \.\.\. (when|because|that|as)\s+", "", found)
        return found if found.strip() else text.text

    def words(self, text: LabelledText, random: np.random.Generator) -> tuple[list[str], float]:
        """As a recogniser might write it, or with words missing, at random.

        Returns:
            The words, and how much damage that many missing words are, 0..1.
        """
        words = split_words(self.unmasked(text, random))
        if random.random() < SPOKEN_SHARE:
            words = as_spoken(" ".join(words)).split() or words
        if len(words) > 4 and random.random() < 0.2:
            words = [word for word in words if random.random() > 0.1] or words
        if len(words) > 3 and random.random() < BROKEN_SHARE:
            return break_text(words, random)
        return words, 0.0

    def context(
        self, text: LabelledText, random: np.random.Generator, *, wanted: bool
    ) -> tuple[str, ...]:
        """What was said before it, where that is wanted, or now and then something else."""
        context = text.context if wanted else ()
        if random.random() < STRAY_SHARE:
            context = (self._texts[int(random.integers(len(self._texts)))].text,)
        if context and random.random() < SPOKEN_SHARE:
            return tuple(as_spoken(line) or line for line in context)
        return context


def as_spoken(text: str) -> str:
    """The text as a recogniser might write it: no mentions, links, hashes, emoji, marks."""
    text = re.sub(r"https?://\S+|@\w+|\[\w+\]", " ", text)
    return " ".join(re.sub(r"[^\w\s']|_", " ", text).lower().split())


def rarity(labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often to draw each text of a corpus, by the rarest of its labels; sums to 1.

    Args:
        labels: (texts, labels); a text with none of them counts as of one more.
    """
    present = np.concatenate([labels, ~labels.any(axis=1, keepdims=True)], axis=1)
    counts = np.maximum(present.sum(axis=0), 1)
    weights = np.where(present, counts**-RARITY, 0.0).max(axis=1)
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def short_answers() -> list[str]:
    """`SHORT_ANSWERS` as people write and say them."""
    return [
        form
        for answer in SHORT_ANSWERS
        for form in (answer, answer.capitalize() + ".", f"{answer} {answer}", f"well {answer}")
    ]
