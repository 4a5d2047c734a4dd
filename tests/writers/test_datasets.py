"""Tables of a feature store."""

from __future__ import annotations

import io

from rich.console import Console

from lddu_pipe.writers.datasets import cleaned_lines, print_store

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


def test_what_was_cleaned_is_told_a_line_a_split():
    assert cleaned_lines(FOUND["notes"]) == [
        "train: values not finite, set to 0: text 0, audio 7; "
        "rows without any modality, left out: 2"
    ]
    assert cleaned_lines({"seed": 1}) == []
