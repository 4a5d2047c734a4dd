"""Figures of a store against counts by hand."""

import json

import numpy as np
import pytest

from lddu_pipe.datasets.inspection import inspect_store
from lddu_pipe.datasets.store import StoreInfo, StoreWriter, open_store
from lddu_pipe.evidence import Example, Steps

SIZES = {"text": 2, "audio": 2, "vision": 2}


def row(index, labels, **steps):
    sequences = {
        name: Steps(np.ones((count, 2), np.float32), np.ones(count, np.bool_))
        for name, count in steps.items()
    }
    return Example.of(str(index), np.array(labels, np.float32), sequences)


@pytest.fixture
def found(tmp_path):
    info = StoreInfo("toy", ("happy", "sad", "fear"), False, SIZES, dict.fromkeys(SIZES, "x"))
    with StoreWriter(tmp_path / "store", info) as writer:
        rows = [
            row(0, [1, 1, 0], text=2, audio=7),
            row(1, [1, 0, 0], text=3),
            row(2, [0, 0, 0], text=9, audio=1),
            row(3, [0.9, 0.4, 0], text=4, audio=3),
        ]
        writer.write_rows("train", rows)
        writer.write_rows("test", rows[:1])
        writer.note("made", "by hand")
    return inspect_store(open_store(tmp_path / "store"))


def test_rows_prevalence_and_notes_are_counted(found):
    train = found["splits"]["train"]
    assert list(found["splits"]) == ["train", "test"]
    assert train["rows"] == 4
    assert train["prevalence"] == {"happy": 0.75, "sad": 0.25, "fear": 0.0}
    assert train["without_label"] == 0.25
    assert found["notes"] == {"made": "by hand"}


def test_co_occurrence_is_the_share_of_the_rows_with_the_first_label(found):
    shares = found["splits"]["train"]["co_occurrence"]
    assert shares["sad"] == {"happy": 1.0, "sad": 1.0, "fear": 0.0}
    assert shares["happy"]["sad"] == pytest.approx(1 / 3)


def test_a_label_that_never_occurs_has_no_co_occurrence(found):
    assert set(found["splits"]["train"]["co_occurrence"]["fear"].values()) == {None}


def test_lengths_are_of_the_rows_that_have_the_modality(found):
    modalities = found["splits"]["train"]["modalities"]
    assert modalities["text"] == {"absent": 0.0, "steps": [2, 3.5, 9]}
    assert modalities["audio"] == {"absent": 0.25, "steps": [1, 3.0, 7]}
    assert modalities["vision"] == {"absent": 1.0, "steps": None}


def test_the_figures_are_json_without_nan(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found
