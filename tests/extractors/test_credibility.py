"""Words that are believed at once, after a second reading, or not at all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lddu_pipe.extractors.credibility import Credibility, sureness

SPEECH = np.zeros(80_000, np.float32)


class Reader:
    """A model whose second reading is `text`, as sure of it as `log_probability`."""

    def __init__(self, text: str = "", log_probability: float = 0.0) -> None:
        self.heard: list[int] = []
        self._segments = [SimpleNamespace(text=text, avg_logprob=log_probability)] if text else []

    def transcribe(self, sound: Any, **options: Any) -> tuple[Any, None]:
        assert options["temperature"] == 0.0
        self.heard.append(len(sound))
        return iter(self._segments), None


def segment(probability: float, text: str = " I am fine, thanks.", **changes: float) -> Any:
    pieces = text.split()
    words = [
        SimpleNamespace(word=word, start=1.0 + 0.3 * index, end=1.3 + 0.3 * index)
        for index, word in enumerate(pieces)
    ]
    for word in words:
        word.probability = probability
    values = {"avg_logprob": -0.4, "no_speech_prob": 0.1, "compression_ratio": 1.0, **changes}
    return SimpleNamespace(text=text, words=words, **values)


def test_what_is_sure_is_read_once() -> None:
    reader = Reader("something else")
    assert Credibility(reader).of(segment(0.9), SPEECH)  # type: ignore[arg-type]
    assert reader.heard == []


@pytest.mark.parametrize(
    ("again", "log_probability", "believed"),
    [
        ("I'm fine. Thanks!", -0.5, True),
        ("I am fine thanks", -1.3, False),
        ("Thank you very much for watching.", -0.5, False),
        ("", 0.0, False),
    ],
)
def test_what_is_unsure_is_believed_where_a_second_reading_agrees(
    again: str, log_probability: float, believed: bool
) -> None:
    reader = Reader(again, log_probability)
    assert Credibility(reader).of(segment(0.4), SPEECH) is believed  # type: ignore[arg-type]
    assert reader.heard == [round((4 * 0.3 + 2 * 0.3) * 16_000)]  # the words and both margins


@pytest.mark.parametrize(("before", "believed"), [(" and how to use", True), (" We met.", False)])
def test_the_rest_of_a_sentence_that_is_believed_is_believed(before: str, believed: bool) -> None:
    reader = Reader("Thank you very much for watching.", -0.5)
    judge = Credibility(reader)  # type: ignore[arg-type]
    assert judge.of(segment(0.5), SPEECH, segment(0.9, before)) is believed


def test_what_is_guessed_is_not_read_again() -> None:
    reader = Reader("I am fine, thanks.", -0.5)
    assert not Credibility(reader).of(segment(0.2), SPEECH)  # type: ignore[arg-type]
    assert reader.heard == []


@pytest.mark.parametrize(
    "changes",
    [{"avg_logprob": -1.3}, {"no_speech_prob": 0.9}, {"compression_ratio": 18.9}],
)
def test_what_the_decoder_itself_doubts_is_not_believed(changes: dict[str, float]) -> None:
    reader = Reader("I am fine, thanks.")
    assert not Credibility(reader).of(segment(0.9, **changes), SPEECH)  # type: ignore[arg-type]


def test_sureness_is_the_mean_of_logarithms() -> None:
    assert sureness(segment(0.5)) == pytest.approx(np.log(0.5))
