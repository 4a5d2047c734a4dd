"""Tables of a feature store."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from rich.console import Console

from lddu_pipe.writers.datasets import cleaned_lines, draw_store, print_store

FOUND = {
    "name": "toy",
    "synthetic": True,
    "aligned": True,
    "labels": ["happy", "sad"],
    "feature_sizes": {"text": 4},
    "splits": {
        "train": {
            "rows": 8,
            "prevalence": {"happy": 0.5, "sad": 0.0},
            "without_label": 0.5,
            "co_occurrence": {
                "happy": {"happy": 1.0, "sad": 0.25},
                "sad": {"happy": None, "sad": None},
            },
            "modalities": {"text": {"absent": 0.0, "steps": [1, 2.0, 3]}},
        }
    },
    "notes": {
        "cleaned": {"train": {"left_out": 2, "infinite_or_nan": {"text": 0, "audio": 7}}},
    },
}


def test_a_store_shows_lengths_labels_and_which_go_together():
    console = Console(file=io.StringIO(), width=100, color_system=None)
    print_store(FOUND, console)
    shown = console.file.getvalue()
    assert "synthetic data" in shown
    assert "1, 2, 3; 0%" in shown
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.split()}
    assert rows["happy"] == ["25%"]  # the last table with a row of that name
    assert rows["sad"] == ["-"]
    assert cleaned_lines(FOUND["notes"])[0] in shown


def with_labels(count):
    labels = [f"feeling number {at}" for at in range(count)]
    together = {one: {other: 0.01 * at for at, other in enumerate(labels)} for one in labels}
    part = FOUND["splits"]["train"] | {
        "prevalence": dict.fromkeys(labels, 0.5),
        "co_occurrence": together,
    }
    return {**FOUND, "labels": labels, "splits": {"train": part}}


def test_of_many_labels_those_are_told_that_go_together_most(tmp_path):
    console = Console(file=io.StringIO(), width=100, color_system=None)
    print_store(with_labels(28), console)
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    found = [line for line in lines if line.endswith("feeling number 27")]
    assert found[0].startswith("feeling number 0 ")
    assert " 27% " in found[0]
    assert len(found) == 10


@pytest.mark.parametrize("count", [1, 28])
def test_a_picture_has_room_for_any_number_of_labels(tmp_path, count):
    draw_store(with_labels(count), tmp_path / "store.png")
    with Image.open(tmp_path / "store.png") as picture:
        assert picture.size[1] >= 110 * 0.26 * count


def test_what_was_cleaned_is_told_a_line_a_split():
    assert cleaned_lines(FOUND["notes"]) == [
        "train: values not finite, set to 0: text 0, audio 7; "
        "rows without any modality, left out: 2"
    ]
    assert cleaned_lines({"seed": 1}) == []
