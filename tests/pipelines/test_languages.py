"""Texts of other languages are given and not read; their language is found out or believed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lddu_pipe import Annotation, EmotionPipeline
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.pipelines import components
from lddu_pipe.pipelines.components import LANGUAGES_NOT_TOLD, Extractors
from lddu_pipe.pipelines.languages import with_language
from lddu_pipe.pipelines.reading import read_texts
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.transcripts import parse_text, read_transcript

GERMAN = "Ich bin so traurig, dass wir gestern den Zug verpasst haben."
ENGLISH = "I am so happy that you are coming to see us tomorrow."


def test_a_text_that_the_model_does_not_read_is_given_and_not_judged(
    pipe: EmotionPipeline,
) -> None:
    first, second = pipe(text=f"{GERMAN}\n{ENGLISH}").utterances
    assert (first.text, first.language) == (GERMAN, "de")
    assert first.missing["text"] == Absent.unread("de", "lddu-base-en")
    assert str(first.missing["text"]) == "German is not read by lddu-base-en"
    assert first.abstained
    assert (second.language, "text" in second.missing) == ("en", False)
    # It is no context of what is read, either.
    (alone,) = pipe(text=ENGLISH).utterances
    assert second.emotions == alone.emotions


def test_its_reason_is_read_back() -> None:
    written = Absent.unread("zh", "mine")
    assert written.why is Reason.NOT_READ
    assert Absent.read(str(written)) == written


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("talk.srt", GERMAN, "de"),
        ("talk.srt", ENGLISH, "en"),
        ("talk.srt", "Ja.", "en"),
        ("talk.en.srt", GERMAN, "en"),
        ("talk.nl.srt", "Ja.", "nl"),
    ],
)
def test_a_transcript_that_names_its_language_is_believed(
    name: str, text: str, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(f"1\n00:00:00,000 --> 00:00:02,000\n{text}\n", encoding="utf-8")
    assert with_language(read_transcript(path)).language == expected


def test_a_language_that_is_chosen_is_that_of_texts_that_name_none() -> None:
    text = parse_text(ENGLISH)
    assert with_language(text, "de").language == "de"
    assert with_language(replace(text, language="fr"), "de").language == "fr"


@pytest.mark.parametrize("language", ["xx", "german", ""])
def test_a_language_has_a_code_of_two_letters(language: str) -> None:
    with pytest.raises(ValueError, match="code of two letters"):
        PipelineSettings(language=language)


class FakeSpeech:
    name, language = "tiny.en", "en"

    def __init__(self, *, tells: bool) -> None:
        self.tells_languages = tells


@pytest.mark.parametrize("tells", [True, False])
def test_a_result_says_that_languages_were_not_looked_at(
    pipe: EmotionPipeline, tells: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    extractors = Extractors(pipe.checkpoint.parts, pipe.device, offline=True)
    monkeypatch.setitem(extractors.__dict__, "_speech", FakeSpeech(tells=tells))
    said = extractors.recognised({"de": 5, "en": 2})
    assert said.language == "de"
    assert said.notes == (() if tells else (LANGUAGES_NOT_TOLD,))
    assert extractors.recognised({}).language == "en"
    assert components.WHISPER_BASE == "whisper-base"


def test_texts_that_are_read_together_are_each_read_in_their_language(
    pipe: EmotionPipeline,
) -> None:
    german, english = read_texts(pipe, [GERMAN, ENGLISH])
    assert isinstance(german, Annotation)
    assert isinstance(english, Annotation)
    assert german.utterances[0].missing["text"] == Absent.unread("de", "lddu-base-en")
    assert "text" not in english.utterances[0].missing
