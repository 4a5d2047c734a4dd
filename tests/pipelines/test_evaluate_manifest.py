"""Evaluating rows of a manifest through the whole pipeline, with the model that ships."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lddu_pipe import EmotionPipeline, PipelineSettings
from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.pipelines.evaluate_manifest import evaluate_manifest
from lddu_pipe.pipelines.rows import samples_of_rows

HAPPY = "I am so happy to see you, this is wonderful news"
WriteRows = Callable[[Sequence[Mapping[str, Any]]], list[ManifestRow]]


@pytest.fixture
def write_rows(tmp_path: Path) -> WriteRows:
    def write(rows: Sequence[Mapping[str, Any]]) -> list[ManifestRow]:
        manifest = tmp_path / "rows.jsonl"
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return read_manifest(manifest)

    return write


@pytest.fixture
def face(tmp_path: Path, sample_video: Path, run_ffmpeg: Callable[..., None]) -> Path:
    path = tmp_path / "face.png"
    run_ffmpeg("-i", sample_video, "-frames:v", "1", path)
    return path


def test_figures_are_whole_and_the_same_twice(
    pipe: EmotionPipeline, write_rows: WriteRows
) -> None:
    rows = write_rows(
        [
            {"text": HAPPY, "labels": ["happy"], "speaker": "Ana"},
            {
                "text": "He shouted at me and I hate him",
                "labels": {"anger": 0.9, "disgust": 0.2},
                "split": "dev",
            },
            {"text": "The table is made of wood.", "labels": []},
        ]
    )
    found = evaluate_manifest(pipe, rows)
    figures = found.figures
    needed = {"n", "micro_f1", "macro_f1", "jaccard_accuracy", "top1_accuracy", "per_label"}
    assert needed | {"ece", "brier", "aurc"} <= figures.keys()
    assert (figures["n"], figures["modalities"]) == (3, {"text": 3})
    assert figures["top1_accuracy"] == 1.0
    assert evaluate_manifest(pipe, rows).figures == figures
    answers = found.answers
    assert (answers.ids, answers.speakers) == (("1", "2", "3"), ("Ana", None, None))
    assert answers.splits == (None, "dev", None)
    assert answers.present is not None
    assert answers.present.tolist() == [[True, False, False]] * 3
    assert answers.truth.sum(axis=1).tolist() == [1, 1, 0]
    assert figures["brier_of_base_rates"] > figures["brier"]
    json.dumps(figures, allow_nan=False)


def test_rows_that_cannot_be_used_are_listed_and_nothing_else_is_said(
    pipe: EmotionPipeline, write_rows: WriteRows, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    rows = write_rows(
        [
            {"id": "good", "text": HAPPY, "labels": ["happy"]},
            {"id": "bad", "audio": "broken.wav", "labels": ["happy"]},
        ]
    )
    with caplog.at_level(logging.WARNING, "lddu_pipe"):
        figures = evaluate_manifest(pipe, rows).figures
    assert figures["n"] == 1
    assert [row["id"] for row in figures["skipped"]] == ["bad"]
    assert "broken.wav" in figures["skipped"][0]["error"]
    assert not caplog.records  # the caller has the list: the command prints a line for each


def test_blank_text_beside_another_modality_is_no_text(
    pipe: EmotionPipeline, write_rows: WriteRows, face: Path
) -> None:
    rows = write_rows([{"image": face.name, "text": " ", "labels": ["happy"]}])
    figures = evaluate_manifest(pipe, rows).figures
    assert figures["modalities"] == {"vision": 1}


def test_a_still_is_there_at_every_word_of_an_aligned_row(
    write_rows: WriteRows, face: Path
) -> None:
    aligned = EmotionPipeline.from_pretrained(
        device="cpu", offline=True, settings=PipelineSettings(aligned=True)
    )
    rows = write_rows([{"image": face.name, "text": HAPPY, "labels": ["happy"]}])
    (sample,) = samples_of_rows(
        aligned.extractors, aligned.settings, rows, lambda stage, share: None
    )
    assert not isinstance(sample, str)
    vision = sample.sequences["vision"]
    assert len(vision) == len(HAPPY.split())
    assert np.all(vision.valid)
