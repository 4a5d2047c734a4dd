"""Rows of several splits as one."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np

from lddu_pipe.datasets.selection import Selection
from lddu_pipe.datasets.store import StoreInfo, StoreWriter, open_store
from lddu_pipe.evidence import Example, Steps

SIZES = {"text": 3, "audio": 2, "vision": 2}


def row(index: int, **more: str) -> Example:
    steps = Steps(np.full((1 + index, 3), index, np.float32), np.ones(1 + index, np.bool_))
    labels = np.array([index % 2, 1], np.float32)
    return Example.of(f"r{index}", labels, {"text": steps}, **more)


def test_rows_are_those_of_the_splits_one_after_the_other(tmp_path: Path) -> None:
    info = StoreInfo("few", ("a", "b"), False, SIZES, dict.fromkeys(SIZES, "x"))
    rows = [row(0, speaker="Ann"), row(1), row(2, group="cut"), row(3, speaker="Ann")]
    with StoreWriter(tmp_path / "store", info) as writer:
        writer.write_rows("train", rows[:2])
        writer.write_rows("valid", rows[2:])
    store = open_store(tmp_path / "store")
    everything = Selection([store.split("train"), store.split("valid")])
    assert everything.groups == ["Ann", "row r1", "cut", "Ann"]
    some = everything.at(np.array([True, True, False, True]))
    some = pickle.loads(pickle.dumps(some.at(np.array([False, True, True]))))
    assert [some[index].id for index in range(len(some))] == ["r1", "r3"]
    assert some.groups == ["row r1", "Ann"]
    assert some.lengths("text").tolist() == [2, 4]
    assert np.array_equal(some.labels, [rows[1].labels, rows[3].labels])
    assert np.array_equal(some[1].sequences["text"].values, rows[3].sequences["text"].values)
