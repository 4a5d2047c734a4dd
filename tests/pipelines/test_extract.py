"""From labelled recordings to a store, to a model that annotates recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe import EmotionPipeline, PipelineSettings
from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import IncompatibleModelError, UnusableInputError
from lddu_pipe.pipelines import extract as extraction
from lddu_pipe.pipelines.extract import choose_labels, extract_manifest, split_of
from lddu_pipe.pipelines.train import train
from lddu_pipe.training.settings import read_settings
from lddu_pipe.types import MODALITIES

WORDS = {
    "happy": "I am so happy, this is wonderful news",
    "sad": "I miss her, I cried all night long",
    "anger": "I hate him, he shouted at me again",
    "surprise": "Wow, I did not expect that at all",
    "disgust": "That is disgusting, it makes me sick",
    "fear": "I am terrified, someone is in the house",
}


def write_manifest(path: Path, rows: list[dict]) -> list[ManifestRow]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_manifest(path)


def quiet(stage: str, share: float) -> None:
    pass


def extract(pipe: EmotionPipeline, rows: list[ManifestRow], output: Path) -> list[dict[str, str]]:
    return extract_manifest(
        pipe.extractors, pipe.settings, rows, output, name="lab", progress=quiet
    )


def texts(count: int, split: str) -> list[dict]:
    labels = list(WORDS)
    return [
        {
            "id": f"{split}-{index}",
            "text": f"{WORDS[labels[index % 6]]}, number {index}",
            "labels": [labels[index % 6]],
            "split": split,
        }
        for index in range(count)
    ]


@pytest.mark.slow
def test_a_lab_trains_on_its_recordings_and_annotates_with_the_model(
    pipe: EmotionPipeline, sample_video: Path, tmp_path: Path
) -> None:
    recording = {"id": "v", "video": str(sample_video), "start": 0.0, "end": 3.0, "split": "train"}
    rows = [{**recording, "text": "I am so happy to be here", "labels": ["happy"]}]
    rows += texts(60, "train") + texts(54, "dev")
    store_folder, run_folder = tmp_path / "store", tmp_path / "run"
    manifest = write_manifest(tmp_path / "rows.jsonl", rows)
    assert (
        extract_manifest(
            pipe.extractors, pipe.settings, manifest, store_folder, name="lab", progress=quiet
        )
        == []
    )
    store = open_store(store_folder)
    assert store.splits == ("train", "valid")
    first = store.split("train")[0]
    assert set(first.sequences) == set(MODALITIES)
    assert len(first.sequences["vision"].values) == pytest.approx(30, abs=2)  # 3 s at 10 fps
    assert store.info.fingerprints == pipe.checkpoint.config.fingerprints
    small = ["epochs=2", "model.hidden_size=16", "model.latent_size=8", "model.attention_heads=4"]
    places = [f"data={store_folder}", f"output={run_folder}", "device=cpu"]
    assert train(read_settings("mosei-unaligned", [*places, *small]), quiet) is not None
    annotation = EmotionPipeline.from_pretrained(run_folder, device="cpu", offline=True)(
        sample_video
    )
    assert annotation.model.name == "lddu-mosei-unaligned"
    assert annotation.utterances[0].missing == {}
    # The default model's features are the same, so it can be compared on the same store.
    with pytest.raises(IncompatibleModelError, match="trained on unaligned"):
        EmotionPipeline.from_pretrained(
            run_folder, device="cpu", offline=True, settings=PipelineSettings(aligned=True)
        )


@pytest.mark.slow
def test_aligned_extraction_gives_every_modality_a_step_a_word(
    sample_video: Path, tmp_path: Path
) -> None:
    pipe = EmotionPipeline.from_pretrained(
        device="cpu", offline=True, settings=PipelineSettings(aligned=True)
    )
    row = {"video": str(sample_video), "text": "I am so happy to be here", "labels": ["happy"]}
    manifest = write_manifest(tmp_path / "rows.jsonl", [{**row, "end": 3.0, "split": "train"}])
    extract_manifest(
        pipe.extractors, pipe.settings, manifest, tmp_path / "store", name="lab", progress=quiet
    )
    store = open_store(tmp_path / "store")
    assert store.info.aligned
    lengths = {len(s.values) for s in store.split("train")[0].sequences.values()}
    assert lengths == {7}


def test_interrupted_extraction_goes_on_where_it_was(
    pipe: EmotionPipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "ROWS_AT_ONCE", 4)
    manifest = write_manifest(tmp_path / "rows.jsonl", texts(12, "train"))
    original, seen = extraction.samples_of_rows, []

    def interrupted(extractors, settings, rows, tell):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(rows[0].id)
        return original(extractors, settings, rows, tell)

    monkeypatch.setattr(extraction, "samples_of_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        extract_manifest(
            pipe.extractors,
            pipe.settings,
            manifest,
            tmp_path / "store",
            name="lab",
            progress=quiet,
        )
    assert not (tmp_path / "store").exists()
    again: list[str] = []

    def counted(extractors, settings, rows, tell):
        again.append(rows[0].id)
        return original(extractors, settings, rows, tell)

    monkeypatch.setattr(extraction, "samples_of_rows", counted)
    extract_manifest(
        pipe.extractors, pipe.settings, manifest, tmp_path / "store", name="lab", progress=quiet
    )
    assert (seen, again) == (["train-0", "train-4"], ["train-8"])
    assert [row.id for row in open_store(tmp_path / "store").split("train")] == [
        f"train-{index}" for index in range(12)
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl", "store"]


def test_rows_that_cannot_be_used_are_left_out_and_named(
    pipe: EmotionPipeline, tmp_path: Path, write_wav: Callable[..., Path]
) -> None:
    write_wav(tmp_path / "silence.wav", np.zeros(16_000, np.float32))
    (tmp_path / "broken.wav").write_bytes(b"RIFF nothing")
    rows = [
        {"id": "broken", "audio": "broken.wav", "labels": ["fear"]},
        {"id": "silent", "audio": "silence.wav", "labels": ["sad"]},
        *texts(1, "train"),
        {"id": "few", "text": "so happy", "labels": ["happy"], "split": "train", "damage": 0.5},
        {"id": "rare", "text": "so sad", "labels": ["sad"], "split": "train", "weight": 3},
    ]
    manifest = write_manifest(tmp_path / "rows.jsonl", rows)
    skipped = extract_manifest(
        pipe.extractors, pipe.settings, manifest, tmp_path / "store", name="lab", progress=quiet
    )
    assert [row["id"] for row in skipped] == ["broken", "silent"]
    assert "audio: silence" in skipped[1]["error"]
    store = open_store(tmp_path / "store")
    assert store.info.notes["skipped"] == skipped
    found = [(row.weight, row.damage) for row in store.split("train")]
    assert found == [(1.0, 0.0), (1.0, 0.5), (3.0, 0.0)]
    only = write_manifest(tmp_path / "only.jsonl", rows[:1])
    with pytest.raises(UnusableInputError, match="none of the 1 rows"):
        extract_manifest(
            pipe.extractors, pipe.settings, only, tmp_path / "other", name="lab", progress=quiet
        )
    assert not (tmp_path / "other").exists()


def test_splits_keep_speakers_apart_and_are_roughly_the_stated_shares() -> None:
    rows = [
        ManifestRow(str(index), "here", text="a", speaker=f"speaker {index % 300}")
        for index in range(3000)
    ]
    splits = [split_of(row) for row in rows]
    by_speaker = {row.speaker: split for row, split in zip(rows, splits, strict=True)}
    assert all(by_speaker[row.speaker] == split for row, split in zip(rows, splits, strict=True))
    assert splits.count("train") / 3000 == pytest.approx(0.70, abs=0.08)
    assert splits.count("test") / 3000 == pytest.approx(0.15, abs=0.06)
    assert split_of(ManifestRow("1", "here", text="a", split="Dev")) == "valid"
    with pytest.raises(UnusableInputError, match="here: split 'holdout' is none of"):
        split_of(ManifestRow("1", "here", text="a", split="holdout"))


def test_label_sets_are_recognised() -> None:
    def rows(*labels: str) -> list[ManifestRow]:
        return [ManifestRow("1", "here", text="a", labels=dict.fromkeys(labels, 1.0))]

    assert choose_labels(rows("fear", "sad")).name == "mosei"
    assert choose_labels(rows("fear", "neutral")).name == "m3ed"
    assert choose_labels(rows("bored", "awe")).labels == ("awe", "bored")
    with pytest.raises(UnusableInputError, match="no row of the manifest has a label"):
        choose_labels(rows())
