"""Corrections on the disk: added, undone, never changed."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from lddu_pipe.review.identities import ConflictError
from lddu_pipe.review.matching import Anchor
from lddu_pipe.review.store import (
    CorrectionStore,
    Snapshot,
    Verdict,
)

ANCHOR = Anchor("0001", "Ach, schön \U0001f642", 0, "Eva", 1.25, 2.5)
MODEL = Snapshot("lddu", "1", {"happy": "present"}, {"happy": 0.8}, {"happy": 0.8})


def add(store, *labels, replaces=None, subject="s", owner="", media="m", item="i", **verdict):
    return store.add(
        subject,
        Verdict(labels, **verdict),
        ANCHOR,
        MODEL,
        owner=owner,
        media=media,
        item=item,
        name="talk.mp4",
        replaces=replaces,
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "corrections.sqlite"


@pytest.fixture
def store(path):
    with CorrectionStore(path) as store:
        yield store


def test_what_is_added_is_there_after_the_file_was_closed(path):
    with CorrectionStore(path) as store:
        verdict = Verdict(("happy",), 1.0, 2.75, "seems \u201cjoking\u201d\nto me", "Zoë")
        made = store.add(
            *("s", verdict, ANCHOR, MODEL),
            **{"owner": "o", "media": "m", "item": "i", "name": "n", "replaces": None},
        )
        unsure = store.add(
            *("t", Verdict(None), ANCHOR, MODEL),
            **{"owner": "o", "media": "m", "item": "i", "name": "n", "replaces": None},
        )
        none = add(store, subject="u", owner="o")
    with CorrectionStore(path) as store:
        assert store.in_force("o") == [made, unsure, none]
    assert (made.verdict, made.anchor, made.model) == (verdict, ANCHOR, MODEL)
    assert unsure.verdict.labels is None
    assert none.verdict.labels == ()


def test_undoing_walks_back_and_nothing_is_lost(store):
    first = add(store, "happy")
    second = add(store, "sad", replaces=first.number)
    third = add(store, "anger", replaces=second.number)
    assert store.in_force() == [third]
    assert store.undo(third.number, "") == second
    assert store.undo(second.number, "") == first
    assert store.undo(first.number, "") is None
    assert store.in_force() == []
    history = store.history("", "m", "i")
    assert [item.verdict.labels for item in history] == [("happy",), ("sad",), ("anger",)]
    assert all(item.undone for item in history)
    again = add(store, "happy", replaces=None)
    assert store.in_force() == [again]
    assert store.undo(again.number, "") is None


def test_only_what_is_in_force_can_be_undone_and_by_its_owner(store):
    first = add(store, "happy", owner="o")
    second = add(store, "sad", owner="o", replaces=first.number)
    for number, owner in ((first.number, "o"), (second.number, "other"), (99, "o")):
        with pytest.raises(ConflictError, match="not in force"):
            store.undo(number, owner)
    store.undo(second.number, "o")
    with pytest.raises(ConflictError):
        store.undo(second.number, "o")
    assert store.in_force("o") == [first]


def test_who_did_not_see_what_is_in_force_is_told_so(store):
    first = add(store, "happy", reviewer="Ada")
    with pytest.raises(ConflictError, match="Ada was here first"):
        add(store, "sad", replaces=None)
    second = add(store, "sad", replaces=first.number)
    with pytest.raises(ConflictError, match="somebody else"):
        add(store, "anger", replaces=first.number)
    store.undo(second.number, "")
    with pytest.raises(ConflictError):
        add(store, "anger", replaces=second.number)
    with pytest.raises(ConflictError):
        add(store, "anger", subject="t", replaces=first.number)
    assert store.in_force() == [first]


def test_of_two_threads_that_write_at_once_one_is_told(store):
    def write(label):
        try:
            return add(store, label)
        except ConflictError as error:
            return error

    for turn in range(20):
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(write, ("happy", "sad")))
        made = [item for item in found if not isinstance(item, ConflictError)]
        assert len(made) == 1, turn
        store.undo(made[0].number, "")


def write_many(path, name):
    """Correct 25 utterances once somebody says so; print how many were not taken before."""
    with CorrectionStore(Path(path)) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        won = 0
        for subject in range(25):
            with suppress(ConflictError):
                add(store, name, subject=str(subject), reviewer=name)
                won += 1
    print(won)


# Where the package is installed, other processes cannot import the tests by name.
RUN_THIS_FILE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("this_file", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.write_many(*sys.argv[2:])
"""


def test_of_two_processes_that_write_at_once_one_is_told(path):
    """Neither waits in vain, neither overwrites the other."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", RUN_THIS_FILE, __file__, path, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("happy", "sad")
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    won = [int(worker.communicate(timeout=60)[0]) for worker in workers]
    assert sum(won) == 25
    with CorrectionStore(path) as store:
        assert len(store.in_force()) == len(store.history("", "m", "i")) == 25


def test_owners_do_not_see_each_other(store):
    mine, theirs = add(store, "happy", owner="a"), add(store, "sad", subject="t", owner="b")
    assert store.in_force("a") == [mine]
    assert store.history("b", "m", "i") == [theirs]
    assert store.in_force() == [mine, theirs]
    assert store.delete("a", "m") == 1
    assert store.in_force() == [theirs]


def test_the_history_of_an_annotation_spans_its_media(store):
    before = add(store, "happy", media="old", item="i")
    elsewhere = add(store, "sad", subject="t", media="m", item="other")
    add(store, "sad", subject="u", media="x", item="y")
    assert store.history("", "m", "i") == [before, elsewhere]
