from __future__ import annotations

import json
import sqlite3
import threading

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import JobStore, Upload


def sent(job_id: str) -> Upload:
    return Upload(job_id, "a.wav", "", 5, None, None, {"fps": 2.0})


@pytest.fixture
def store(tmp_path):
    store = JobStore(tmp_path / "jobs.sqlite")
    yield store
    store.close()


def test_jobs_are_taken_in_order_of_arrival(store):
    for name in ("b", "a", "c"):
        store.add(sent(name), "", most=10)
    taken = [store.take().id for _ in range(3)]
    assert taken == ["b", "a", "c"]
    assert store.take() is None


def test_a_job_comes_back_as_it_was_sent(store):
    job = store.add(sent("a"), "owner", most=10)
    assert job == store.get("a", "owner")
    assert (job.options, job.state, job.attempts) == ({"fps": 2.0}, "waiting", 0)
    assert store.get("a", "somebody else") is None


def test_no_job_is_taken_twice(store):
    for number in range(50):
        store.add(sent(str(number)), "", most=100)
    taken: list[str] = []

    def take() -> None:
        while (job := store.take()) is not None:
            taken.append(job.id)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken, key=int) == [str(number) for number in range(50)]


def test_an_owner_has_a_limit_that_others_do_not_feel(store):
    assert store.add(sent("a"), "one", most=1)
    assert store.add(sent("b"), "one", most=1) is None
    assert store.add(sent("c"), "two", most=1)
    store.take()
    store.finish("a")
    assert store.add(sent("d"), "one", most=1)


def test_pages_go_from_new_to_old(store):
    for number in range(5):
        store.add(sent(str(number)), "", most=10)
    first = store.page("", limit=2)
    assert [job.id for job in first] == ["4", "3"]
    assert [job.id for job in store.page("", before=first[-1])] == ["2", "1", "0"]
    store.take()
    assert [job.id for job in store.page("", state="running")] == ["0"]


def test_a_job_put_back_waits_as_if_it_had_not_begun(store):
    added = store.add(sent("a"), "", most=10)
    store.take()
    store.put_back("a")
    assert store.get("a", "") == added


def test_two_servers_do_not_share_a_folder(tmp_path):
    second = DataFolder(tmp_path)
    with (
        DataFolder(tmp_path).reserved(),
        pytest.raises(UnusableInputError, match="another server"),
        second.reserved(),
    ):
        pass
    with second.reserved():
        pass


def test_options_survive_the_store(store, tmp_path):
    store.add(sent("a"), "", most=10)
    with sqlite3.connect(tmp_path / "jobs.sqlite") as database:
        (text,) = database.execute("SELECT options FROM jobs").fetchone()
    assert json.loads(text) == {"fps": 2.0}
