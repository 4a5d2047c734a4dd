from __future__ import annotations

import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.writers.predictions import SCHEMA, read_predictions, to_table, write_predictions


def assert_same(found, expected):
    for field in fields(expected):
        one, other = getattr(found, field.name), getattr(expected, field.name)
        if isinstance(one, np.ndarray):
            assert np.array_equal(one, other), field.name
        elif isinstance(one, dict):
            assert one.keys() == other.keys()
            assert all(np.array_equal(one[name], other[name]) for name in one)
        else:
            assert one == other, field.name


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("known", [True, False])
def test_what_was_written_is_read_to_the_last_digit(make_answers, tmp_path, ending, known):
    unknown = {"uncertainty": {}, "present": None, "splits": (None,) * 120}
    answers = make_answers(speakers=12 if known else None, **({} if known else unknown))
    path = tmp_path / f"predictions.{ending}"
    write_predictions(answers, path)
    assert_same(read_predictions(path), answers)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_pandas_finds_a_row_an_utterance_and_label(make_answers, tmp_path):
    answers = make_answers()
    write_predictions(answers, tmp_path / "p.parquet")
    table = pd.read_parquet(tmp_path / "p.parquet")
    assert list(table.columns) == SCHEMA.names
    assert len(table) == 120 * 3
    first = table.iloc[0].to_dict()
    assert first == {
        "model": "made-up 0.4",
        "protocol": "validation-selected",
        "id": "0000",
        "split": "test",
        "speaker": "speaker 0",
        "has_text": True,
        "has_audio": False,
        "has_vision": True,
        "abstained": answers.abstained[0],
        "label": "happy",
        "truth": answers.truth[0, 0],
        "probability": answers.probabilities[0, 0],
        "decision": answers.decisions[0, 0],
        "aleatoric": answers.uncertainty["aleatoric"][0, 0],
        "epistemic": answers.uncertainty["epistemic"][0, 0],
    }
    wide = table.pivot(index="id", columns="label", values="probability")[[*answers.labels]]
    np.testing.assert_array_equal(wide.to_numpy(), answers.probabilities)
    write_predictions(answers, tmp_path / "p.jsonl")
    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    assert json.loads(lines[0]) == first


def test_names_that_are_no_text_are_escaped(make_answers):
    answers = make_answers(rows=1, ids=("caf\udce9",))
    assert to_table(answers)["id"][0].as_py() == r"caf\udce9"


def test_a_table_of_ones_own_needs_five_columns_in_any_order(tmp_path):
    path = tmp_path / "mine.jsonl"
    rows = [("b", "sad", 0.9), ("a", "happy", 0.1), ("b", "happy", 0.2), ("a", "sad", 0.7)]
    path.write_text(
        "".join(
            json.dumps(
                {"id": i, "label": name, "truth": False, "probability": p, "decision": p > 0.5}
            )
            + "\n"
            for i, name, p in rows
        )
    )
    found = read_predictions(path)
    assert (found.model, found.ids, found.labels) == ("mine", ("b", "a"), ("sad", "happy"))
    assert found.probabilities.tolist() == [[0.9, 0.2], [0.7, 0.1]]
    assert (found.speakers, found.present, found.uncertainty) == ((None, None), None, {})
    assert not found.abstained.any()


LINE = {"id": "a", "label": "sad", "truth": True, "probability": 0.5, "decision": True}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "Empty JSON file"),
        (["{"], "JSON parse error"),
        ([LINE | {"id": 7}], "from string to number"),
        ([{"id": "a", "label": "sad"}], "truth is missing"),
        ([LINE | {"probability": 1.5}], "probability of sad in a is 1.5; it lies in 0..1"),
        ([LINE, LINE], "id 'a' has the label 'sad' twice"),
        ([LINE, LINE | {"id": "b", "label": "happy"}], "id 'a' lacks the label 'happy'"),
        (
            [LINE | {"model": "x"}, LINE | {"id": "b", "model": "y"}],
            "model is 'x' and 'y'; a file holds one",
        ),
    ],
)
def test_what_is_no_such_table_is_one_line(tmp_path, lines, message):
    path = tmp_path / "broken.jsonl"
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(line + "\n" for line in text))
    with pytest.raises(UnusableInputError, match=message) as caught:
        read_predictions(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_files_of_another_kind_are_one_line(make_answers, tmp_path):
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    for name, message in [("other", "no column 'label'"), ("text", "cannot read")]:
        with pytest.raises(UnusableInputError, match=message):
            read_predictions(tmp_path / f"{name}.parquet")
    for path, message in [
        (tmp_path / "scores.csv", "end in one of"),
        (tmp_path / "nowhere" / "scores.jsonl", "cannot write"),
    ]:
        with pytest.raises(UnusableInputError, match=message):
            write_predictions(make_answers(), path)


@pytest.mark.parametrize(
    ("truth", "taken"), [([1, 0], True), ([1.0, 0.0], True), ([0.3, 0.0], False), ([2, 0], False)]
)
def test_shares_of_a_label_are_no_truth(tmp_path, truth, taken):
    path = tmp_path / "mine.parquet"
    table = {"id": ["a", "b"], "label": "sad", "truth": truth, "probability": 0.5, "decision": 1}
    pd.DataFrame(table).to_parquet(path)
    if taken:
        assert read_predictions(path).truth.tolist() == [[True], [False]]
    else:
        with pytest.raises(UnusableInputError, match="truth is neither 0 nor 1 in some rows"):
            read_predictions(path)
