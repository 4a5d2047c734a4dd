"""Each stretch of a recording is read in its own language, and never in English by mistake."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from faster_whisper.transcribe import Segment, Word
from numpy.typing import NDArray

from lddu_pipe.extractors.polyglot import Languages, Polyglot, Said

RATE = 16_000
CODES = {1: "en", 2: "de", 3: "fr"}
"""Of a fake language, by the value of its samples; 0 is none that can be told."""
TEXTS = {
    "en": " And what happened after that?",
    "de": " Und was ist danach passiert?",
    "fr": " Et que s'est-il passé après ?",
}


def speech(*parts: tuple[int, float]) -> NDArray[np.float32]:
    """Stretches of one value each, so many seconds long."""
    return np.concatenate([np.full(round(s * RATE), value, np.float32) for value, s in parts])


def spoken_in(sound: NDArray[np.float32]) -> int:
    return int(np.bincount(sound.astype(int)).argmax())


class FakeReader:
    """Writes a sentence of its language for each stretch of one value; sure only of its own."""

    def __init__(self, language: str, *, sure_of_all: bool = False) -> None:
        self.language = language
        self._sure_of_all = sure_of_all
        self.seconds = 0.0

    def segments(self, sound: NDArray[np.float32]) -> Iterator[Segment]:
        self.seconds += len(sound) / RATE
        edges = [0, *(np.flatnonzero(np.diff(sound)) + 1), len(sound)]
        for begin, end in pairwise(edges):
            own = CODES.get(int(sound[begin])) == self.language
            sure = 0.95 if own or self._sure_of_all else 0.5
            start, stop = begin / RATE, end / RATE
            word = Word(start, stop, TEXTS[self.language], sure)
            yield Segment(
                0, 0, start, stop, TEXTS[self.language], [1], -0.1, 1.0, 0.0, [word], 0.0
            )

    def credible(self, segment: Segment, *_: object) -> bool:
        return bool(segment.words and segment.words[0].probability > 0.9)


class FakeTeller:
    def __init__(self) -> None:
        self.asked = 0

    def tell(self, sound: NDArray[np.float32], *, thoroughly: bool = True) -> str | None:
        self.asked += 1
        return CODES.get(spoken_in(sound)) if len(sound) >= 1.5 * RATE else None


def languages(*, sure_of_all: bool = False, spoken: str | None = None) -> Any:
    english: Any = FakeReader("en", sure_of_all=sure_of_all)
    foreign: Any = FakeReader
    teller: Any = FakeTeller()
    return Languages(english, foreign, teller, spoken)


def heard(said: Iterator[Said]) -> list[tuple[str, float, float]]:
    return [
        (item.language, round(item.segment.start, 1), round(item.segment.end, 1))
        for item in said
        if item.believed
    ]


def test_english_is_asked_for_once_and_read_as_ever() -> None:
    chosen = languages()
    polyglot = Polyglot(chosen)
    for _ in range(3):
        assert heard(polyglot.read(speech((1, 60.0)))) == [("en", 0.0, 60.0)]
    assert chosen.teller.asked == 1
    assert chosen.native.seconds == 180.0


def test_another_language_is_never_read_as_english() -> None:
    """However sure the recogniser of English is of what it makes up."""
    chosen = languages(sure_of_all=True)
    assert heard(Polyglot(chosen).read(speech((2, 20.0)))) == [("de", 0.0, 20.0)]
    assert chosen.native.seconds == 0.0


@pytest.mark.parametrize("sure_of_all", [False, True])
def test_each_turn_of_two_languages_is_its_own(sure_of_all: bool) -> None:
    turns = speech((1, 6.0), (2, 5.0), (1, 4.0), (3, 7.0), (1, 3.0))
    found = heard(Polyglot(languages()).read(turns))
    assert [item[0] for item in found] == ["en", "de", "en", "fr", "en"]
    assert found[1] == ("de", 6.0, 11.0)
    # Once another language was heard, what the recogniser of English is sure of is asked for, too.
    polyglot = Polyglot(languages(sure_of_all=sure_of_all))
    list(polyglot.read(speech((2, 10.0))))
    languages_heard = [item[0] for item in heard(polyglot.read(turns))]
    assert {"de", "en", "fr"} == set(languages_heard)


def test_a_language_goes_on_until_another_is_heard() -> None:
    polyglot = Polyglot(languages())
    assert heard(polyglot.read(speech((2, 10.0))))[0][0] == "de"
    assert heard(polyglot.read(speech((0, 1.0), (2, 3.0))))[-1][0] == "de"
    assert heard(polyglot.read(speech((1, 10.0)))) == [("en", 0.0, 10.0)]


def test_of_an_unknown_language_what_is_sure_is_english_and_the_rest_is_a_voice() -> None:
    said = list(Polyglot(languages()).read(speech((0, 20.0))))
    assert said
    assert not any(item.believed for item in said)


def test_a_translation_is_not_what_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TEXTS, "de", " And what happened after that?")
    (said,) = Polyglot(languages()).read(speech((2, 5.0)))
    assert (said.language, said.believed) == ("de", False)


def test_a_language_that_is_known_is_not_asked_for() -> None:
    chosen = languages(spoken="de")
    assert heard(Polyglot(chosen).read(speech((2, 30.0)))) == [("de", 0.0, 30.0)]
    assert chosen.teller is None
    assert chosen.known


def test_without_a_second_recogniser_all_is_english() -> None:
    english: Any = FakeReader("en", sure_of_all=True)
    chosen = Languages(english)
    assert heard(Polyglot(chosen).read(speech((2, 30.0)))) == [("en", 0.0, 30.0)]
    assert not chosen.known
