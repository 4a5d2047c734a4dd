"""Two models on the same rows: matched by id, told apart by the same draws."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.metrics import summarise
from lddu_pipe.pipelines.compare import compare


def test_figures_are_those_of_each_model_and_chance_is_told_from_skill(make_answers) -> None:
    weak, strong = make_answers(skill=0.3), make_answers(skill=0.45)
    found = compare(weak, strong)
    for name, answers in (("a", weak), ("b", strong)):
        expected = summarise(
            *(answers.truth, answers.probabilities, answers.decisions),
            labels=answers.labels,
            thresholds=[None] * 3,
        )
        for key, item in found["figures"].items():
            if key in expected:
                assert item[name] == expected[key]
        assert (
            found["per_label"]["sad"]["roc_auc"][name] == expected["per_label"]["sad"]["roc_auc"]
        )
    micro_f1 = found["figures"]["micro_f1"]
    assert micro_f1["difference"] == micro_f1["b"] - micro_f1["a"] > 0
    assert 0 < micro_f1["interval"][0] < micro_f1["difference"] < micro_f1["interval"][1]
    assert micro_f1["leaves_out_zero"]
    assert found["figures"]["ece"]["leaves_out_zero"] is None
    assert found["n"] == 120
    assert found["resampling"]["units"] == "speakers"
    json.dumps(found, allow_nan=False)
    same = compare(weak, replace(weak, probabilities=weak.probabilities**1.0001))["figures"]
    assert not any(item["leaves_out_zero"] for key, item in same.items() if key.endswith("f1"))


def test_rows_and_labels_in_another_order_are_the_same_rows(make_answers) -> None:
    weak, strong = make_answers(skill=0.3), make_answers(skill=0.45)
    rows, columns = np.random.default_rng(0).permutation(120), [2, 0, 1]
    shuffled = replace(
        strong,
        **{
            name: tuple(getattr(strong, name)[row] for row in rows)
            for name in ("ids", "splits", "speakers")
        },
        labels=tuple(strong.labels[column] for column in columns),
        **{
            name: getattr(strong, name)[rows][:, columns]
            for name in ("truth", "probabilities", "decisions")
        },
        abstained=strong.abstained[rows],
        uncertainty={},
    )
    assert compare(weak, shuffled) == compare(weak, strong)


def test_other_rows_labels_or_truths_are_one_line(make_answers) -> None:
    answers = make_answers(rows=3)
    flipped = answers.truth.copy()
    flipped[1:, 2] ^= True
    where = "A" if answers.truth[1, 2] else "B"
    for changes, message in [
        (
            {"ids": ("0000", "x", "y")},
            "A and B have other ids: 2 in A alone .such as '0001'., 2 in B alone .such as 'x'.",
        ),
        ({"labels": ("happy", "sad", "joy")}, "other labels: 1 in A alone .such as 'fear'."),
        (
            {"truth": flipped},
            f"other truths in 2 of 3 rows: id '0001' has 'fear' in {where} alone",
        ),
    ]:
        with pytest.raises(UnusableInputError, match=message):
            compare(answers, replace(answers, **changes))
