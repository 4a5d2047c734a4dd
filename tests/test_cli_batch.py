from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lddu_pipe.cli import main

SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"
CUE = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"
OUTSIDE_RESULTS = (
    *("ledger.sqlite", ".lddu-pipe.lock", "summary.json", "summary.png", "index.html"),
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("batch")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sample_video, clip, run_ffmpeg) -> Path:
    """Words, a talking face, a tone without a face, and files that are broken."""
    root = tmp_path_factory.mktemp("batch") / "in"
    (root / "deep").mkdir(parents=True)
    for number in range(6):
        (root / "deep" / f"said{number}.srt").write_text(CUE.format(f"Number {number} is great!"))
    # Three seconds hold a face and a sentence.
    run_ffmpeg("-i", sample_video, "-t", "3", "-c", "copy", root / "sample.mp4")
    shutil.copy(clip, root / "tone.mp4")
    (root / "empty.mp4").touch()
    (root / "cut.mp4").write_bytes(sample_video.read_bytes()[:5000])
    return root


@pytest.fixture(scope="module")
def whole(folder) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The output of a batch that nobody disturbs, and what it printed."""
    out = folder.parent / "whole"
    done = subprocess.run(
        batch(folder, "-o", out, "-f", "json,csv", "--json"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return out, done


def batch(*arguments: object) -> list[str]:
    return [str(SCRIPT), "batch", *map(str, arguments), "--offline", "--workers", "1"]


def start(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        batch(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def results(out: Path) -> dict[str, object]:
    """What was written, but for the time when."""
    found: dict[str, object] = {}
    for path in sorted(out.rglob("*")):
        if path.is_file() and path.name not in OUTSIDE_RESULTS:
            content = path.read_bytes()
            if path.suffix == ".json":
                values = json.loads(content)
                del values["provenance"]["created"]
                content = json.dumps(values).encode()
            found[path.relative_to(out).as_posix()] = content
    return found


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def test_a_batch_that_is_killed_ends_as_if_it_had_not_been(folder, whole, tmp_path, states):
    killed = tmp_path / "killed"

    def ended() -> int:
        return sum(state in ("done", "failed") for state in states(killed).values())

    for count in (2, 6):
        running = start(folder, "-o", killed, "-f", "json,csv")
        until(lambda count=count: ended() >= count and "running" in states(killed).values())
        running.kill()
        running.communicate()
        assert ended() < 10
        for name, state in states(killed).items():
            assert state != "done" or (killed / f"{name}.json").is_file()
    last = start(folder, "-o", killed, "-f", "json,csv")
    _, errors = last.communicate()
    assert last.returncode == 1, errors
    assert results(killed) == results(whole[0])
    assert states(killed) == states(whole[0])
    assert not list(killed.rglob("*.part"))


def test_ctrl_c_finishes_the_file_and_says_how_to_go_on(folder, tmp_path, states):
    out = tmp_path / "out"
    running = start(folder, "-o", out)
    until(lambda: "running" in states(out).values())
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "finishing 1 file; press Ctrl-C again to give them up" in errors
    assert errors.rstrip().endswith("files are left: the same command goes on")
    counts = list(states(out).values())
    assert "running" not in counts
    assert 1 <= counts.count("done") + counts.count("failed") < len(counts)


def test_a_worker_that_is_killed_fails_only_its_file(folder, tmp_path, states):
    out = tmp_path / "out"
    shutil.copytree(folder, tmp_path / "in", ignore=shutil.ignore_patterns("cut*", "empty*"))
    running = start(tmp_path / "in", "-o", out)
    until(lambda: states(out).get("sample") == "running")
    victim = child_of(running.pid)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "the worker died of signal 9" in errors
    found = states(out)
    assert found.pop("sample") == "failed"
    assert set(found.values()) == {"done"}


def child_of(parent: int) -> int | None:
    """The worker of a batch: its child that is no tracker of resources."""
    for task in Path("/proc").glob("[0-9]*"):
        try:
            stat = (task / "stat").read_text().rpartition(")")[2].split()
            words = (task / "cmdline").read_text()
        except OSError:
            continue
        if int(stat[1]) == parent and "spawn_main" in words:
            return int(task.name)
    return None


def test_progress_is_quiet_in_a_pipe_and_the_summary_is_data(whole):
    out, done = whole
    said = [line for line in done.stderr.splitlines() if line]
    assert sorted(Path(line.split()[1]).name for line in said) == ["cut.mp4", "empty.mp4"]
    assert all(line.startswith("failed ") for line in said)
    found = json.loads(done.stdout)
    assert found == json.loads((out / "summary.json").read_text())
    assert (found["files"]["done"], found["files"]["failed"]) == (8, 2)
    assert (out / "summary.png").read_bytes().startswith(b"\x89PNG")
    assert "deep/said5.srt" in (out / "index.html").read_text()
    assert (out / "failures.csv").is_file()


def test_a_dry_run_does_nothing_and_says_why(folder, tmp_path):
    out = tmp_path / "out"
    arguments = ["batch", str(folder), "-o", str(out), "--dry-run", "--limit", "2"]
    result = CliRunner().invoke(main, arguments, standalone_mode=False)
    assert result.exception is None
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["new", "new"]
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-folder", "-o", "out"], "no-such-folder: there is no such file or folder"),
        (["{folder}", "-o", "{file}"], "cannot be written to: "),
        (["{folder}", "-o", "out", "-f", "docx"], "'docx' is not a format"),
        (["{folder}"], "Missing option '-o'"),
        (["{folder}", "-o", "out", "--model", "none"], "no model 'none'"),
        (["gs2://bucket", "-o", "out"], "gs2://bucket"),
    ],
)
def test_wrong_use_is_one_line(folder, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    places = {"folder": str(folder), "file": str(tmp_path / "file")}
    result = CliRunner().invoke(main, ["batch", *(word.format(**places) for word in arguments)])
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_remote_output_needs_a_place_for_its_ledger(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = CliRunner().invoke(main, ["batch", str(folder), "-o", "memory://out", "-q"])
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert f"{tmp_path / 'file'}/" in result.stderr
    assert "set XDG_CACHE_HOME" in result.stderr
