from __future__ import annotations

import importlib
import subprocess
import sys
import time
from multiprocessing import resource_tracker
from pathlib import Path

import pytest

from lddu_pipe.pipelines.batch.engine import LocalEngine
from lddu_pipe.pipelines.batch.inputs import Item
from lddu_pipe.pipelines.batch.work import Outcome, Plan, Task

WORK = """
import os, threading, time
from lddu_pipe.pipelines.batch.work import Outcome

def work(task):
    if task.name == "dies":
        os._exit(7)
    if task.name == "is killed":
        os.kill(os.getpid(), 9)
    if task.name == "dies after":
        threading.Timer(0.3, os._exit, (1,)).start()
    if task.name == "hangs":
        time.sleep(60)
    return Outcome(task.item.key, "done", sha256=str(os.getpid()))
"""


@pytest.fixture
def make_engine(tmp_path, monkeypatch):
    (tmp_path / "work_of_test.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("work_of_test").work
    scratch = tmp_path / "scratch"

    def make(**options):
        options = {"workers": 2, "threads": 1, "time_limit": 30.0, **options}
        plan = Plan(str(tmp_path / "out"), ("json",))
        return LocalEngine(plan, scratch=scratch, work=work, **options)

    return make


def task(name: str) -> Task:
    return Task(Item(f"/{name}", name, 1, "1"), name)


def collect(engine, count: int) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    limit = time.monotonic() + 30
    while len(found) < count and time.monotonic() < limit:
        found |= {outcome.key[1:]: outcome for outcome in engine.wait(0.1)}
    return found


def test_what_watches_the_workers_loads_none_of_their_libraries():
    """A batch starts at once, and costs the memory of its workers alone."""
    look = (
        "import sys, lddu_pipe.pipelines.batch.run, lddu_pipe.pipelines.batch.engine; "
        "print({'torch', 'cv2', 'transformers', 'faster_whisper'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True
    )
    assert found.stdout == "set()\n"


def test_a_worker_that_dies_fails_only_its_job(make_engine):
    engine = make_engine()
    names = ["a", "dies", "b", "is killed", "c"]
    for name in names:
        engine.submit(task(name))
    found = collect(engine, len(names))
    engine.close()
    assert {name: outcome.kind for name, outcome in found.items()} == {
        "a": "done", "b": "done", "c": "done", "dies": "failed", "is killed": "failed",
    }  # fmt: skip
    assert found["dies"].error == "the worker ended with exit code 7"
    assert found["is killed"].error.startswith("the worker died of signal 9 (killed, as")


@pytest.mark.slow
@pytest.mark.alone
def test_a_job_that_hangs_fails_at_its_limit_and_its_worker_is_replaced(make_engine):
    engine = make_engine(workers=1, time_limit=2.0)
    engine.submit(task("hangs"))
    engine.submit(task("a"))
    found = collect(engine, 2)
    engine.close()
    assert found["hangs"].error == "not done after 2 s, the limit; see --time-limit"
    assert found["a"].kind == "done"


def test_one_worker_does_job_after_job(make_engine):
    engine = make_engine(workers=1)
    for name in "abc":
        engine.submit(task(name))
    found = collect(engine, 3)
    engine.close()
    assert len({outcome.sha256 for outcome in found.values()}) == 1


@pytest.mark.slow
def test_abandoned_work_ends_at_once(make_engine):
    engine = make_engine()
    engine.submit(task("hangs"))
    assert engine.wait(2.0) == []
    begun = time.monotonic()
    engine.abandon()
    assert time.monotonic() - begun < 10


def test_a_worker_that_dies_between_two_jobs_fails_none(make_engine):
    engine = make_engine(workers=1)
    engine.submit(task("dies after"))
    done = collect(engine, 1)["dies after"]
    assert done.kind == "done"
    worker = Path(f"/proc/{done.sha256}")
    while worker.exists() and "Z (zombie)" not in (worker / "status").read_text():
        time.sleep(0.02)
    engine.submit(task("a"))
    assert collect(engine, 1)["a"].kind == "done"
    engine.close()


def test_workers_that_cannot_start_stop_the_batch(make_engine, monkeypatch):
    # What watches over leaks is a child, too, once a process; it is to be there before.
    resource_tracker.ensure_running()
    # Set after this process read it: its children end while they look for what they import.
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    engine = make_engine(workers=1)
    engine.submit(task("a"))
    outcome = collect(engine, 1)["a"]
    engine.close()
    assert (outcome.kind, outcome.error.split(";")[0]) == (
        "stop",
        "workers die before they begin to work",
    )
