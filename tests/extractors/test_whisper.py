"""Recognisers by name and folder: found, refused in one line, never asked of strangers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lddu_pipe.errors import IncompatibleModelError, MissingAssetError
from lddu_pipe.extractors import whisper
from lddu_pipe.extractors.whisper import FILES, find_whisper, load_whisper, weights_of_whisper


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for file in (*FILES, "vocabulary.txt"):
        (tmp_path / file).write_text("{}")
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []

    def download(name: str, *, local_files_only: bool) -> str:
        found.append((name, local_files_only))
        return str(folder)

    monkeypatch.setattr(whisper, "download_model", download)
    return found


def test_a_folder_is_taken_and_known_by_its_content(folder: Path) -> None:
    assert find_whisper(str(folder), offline=True) == folder
    assert set(weights_of_whisper(folder)) == {*FILES, "vocabulary.txt"}
    before = weights_of_whisper(folder)
    (folder / "vocabulary.txt").write_text("other")
    assert weights_of_whisper(folder) != before


@pytest.mark.parametrize("offline", [True, False])
def test_a_size_is_one_of_faster_whispers_own(
    asked: list[tuple[str, bool]], folder: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert find_whisper("small.en", offline=offline) == folder
    assert asked == [("small.en", offline)]


@pytest.mark.parametrize("name", ["", "huge", "models/mine", "/nowhere", "user/model"])
def test_nothing_else_is_asked_of_the_hub(
    name: str,
    asked: list[tuple[str, bool]],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises((MissingAssetError, IncompatibleModelError)):
        find_whisper(name, offline=False)
    assert asked == []


def test_what_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise OSError("no route\nto host")

    monkeypatch.setattr(whisper, "download_model", fail)
    with pytest.raises(MissingAssetError, match=r"small\.en.* \(no route\)$"):
        find_whisper("small.en", offline=False)


@pytest.mark.parametrize(
    "use",
    [
        lambda folder: find_whisper(str(folder), offline=True),
        lambda folder: load_whisper(folder, "cpu"),
    ],
)
def test_a_folder_without_a_whisper_is_one_line(
    use: Callable[[Path], Any], tmp_path: Path
) -> None:
    (tmp_path / "model.bin").write_bytes(b"none")
    with pytest.raises(IncompatibleModelError) as caught:
        use(tmp_path)
    assert "\n" not in str(caught.value)
