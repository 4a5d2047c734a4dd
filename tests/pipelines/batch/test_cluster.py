from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra ray")

SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path, sample_video) -> Path:
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    for name in ("a", "b", "deep/c", "deep/d", "e"):
        shutil.copy(sample_video, root / f"{name}.mp4")
    (root / "broken.mp4").write_bytes(b"nothing to see")
    return root


def command(folder: Path, out: Path, *options: str) -> list[str]:
    words = ["batch", str(folder), "-o", str(out), "-f", "json,csv", "--workers", "2", "-q"]
    return [str(SCRIPT), *words, "--offline", *options]


def results(out: Path) -> dict[str, bytes]:
    """What was written about each file, but for the time when."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.suffix in (".json", ".csv") and path.name != "summary.json":
            content = path.read_bytes()
            if path.suffix == ".json":
                values = json.loads(content)
                del values["provenance"]["created"]
                content = json.dumps(values).encode()
            found[path.relative_to(out).as_posix()] = content
    return found


def workers() -> list[int]:
    found = []
    for task in Path("/proc").glob("[0-9]*"):
        try:
            if "ray::ClusterWorker" in (task / "cmdline").read_text():
                found.append(int(task.name))
        except OSError:
            continue
    return found


def test_an_actor_that_is_killed_costs_nothing(folder, tmp_path):
    here, cluster = tmp_path / "here", tmp_path / "cluster"
    subprocess.run(command(folder, here), capture_output=True, check=False)
    before = set(workers())
    running = subprocess.Popen(
        command(folder, cluster, "--engine", "ray"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 120
    while time.monotonic() < limit and not list(cluster.rglob("*.csv")):
        time.sleep(0.05)
    time.sleep(0.2)  # by now its actors are in the midst of others
    killed = set(workers()) - before
    assert len(killed) == 2
    os.kill(killed.pop(), signal.SIGKILL)
    _, errors = running.communicate(timeout=180)
    assert running.returncode == 1, errors
    assert errors == ""
    assert results(cluster) == results(here)
    database = sqlite3.connect(cluster / "ledger.sqlite")
    states = dict(database.execute("SELECT name, state FROM items").fetchall())
    database.close()
    assert states.pop("broken") == "failed"
    assert set(states.values()) == {"done"}
    assert not set(workers()) - before


def test_what_takes_too_long_fails_and_the_rest_is_done(folder, tmp_path):
    out = tmp_path / "out"
    done = subprocess.run(
        # No model is loaded within a second, so every file but the broken one is too much.
        command(folder, out, "--engine", "ray", "--time-limit", "1", "--limit", "2"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    database = sqlite3.connect(out / "ledger.sqlite")
    errors = [error for (error,) in database.execute("SELECT error FROM items")]
    database.close()
    assert errors == ["not done after 1 s, the limit; see --time-limit"] * 2


def test_a_cluster_that_is_not_there_is_one_line(folder, tmp_path):
    done = subprocess.run(
        command(folder, tmp_path / "out", "--engine", "ray", "--address", "127.0.0.1:9"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("lddu-pipe: error: no Ray cluster at 127.0.0.1:9")
    assert len(done.stderr.splitlines()) == 1
