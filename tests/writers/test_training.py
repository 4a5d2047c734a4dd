"""Tables of runs, seeds and ablations say what was measured, on which split, by which protocol."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lddu_pipe.writers.training import print_ablations, print_run, print_seeds

KEYS = ("micro_f1", "macro_f1", "jaccard_accuracy", "ece", "aurc")
PROTOCOLS = ("validation-selected", "paper")


def shown(write, *arguments):
    console = Console(file=io.StringIO(), width=120, color_system=None)
    write(*arguments, console)
    return console.file.getvalue()


def summary(*, synthetic, seeds=(1, 2)):
    spread = 0.125 if len(seeds) > 1 else None
    figures = {key: {"mean": 0.5, "std": spread} for key in KEYS}
    return {
        "seeds": list(seeds),
        "synthetic": synthetic,
        "test": dict.fromkeys(PROTOCOLS, figures),
    }


def test_a_run_names_split_protocol_and_model():
    figures = dict.fromkeys(KEYS, 0.5) | {"n": 9, "synthetic": True}
    text = shown(print_run, {"test": dict.fromkeys(PROTOCOLS, figures)}, "run")
    for word in ("test", *PROTOCOLS, "model: run/model", "synthetic data"):
        assert word in text


@pytest.mark.parametrize("synthetic", [True, False])
def test_seeds_show_spread_and_whether_the_data_are_made_up(synthetic):
    text = shown(print_seeds, summary(synthetic=synthetic))
    assert "0.500 \N{PLUS-MINUS SIGN} 0.125" in text
    assert "over seeds 1, 2" in text
    assert all(name in text for name in PROTOCOLS)
    assert ("synthetic data" in text) == synthetic


@pytest.mark.parametrize("synthetic", [True, False])
def test_ablations_name_split_protocol_seeds_and_whether_the_data_are_made_up(synthetic):
    results = dict.fromkeys(("full", "no gate"), summary(synthetic=synthetic))
    text = shown(print_ablations, results)
    assert "test split, protocol validation-selected, mean" in text
    assert "over seeds 1, 2" in text
    assert ("synthetic data" in text) == synthetic
    assert "seed 3" in shown(print_ablations, {"full": summary(synthetic=synthetic, seeds=(3,))})
