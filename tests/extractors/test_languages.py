"""Which language it is: of sound by a Whisper of many languages, of writing by py3langid."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lddu_pipe.assets import locate
from lddu_pipe.extractors.spoken_language import LanguageTeller
from lddu_pipe.extractors.whisper import load_whisper
from lddu_pipe.extractors.written_language import language_of
from lddu_pipe.media import decode_audio, probe

SPEECH = np.zeros(48_000, np.float32)


class FakeModel:
    """Hears what it is told to, and reads the same text in every language, as surely as told."""

    def __init__(self, shares: dict[str, float], readings: dict[str, tuple[str, float]]) -> None:
        self._shares, self._readings = shares, readings
        self.read: list[str] = []
        self.frames = 0
        self.model = self
        self.hf_tokenizer = SimpleNamespace(token_to_id=lambda mark: mark, decode=lambda ids: ids)

    def feature_extractor(self, sound: Any) -> Any:
        return np.zeros((80, len(sound) // 160), np.float32)

    def encode(self, features: Any) -> None:
        self.frames = features.shape[1]

    def detect_language(self, _: Any) -> Any:
        ordered = sorted(self._shares.items(), key=lambda item: -item[1])
        return [[(f"<|{name}|>", share) for name, share in ordered]]

    def generate(self, _: Any, prompts: Any, **__: Any) -> Any:
        language = prompts[0][1][2:-2]
        self.read.append(language)
        text, score = self._readings.get(language, ("", -9.0))
        return [SimpleNamespace(sequences_ids=[text], scores=[score])]


def tell(model: FakeModel, **options: Any) -> str | None:
    return LanguageTeller(model).tell(SPEECH, **options)  # type: ignore[arg-type]


GERMAN, ENGLISH = "Und was ist danach passiert?", "And what happened after that?"


def test_a_language_that_is_sure_is_not_read() -> None:
    model = FakeModel({"de": 0.9, "en": 0.1}, {})
    assert (tell(model), model.read, model.frames) == ("de", [], 500)
    less = FakeModel({"de": 0.8, "en": 0.1}, {})
    assert (tell(less), less.read, less.frames) == ("de", [], 1000)


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ({"nl": (GERMAN, -0.1), "de": (GERMAN, -0.3), "en": (ENGLISH, -0.8)}, "de"),
        ({"de": (GERMAN, -0.8), "en": (ENGLISH, -0.2)}, "en"),
        ({"de": (GERMAN, -1.0), "en": ("a b " * 40, -0.1)}, None),  # unsure, and a loop
    ],
)
def test_what_is_unsure_is_read_in_the_likeliest_languages(
    readings: dict[str, tuple[str, float]], expected: str | None
) -> None:
    """What makes no sense in a language was not said in it."""
    model = FakeModel({"nl": 0.4, "de": 0.3, "en": 0.2, "la": 0.6}, readings)
    assert tell(model) == expected
    assert "la" not in model.read  # which nobody speaks
    assert tell(model, thoroughly=False) is None


def test_a_moment_tells_no_language() -> None:
    model = FakeModel({"de": 0.9}, {})
    assert LanguageTeller(model).tell(SPEECH[:8000]) is None  # type: ignore[arg-type]


def test_the_recogniser_of_many_languages_hears_english(shared_media: Any) -> None:
    status = locate("whisper-base")
    if status.path is None:
        pytest.skip("whisper-base is not here (extra multilingual)")
    sound = decode_audio(probe(shared_media / "two_cities.wav"))[:80_000]
    assert LanguageTeller(load_whisper(status.path, "cpu")).tell(sound) == "en"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What wonderful news!", "en"),
        ("Das ist ja wunderbar, ich freue mich sehr!", "de"),
        ("Je suis tellement contente de te voir.", "fr"),
        ("¡Qué alegría verte otra vez por aquí!", "es"),
        ("Я так счастлива, что ты пришёл.", "ru"),
        ("我很高兴。", "zh"),
        ("嬉しいです。", "ja"),
        ("나는 정말 행복해요", "ko"),
        ("สวัสดีครับ", "th"),
        ("أنا سعيد جدا اليوم", "ar"),
        ("אני כל כך שמחה", "he"),
        ("No.", None),
        ("die", None),
        ("Ja, ja", None),
        ("123 :-)", None),
        ("", None),
    ],
)
def test_written_language(text: str, expected: str | None) -> None:
    assert language_of(text) == expected
