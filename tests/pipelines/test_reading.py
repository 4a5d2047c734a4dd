"""Texts read together are as texts read alone, also beside media."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lddu_pipe import Annotation, EmotionPipeline
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.reading import read_texts

TEXTS = [
    "What wonderful news!",
    "I hate this. I am so angry with you.",
    "Well.",
    "First she laughed.\nThen she wept for hours, and nobody came to comfort her.",
]


def close(one: Annotation, other: Annotation) -> None:
    """Equal but for rounding, and the moment they were made."""
    first, second = one.to_dict(), other.to_dict()
    first["provenance"].pop("created")
    second["provenance"].pop("created")
    assert first["provenance"] == second["provenance"]
    assert first["media"] == second["media"]
    assert len(first["utterances"]) == len(second["utterances"])
    for left, right in zip(first["utterances"], second["utterances"], strict=True):
        for mine, yours in zip(left.pop("emotions"), right.pop("emotions"), strict=True):
            assert mine["label"] == yours["label"]
            assert mine["decision"] == yours["decision"]
            assert mine["probability"] == pytest.approx(yours["probability"], abs=2e-4)
        assert left == right


def test_together_as_alone(pipe: EmotionPipeline) -> None:
    for text, found in zip(TEXTS, read_texts(pipe, TEXTS), strict=True):
        assert isinstance(found, Annotation)
        close(found, pipe(text=text))


def test_one_without_words_stops_no_other(pipe: EmotionPipeline) -> None:
    good, bad, alone = read_texts(pipe, [TEXTS[0], " ", TEXTS[1]])
    assert isinstance(good, Annotation)
    assert isinstance(bad, UnusableInputError)
    assert isinstance(alone, Annotation)
    assert read_texts(pipe, []) == []
    assert isinstance(read_texts(pipe, ["..."])[0], UnusableInputError | Annotation)


@pytest.mark.slow
def test_beside_media_and_each_other(pipe: EmotionPipeline, sample_video: Path) -> None:
    expected = {text: pipe(text=text) for text in TEXTS}
    alone = pipe(sample_video)
    began, ended = threading.Event(), threading.Event()

    def hook(*_: object) -> None:
        began.set()

    def annotate() -> Annotation:
        try:
            return pipe(sample_video, hook=hook)
        finally:
            ended.set()

    with ThreadPoolExecutor(3) as pool:
        media = pool.submit(annotate)
        assert began.wait(60)
        rounds = 0
        while not ended.is_set():
            answers = pool.map(lambda text: read_texts(pipe, [text])[0], TEXTS)
            for text, found in zip(TEXTS, answers, strict=True):
                assert isinstance(found, Annotation)
                close(found, expected[text])
            rounds += 1
    assert rounds > 1, "texts waited for media"
    close(media.result(), alone)
