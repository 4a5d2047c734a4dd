from __future__ import annotations

import sqlite3

import pytest

from lddu_pipe.pipelines.batch.ledger import Ledger

FACTS = {"key": "/x/a.mp4", "name": "a", "source": "x/a.mp4", "size": 3, "version": "1"}
FACTS["transcript"] = None
DONE = {"config": "c", "sha256": "s", "outputs": ["a.json"], "statistics": {}, "seconds": 1.5}


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as opened:
        opened.add([FACTS])
        yield opened


def test_an_item_goes_from_waiting_to_done(ledger, tmp_path):
    key = FACTS["key"]
    assert ledger.entry(key).state == "waiting"
    ledger.start(key)
    assert (ledger.entry(key).state, ledger.entry(key).attempts) == ("running", 1)
    ledger.finish(key, **DONE)
    with Ledger(tmp_path / "ledger.sqlite") as again:  # what is committed, another process reads
        entry = again.entry(key)
    assert (entry.state, entry.outputs, entry.seconds) == ("done", ("a.json",), 1.5)
    assert entry.started <= entry.finished


def test_a_failure_takes_the_word_for_its_results_back(ledger):
    key = FACTS["key"]
    ledger.finish(key, **DONE)
    ledger.fail(key, config="c", error="cut off", seconds=0.1)
    entry = ledger.entry(key)
    assert (entry.state, entry.error, entry.outputs) == ("failed", "cut off", ())
    ledger.add([{**FACTS, "version": "2"}])
    assert (ledger.entry(key).state, ledger.entry(key).error) == ("waiting", None)


def test_two_items_cannot_share_a_name(ledger):
    with pytest.raises(sqlite3.IntegrityError):
        ledger.add([{**FACTS, "key": "/x/A.mp4", "name": "A"}])


def test_configurations_are_remembered(ledger):
    ledger.describe("c", {"fps": 10.0})
    assert ledger.description("c") == {"fps": 10.0}
    assert ledger.description("unknown") == {}
