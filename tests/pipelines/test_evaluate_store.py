"""What evaluation does with each part of a calibration, under each protocol."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from lddu_pipe.datasets.store import StoreInfo
from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.labels import MOSEI
from lddu_pipe.models.calibration import Calibration, SetCalibration, fit_set, sigmoid
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.pipelines.evaluate_store import (
    PAPER_THRESHOLD,
    check_fit,
    evaluate_scores,
)
from lddu_pipe.pipelines.evaluation import Evaluation
from lddu_pipe.training.scoring import LabelledScores
from lddu_pipe.types import MODALITIES

ROWS = 400


@pytest.fixture(scope="module")
def raw() -> LabelledScores:
    random = np.random.default_rng(0)
    logits = random.normal(-1, 2, (ROWS, 6)).astype(np.float32)
    labels = (random.random((ROWS, 6)) < sigmoid(logits)).astype(np.float32)
    present = np.tile([True, False, False], (ROWS, 1))
    sampled, no_scales = np.stack([logits, logits + 1], axis=1), np.zeros((ROWS, 0), np.float32)
    unknown = np.full(ROWS, np.nan, np.float32)
    arrays = (logits, np.abs(logits), sampled, present, no_scales, no_scales, unknown)
    return LabelledScores(*arrays, labels=labels, scales=no_scales)


@pytest.fixture(scope="module")
def of_set(raw: LabelledScores) -> SetCalibration:
    return fit_set(raw.logits, raw.labels, raw.deviation)


def evaluated(
    raw: LabelledScores, of_set: SetCalibration, protocol: str = "validation-selected"
) -> Evaluation:
    checkpoint = SimpleNamespace(
        config=SimpleNamespace(name="lddu", version="1", labels=MOSEI.labels, scales=[]),
        calibration=Calibration({"text": of_set}, (0.5,) * 6),
    )
    sizes = dict.fromkeys(MODALITIES, 1)
    info = StoreInfo("toy", MOSEI.labels, False, sizes, dict.fromkeys(MODALITIES, "x"))
    ids = tuple(map(str, range(ROWS)))
    rows = SimpleNamespace(info=info, ids=ids, speakers=(None,) * ROWS)
    return evaluate_scores(checkpoint, rows, "test", raw, protocol)


def test_a_label_that_is_never_to_be_decided_is_not_at_probability_1_either(
    raw: LabelledScores, of_set: SetCalibration
) -> None:
    certain = replace(raw, logits=np.full_like(raw.logits, 1e4))
    found = evaluated(certain, replace(of_set, threshold=(1.0,) * 6))
    assert (found.answers.probabilities == 1).all()
    assert not found.answers.decisions.any()


def test_the_paper_protocol_knows_one_threshold_and_no_calibration(
    raw: LabelledScores, of_set: SetCalibration
) -> None:
    careful = replace(of_set, abstain_above=0.1, coverage=0.9, conformal_threshold=0.8)
    found = evaluated(raw, careful, "paper")
    assert found.figures["protocol"] == "paper"
    np.testing.assert_allclose(found.answers.probabilities, sigmoid(raw.logits))
    assert (found.answers.decisions == (sigmoid(raw.logits) >= PAPER_THRESHOLD)).all()
    assert found.figures["abstained"] == 0
    assert found.figures["risk_of_answered"] == pytest.approx(found.figures["hamming_loss"])
    assert "label_set_coverage" not in found.figures


def test_abstention_and_label_sets_are_judged_on_the_rows(
    raw: LabelledScores, of_set: SetCalibration
) -> None:
    careful = replace(of_set, abstain_above=0.1, coverage=0.9, conformal_threshold=0.8)
    found = evaluated(raw, careful)
    figures, truth = found.figures, found.answers.truth
    silent = careful.abstains(found.answers.probabilities)
    assert 0 < figures["abstained"] == silent.mean() < 1
    wrong = (found.answers.decisions != truth)[~silent].mean()
    assert figures["risk_of_answered"] == pytest.approx(wrong)
    assert figures["risk_of_answered"] < figures["hamming_loss"]
    members = 1 - found.answers.probabilities <= 0.8
    assert figures["label_set_coverage"] == (members | ~truth).all(axis=1).mean()
    assert figures["label_set_size"] == members.sum(axis=1).mean()
    plain = evaluated(raw, replace(of_set, abstain_above=-1.0)).figures
    assert (plain["abstained"], plain["risk_of_answered"]) == (1.0, None)
    assert "label_set_size" not in plain


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("happy", "sad")}, "knows the labels .*; store has happy, sad"),
        ({"labels": MOSEI.labels[::-1]}, "knows the labels"),
        (
            {"fingerprints": {"text": "y", "audio": "x", "vision": "x"}},
            "text features x .*holds y",
        ),
        ({"feature_sizes": {"text": 1, "audio": 2, "vision": 1}}, "audio features x of size 1"),
        ({"aligned": True}, "trained on unaligned sequences; store is aligned"),
    ],
)
def test_features_or_labels_of_another_recipe_are_refused_in_one_line(changes, message) -> None:
    sizes, marks = dict.fromkeys(MODALITIES, 1), dict.fromkeys(MODALITIES, "x")
    checkpoint = SimpleNamespace(config=LDDUConfig(feature_sizes=sizes, fingerprints=marks))
    info = StoreInfo("toy", MOSEI.labels, False, sizes, marks)
    check_fit(checkpoint, SimpleNamespace(info=info, folder="store"))
    with pytest.raises(IncompatibleModelError, match=message) as caught:
        check_fit(checkpoint, SimpleNamespace(info=replace(info, **changes), folder="store"))
    assert "\n" not in str(caught.value)
