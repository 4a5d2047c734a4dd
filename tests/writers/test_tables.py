from __future__ import annotations

import io

import numpy as np
from rich.console import Console

from lddu_pipe.diagnostics import Check
from lddu_pipe.metrics import summarise
from lddu_pipe.pipelines.compare import compare
from lddu_pipe.pipelines.evaluation import evaluate_answers, with_intervals
from lddu_pipe.writers.tables import (
    print_checks,
    print_comparison,
    print_evaluation,
    print_models,
)


def console(width=100):
    return Console(file=io.StringIO(), width=width, color_system=None, highlight=False)


def figures():
    truth = np.array([[1, 0], [0, 0], [1, 0]])
    probabilities = np.array([[0.9, 0.2], [0.6, 0.1], [0.7, 0.3]])
    values = summarise(
        truth, probabilities, probabilities > 0.5, labels=["happy", "sad"], thresholds=[0.5, 0.5]
    )
    return {
        "model": "lddu-base-en 0.1.0",
        **values,
        "modalities": {"text": 2, "audio+vision": 1},
        "skipped": [{"id": "9", "error": "gone"}],
    }


def test_evaluation_shows_every_figure():
    out, values = console(), figures()
    print_evaluation(values, out)
    lines = out.file.getvalue().splitlines()
    assert lines[:2] == [
        "lddu-base-en 0.1.0  3 rows, 1 skipped",
        "rows with text 2, audio+vision 1",
    ]
    shown = "\n".join(lines)
    for name in ("micro F1", "jaccard accuracy", "top1 accuracy", "ECE", "risk at 75", "AURC"):
        assert name in shown
    (first,) = (line.split() for line in lines if line.startswith("micro F1"))
    assert float(first[2]) == round(values["micro_f1"], 3)
    (sad,) = (line.split() for line in lines if line.startswith("sad"))
    assert "-" in sad  # no row is sad: there is no precision to rank by
    overall = [key for key, value in values.items() if isinstance(value, float)]
    assert shown.count(".") >= len(overall)


def test_an_evaluation_names_its_protocol_with_or_without_a_store():
    out = console()
    print_evaluation(figures() | {"protocol": "validation-selected"}, out)
    assert out.file.getvalue().splitlines()[1] == "protocol validation-selected"
    out = console()
    stored = {"data": "toy", "split": "test", "protocol": "paper", "synthetic": True}
    print_evaluation(figures() | stored, out)
    assert out.file.getvalue().splitlines()[1:3] == [
        "toy, test split, protocol paper",
        "synthetic data: these figures say nothing about emotion",
    ]


def test_narrow_evaluation_cuts_no_figure():
    out = console(width=60)
    print_evaluation(figures(), out)
    shown = out.file.getvalue()
    assert "…" not in shown
    (happy,) = (line.split() for line in shown.splitlines() if line.startswith("happy"))
    assert happy[1:5] == ["0.667", "1.000", "0.800", "2"]
    assert "too narrow for ECE, Brier, threshold: see --json" in shown


def test_intervals_stand_beside_figures_and_the_model_beside_base_rates(make_answers):
    answers = make_answers()
    values = with_intervals(
        evaluate_answers(answers, thresholds=np.full((120, 3), 0.5), base_rates=(0.5, 0.25, 0.1))
    )
    out = console()
    print_evaluation(values, out)
    lines = out.file.getvalue().splitlines()
    low, high = values["intervals"]["micro_f1"]
    (first,) = (line.split() for line in lines if line.startswith("micro F1"))
    assert first[3] == f"{low:.3f}\N{EN DASH}{high:.3f}"
    low, high = values["intervals"]["per_label"]["sad"]["recall"]
    _, second = (line.split() for line in lines if line.startswith("sad"))
    assert second[2] == f"{low:.3f}\N{EN DASH}{high:.3f}"
    assert "95 % intervals: 1000 draws of 12 speakers" in lines
    low, high = values["intervals"]["brier_minus_base_rates"]
    assert f"{low:.3f} to {high:.3f} apart" in " ".join(lines[-2:])
    assert not any(line.startswith("Brier of base rates") for line in lines)
    few = values | {"resampling": values["resampling"] | {"count": 4}}
    for width in (60, 100):
        out = console(width)
        print_evaluation(few, out)
        shown = out.file.getvalue()
        assert "draws of 4 speakers; so few that the intervals are too narrow" in shown
        assert "micro precision" in shown
        assert "\N{HORIZONTAL ELLIPSIS}" not in shown


def test_a_comparison_stars_what_is_hardly_chance(make_answers):
    found = compare(make_answers(skill=0.2), make_answers(skill=0.4))
    for name in ("a", "b"):
        found[name] = {"file": f"{name}.parquet", "model": "lddu 1", "protocol": "paper"}
    out = console()
    print_comparison(found, out)
    lines = out.file.getvalue().splitlines()
    assert lines[:3] == ["A  a.parquet  lddu 1, paper", "B  b.parquet  lddu 1, paper", "120 rows"]
    micro_f1 = found["figures"]["micro_f1"]
    low, high = micro_f1["interval"]
    (line,) = (line.split() for line in lines if line.startswith("micro F1"))
    assert line[2:] == [
        *(f"{micro_f1[name]:.3f}" for name in ("a", "b", "difference")),
        *(f"{low:.3f}\N{EN DASH}{high:.3f}", "*"),
    ]
    (abstained,) = (line.split() for line in lines if line.startswith("abstained"))
    assert abstained[-1] == "-"
    assert "* the interval leaves out 0" in lines


def test_models_show_state_place_and_digest_of_the_weights():
    model = {
        "name": "encoder",
        "licence": None,
        "size": 91_567_205,
        "source": "package",
        "path": "/a/[b]",
        "verified": True,
        "sha256": {"model.bin": "a" * 64, "config.json": "b" * 64},
    }
    lost = {**model, "name": "lost", "path": None, "source": None, "verified": False}
    broken = {**model, "name": "broken", "verified": False}
    out = console()
    print_models([model, lost, broken], out)
    lines = out.file.getvalue().splitlines()
    assert lines[1].split() == [*("encoder", "not", "stated", "91.6", "MB", "verified", "package")]
    assert "missing" in lines[2]
    assert "nowhere" in lines[2]
    assert "damaged" in lines[3]
    assert lines[5:7] == ["/a/[b]", f"  sha256 {'a' * 64}  model.bin"]
    assert "b" * 64 not in out.file.getvalue()


def test_checks_show_what_to_do():
    out = console(width=40)
    long = "/a/path/" * 8
    print_checks([Check("ffmpeg", True, long), Check("cache", False, "full", "Free it.")], out)
    assert out.file.getvalue().splitlines() == [
        f"ok     ffmpeg  {long}",
        "failed cache   full",
        "       Free it.",
    ]
