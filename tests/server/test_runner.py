"""What the runner notes where things go wrong."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from lddu_pipe.errors import IncompatibleModelError, MissingAssetError
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import JobStore, Upload
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.runner import JobRunner


@pytest.fixture
def parts(tmp_path, annotator):
    folder = DataFolder(tmp_path)
    store = JobStore(folder.store)
    ended = []
    failed = []
    runner = JobRunner(
        store,
        folder,
        annotator,
        Limits(),
        ended=lambda job, how, seconds: ended.append((job.id, how)),
        failed=failed.append,
    )
    yield runner, store, folder, ended, failed
    annotator.gate.set()
    runner._stopping.set()
    store.close()


def add(store, folder, job_id="a", content=b"hello"):
    upload = Upload(job_id, "a.wav", "", len(content), None, None, {})
    (folder.arrive(job_id) / "media").write_bytes(content)
    folder.keep(job_id)
    return store.add(upload, "", most=10)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MissingAssetError("no weights in /home/somebody"), "the server lacks weights"),
        (IncompatibleModelError("trained on\naligned sequences"), "trained on aligned sequences"),
        (OSError(28, "No space left", "/data/x"), "could not read or write"),
        (MemoryError(), "a defect of the server"),
        (ValueError("secret"), "a defect of the server"),
    ],
)
def test_clients_are_told_nothing_of_the_machine(parts, annotator, wait_for, error, told):
    runner, store, folder, ended, _ = parts

    def fail(*arguments):
        raise error

    annotator.annotate = fail
    add(store, folder)
    runner.start()
    wait_for(lambda: ended == [("a", "failed")])
    reason = store.get("a", "").error
    assert told in reason
    assert "/" not in reason
    assert "secret" not in reason


def test_a_job_in_a_long_step_is_put_back_when_the_server_stops(parts, annotator, wait_for):
    runner, store, folder, _, _ = parts
    stuck = threading.Event()

    def hang(*arguments):
        stuck.set()
        annotator.gate.wait(10)
        raise ValueError

    annotator.annotate = hang
    add(store, folder)
    runner.start()
    assert stuck.wait(5)
    runner.stop(patience=0.1)
    job = store.get("a", "")
    assert (job.state, job.attempts) == ("waiting", 0)


def test_a_server_that_stops_does_not_wait_for_its_model(parts, annotator, wait_for):
    runner, *_ = parts
    annotator.loading = threading.Event()
    runner.start()
    assert not runner.stuck
    runner.stop(patience=1000)
    assert runner.stuck
    assert not runner.ready
    annotator.loading.set()
    wait_for(lambda: not runner.stuck)


def test_a_job_whose_result_is_there_is_not_done_again(parts, annotator, wait_for):
    runner, store, folder, _, _ = parts
    for job_id in ("a", "b"):
        add(store, folder, job_id)
        folder.save(job_id, b"{}")
    store.take()  # "a" runs, "b" waits
    runner.recover()
    assert store.counts() == {"waiting": 0, "running": 0, "done": 2, "failed": 0}


def test_a_model_that_cannot_be_loaded_is_told(parts, annotator, wait_for):
    runner, store, folder, _, failed = parts

    def load():
        raise MissingAssetError("no weights")

    annotator.load = load
    add(store, folder)
    runner.start()
    wait_for(lambda: failed)
    assert not runner.ready
    assert store.get("a", "").state == "waiting"


def test_a_queue_that_cannot_be_read_is_tried_again(
    parts, annotator, wait_for, monkeypatch, caplog
):
    runner, store, folder, ended, _ = parts
    take, calls = store.take, []

    def refuse():
        calls.append(1)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        return take()

    monkeypatch.setattr(store, "take", refuse)
    add(store, folder)
    runner.start()
    wait_for(lambda: ended == [("a", "done")])
    assert "the queue cannot be worked on: OSError" in caplog.text


def test_an_end_that_cannot_be_noted_is_noted_later(parts, annotator, wait_for, monkeypatch):
    runner, store, folder, _, _ = parts
    finish, calls = store.finish, []

    def refuse(job_id):
        calls.append(job_id)
        if len(calls) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        return finish(job_id)

    monkeypatch.setattr(store, "finish", refuse)
    add(store, folder)
    runner.start()
    wait_for(lambda: store.get("a", "").state == "done")
    assert len(annotator.done) == 1
