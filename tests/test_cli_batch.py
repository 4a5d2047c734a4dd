from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from lddu_pipe.cli import main

SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"
CUE = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"
OUTSIDE_RESULTS = (
    *("ledger.sqlite", ".lddu-pipe.lock", "summary.json", "summary.png", "index.html"),
)

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, sample_video, clip) -> Path:
    """Words, a talking face, a tone without a face, and files that are broken."""
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    for number in range(6):
        (root / "deep" / f"said{number}.srt").write_text(CUE.format(f"Number {number} is great!"))
    shutil.copy(sample_video, root / "sample.mp4")
    shutil.copy(clip, root / "tone.mp4")
    (root / "empty.mp4").touch()
    (root / "cut.mp4").write_bytes(sample_video.read_bytes()[:5000])
    return root


def batch(*arguments: object) -> list[str]:
    return [str(SCRIPT), "batch", *map(str, arguments), "--offline", "--workers", "1"]


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


def states(out: Path) -> list[tuple[str, str]]:
    database = sqlite3.connect(out / "ledger.sqlite")
    rows = database.execute("SELECT name, state FROM items ORDER BY name").fetchall()
    database.close()
    return rows


def test_a_batch_that_is_killed_ends_as_if_it_had_not_been(folder, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begun = time.monotonic()
    done = subprocess.run(
        batch(folder, "-o", whole, "-f", "json,csv"), capture_output=True, text=True, check=False
    )
    took = time.monotonic() - begun
    assert done.returncode == 1, done.stderr
    assert "empty.mp4" in done.stderr
    moments, kills = random.Random(3), 0
    while kills < 4:
        running = subprocess.Popen(
            batch(folder, "-o", killed, "-f", "json,csv"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            running.wait(moments.uniform(0.5, 1.0) * took)
            break
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
            kills += 1
        if (killed / "ledger.sqlite").exists():
            for name, state in states(killed):
                assert state != "done" or (killed / f"{name}.json").is_file()
    last = subprocess.run(
        batch(folder, "-o", killed, "-f", "json,csv"), capture_output=True, text=True, check=False
    )
    assert last.returncode == 1, last.stderr
    assert kills
    assert results(killed) == results(whole)
    assert states(killed) == states(whole)
    assert not list(killed.rglob("*.part"))


def test_ctrl_c_finishes_the_file_and_says_how_to_go_on(folder, tmp_path):
    out = tmp_path / "out"
    running = subprocess.Popen(
        batch(folder, "-o", out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not (out / "ledger.sqlite").exists():
        time.sleep(0.05)
    while time.monotonic() < limit and not any(s == "running" for _, s in states(out)):
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 130
    assert "finishing 1 file; press Ctrl-C again to give them up" in errors
    assert errors.rstrip().endswith("files are left: the same command goes on")
    counts = [state for _, state in states(out)]
    assert "running" not in counts
    assert 1 <= counts.count("done") + counts.count("failed") < len(counts)


def test_a_worker_that_is_killed_fails_only_its_file(sample_video, tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in "abcd":
        shutil.copy(sample_video, folder / f"{name}.mp4")
    running = subprocess.Popen(
        batch(folder, "-o", out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 60
    while time.monotonic() < limit and not (out / "a.json").exists():
        time.sleep(0.05)
    time.sleep(0.2)  # by now it is in the midst of the second
    victim = child_of(running.pid)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "the worker died of signal 9" in errors
    counts = [state for _, state in states(out)]
    assert (counts.count("failed"), counts.count("done")) == (1, 3)


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


def test_progress_is_quiet_in_a_pipe_and_the_summary_is_data(folder, tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(
        batch(folder, "-o", out, "--json", "--exclude", "*.mp4"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    found = json.loads(done.stdout)
    assert found == json.loads((out / "summary.json").read_text())
    assert found["files"]["done"] == 6
    assert (out / "summary.png").read_bytes().startswith(b"\x89PNG")
    assert "deep/said5.srt" in (out / "index.html").read_text()
    assert not (out / "failures.csv").exists()


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
