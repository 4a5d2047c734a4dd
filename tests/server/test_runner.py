"""What the worker notes where things go wrong."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from lddu_pipe.errors import IncompatibleModelError, MissingAssetError
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import JobStore, Upload
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.runner import Worker


@pytest.fixture
def parts(tmp_path, engine):
    folder = DataFolder(tmp_path)
    store = JobStore(folder.store)
    ended = []
    failed = []
    worker = Worker(
        store,
        folder,
        engine,
        Limits(),
        ended=lambda job, how, seconds: ended.append((job.id, how)),
        failed=failed.append,
    )
    yield worker, store, folder, ended, failed
    engine.gate.set()
    worker._stopping.set()
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
def test_clients_are_told_nothing_of_the_machine(parts, engine, wait_for, error, told):
    worker, store, folder, ended, _ = parts

    def fail(*arguments):
        raise error

    engine.annotate = fail
    add(store, folder)
    worker.start()
    wait_for(lambda: ended == [("a", "failed")])
    reason = store.get("a", "").error
    assert told in reason
    assert "/" not in reason
    assert "secret" not in reason


def test_a_job_in_a_long_step_is_put_back_when_the_server_stops(parts, engine, wait_for):
    worker, store, folder, _, _ = parts
    stuck = threading.Event()

    def hang(*arguments):
        stuck.set()
        engine.gate.wait(10)
        raise ValueError

    engine.annotate = hang
    add(store, folder)
    worker.start()
    assert stuck.wait(5)
    worker.stop(patience=0.1)
    job = store.get("a", "")
    assert (job.state, job.attempts) == ("waiting", 0)


def test_a_server_that_stops_does_not_wait_for_its_model(parts, engine, wait_for):
    worker, *_ = parts
    engine.loading = threading.Event()
    worker.start()
    assert not worker.stuck
    worker.stop(patience=1000)
    assert worker.stuck
    assert not worker.ready
    engine.loading.set()
    wait_for(lambda: not worker.stuck)


def test_a_job_whose_result_is_there_is_not_done_again(parts, engine, wait_for):
    worker, store, folder, _, _ = parts
    for job_id in ("a", "b"):
        add(store, folder, job_id)
        folder.save(job_id, b"{}")
    store.take()  # "a" runs, "b" waits
    worker.recover()
    assert store.counts() == {"waiting": 0, "running": 0, "done": 2, "failed": 0}


def test_a_model_that_cannot_be_loaded_is_told(parts, engine, wait_for):
    worker, store, folder, _, failed = parts

    def load():
        raise MissingAssetError("no weights")

    engine.load = load
    add(store, folder)
    worker.start()
    wait_for(lambda: failed)
    assert not worker.ready
    assert store.get("a", "").state == "waiting"


def test_a_queue_that_cannot_be_read_is_tried_again(parts, engine, wait_for, monkeypatch, caplog):
    worker, store, folder, ended, _ = parts
    take, calls = store.take, []

    def refuse():
        calls.append(1)
        if len(calls) == 1:
            raise OSError(28, "No space left on device")
        return take()

    monkeypatch.setattr(store, "take", refuse)
    add(store, folder)
    worker.start()
    wait_for(lambda: ended == [("a", "done")])
    assert "the queue cannot be worked on: OSError" in caplog.text


def test_an_end_that_cannot_be_noted_is_noted_later(parts, engine, wait_for, monkeypatch):
    worker, store, folder, _, _ = parts
    finish, calls = store.finish, []

    def refuse(job_id):
        calls.append(job_id)
        if len(calls) == 1:
            raise sqlite3.OperationalError("database or disk is full")
        return finish(job_id)

    monkeypatch.setattr(store, "finish", refuse)
    add(store, folder)
    worker.start()
    wait_for(lambda: store.get("a", "").state == "done")
    assert len(engine.done) == 1
