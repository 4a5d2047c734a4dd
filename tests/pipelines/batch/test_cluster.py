from __future__ import annotations

import contextlib
import json
import sqlite3
import subprocess
import sysconfig
import time
from pathlib import Path

import psutil
import pytest

from lddu_pipe.writers.formats import FORMATS

pytest.importorskip("ray", reason="needs the extra ray")

SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"

pytestmark = pytest.mark.slow


NAMES = ("a", "b", "deep/c", "deep/d")


@pytest.fixture(autouse=True)
def _no_niceness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's workers give way to every other process: beside two busy ones none gets anywhere."""
    monkeypatch.setenv("RAY_worker_niceness", "0")


@pytest.fixture
def folder(tmp_path) -> Path:
    """Words, of which b and deep/c have many, and a file that is broken."""
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    for name in NAMES:
        cues = (
            f"{at}\n00:{at // 60:02}:{at % 60:02},000 --> 00:{at // 60:02}:{at % 60:02},900\n"
            f"This is number {at}.\n"
            for at in range(150 if name in ("b", "deep/c") else 2)
        )
        (root / f"{name}.srt").write_text("\n".join(cues))
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


def workers(process_id: int) -> list[psutil.Process]:
    """The actors of a batch; other batches may run on this machine."""
    parents: dict[psutil.Process, int] = {}
    for child in psutil.Process(process_id).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "ray::ClusterWorker" in " ".join(child.cmdline()):
                parents[child] = child.ppid()
    # What an actor starts has the actor's name until it has become another program.
    actors = {child.pid for child in parents}
    return [child for child, parent in parents.items() if parent not in actors]


def lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_actor_that_is_killed_costs_nothing(folder, tmp_path, pipe, states):
    here, cluster = tmp_path / "here", tmp_path / "cluster"
    for name in NAMES:
        annotation = pipe(folder / f"{name}.srt")
        for chosen in ("json", "csv"):
            place = here / f"{name}{FORMATS[chosen].suffix}"
            place.parent.mkdir(parents=True, exist_ok=True)
            FORMATS[chosen].save(annotation, place)
    running = subprocess.Popen(
        command(folder, cluster, "--engine", "ray"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    limit = time.monotonic() + 120
    while (found := states(cluster)).get("a") != "done" or "running" not in found.values():
        assert time.monotonic() < limit, f"nothing is annotated: {found}"
        time.sleep(0.02)
    actors = workers(running.pid)
    assert len(actors) == 2
    actors[0].kill()
    _, errors = running.communicate(timeout=180)
    assert running.returncode == 1, errors
    assert errors == ""
    written = results(cluster)
    assert written.pop("failures.csv")
    assert written == results(here)
    found = states(cluster)
    assert found.pop("broken") == "failed"
    assert set(found.values()) == {"done"}
    limit = time.monotonic() + 30
    while any(map(lives, actors)):
        assert time.monotonic() < limit, "actors are left"
        time.sleep(0.02)


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
