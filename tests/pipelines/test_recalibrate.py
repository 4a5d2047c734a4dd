"""A model calibrated anew on other rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe import EmotionPipeline
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.metrics import expected_calibration_error
from lddu_pipe.models.calibration import SmallFaces, Target, sigmoid
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.pipelines.recalibrate import recalibrate
from lddu_pipe.training.scoring import LabelledScores


def text_scores(rows: int, seed: int) -> LabelledScores:
    """Logits of text alone whose probabilities are too high by a shift of 1.5."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 1.5, (rows, 6)).astype(np.float32)
    labels = (random.random((rows, 6)) < sigmoid(logits - 1.5)).astype(np.float32)
    present = np.tile([True, False, False], (rows, 1))
    nothing = np.zeros((rows, 0, 6), np.float32)
    no_scales = np.zeros((rows, 0), np.float32)
    unknown = np.full(rows, np.nan, np.float32)
    arrays = (logits, np.abs(logits), nothing, present, no_scales, no_scales, unknown)
    return LabelledScores(*arrays, labels=labels, scales=no_scales)


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("lddu-base-en")


def calibrate(checkpoint, raw: LabelledScores, output: Path, **changes):
    options = {"method": "platt", "target": Target(), "risk": None, "coverage": None} | changes
    return recalibrate(checkpoint, raw, output, **options)


def test_the_sets_that_the_rows_have_are_calibrated_and_the_others_kept(
    checkpoint, tmp_path: Path
) -> None:
    report = calibrate(checkpoint, text_scores(600, 0), tmp_path / "new")
    assert set(report) == {"text"}
    new = load_checkpoint(tmp_path / "new")
    assert new.weights == checkpoint.weights
    for name, before in checkpoint.calibration.sets.items():
        assert (new.calibration.sets[name] == before) == (name != "text")
    fresh = text_scores(2000, 1)
    errors = [
        expected_calibration_error(
            fresh.labels, item.calibration.sets["text"].probabilities(fresh.logits)
        ).mean()
        for item in (checkpoint, new)
    ]
    assert errors[1] < 0.04 < errors[0]


def test_label_sets_reach_predictions_and_the_json(checkpoint, tmp_path: Path) -> None:
    calibrate(checkpoint, text_scores(600, 0), tmp_path / "sets", coverage=0.9)
    pipe = EmotionPipeline.from_pretrained(tmp_path / "sets", device="cpu", offline=True)
    annotation = pipe(text="I am so happy to see you, this is wonderful news")
    assert "happy" in annotation.utterances[0].label_set
    content = annotation.to_dict()
    assert content["schema_version"] == "2.1"
    assert content["utterances"][0]["label_set"] == list(annotation.utterances[0].label_set)
    plain = EmotionPipeline.from_pretrained(device="cpu", offline=True)(text="I am happy")
    assert "label_set" not in plain.to_dict()["utterances"][0]


def test_a_risk_is_kept_on_rows_that_were_not_used(checkpoint, tmp_path: Path) -> None:
    report = calibrate(checkpoint, text_scores(1500, 0), tmp_path / "careful", risk=0.08)
    assert 0 < report["text"]["answered"] < 1
    of_set = load_checkpoint(tmp_path / "careful").calibration.sets["text"]
    fresh = text_scores(4000, 2)
    probabilities = of_set.probabilities(fresh.logits)
    answered = ~of_set.abstains(probabilities)
    wrong = of_set.decide(probabilities)[answered] != (fresh.labels[answered] >= 0.5)
    assert wrong.mean() < 0.09


def test_rows_of_small_faces_are_calibrated_as_if_these_were_large(
    checkpoint, tmp_path: Path
) -> None:
    # Any set will do: what a face is worth is kept by set.
    halved = SmallFaces((10.0, 40.0), ((0.5,) * 6, (1.0,) * 6), ((0.0,) * 6,) * 2, (1.0, 1.0))
    knowing = replace(
        checkpoint, calibration=replace(checkpoint.calibration, small_faces={"text": halved})
    )
    large = text_scores(600, 0)
    small = replace(large, logits=2 * large.logits, height=np.full(600, 10, np.float32))
    found = []
    for name, raw in (("large", large), ("small", small)):
        calibrate(knowing, raw, tmp_path / name)
        found.append(load_checkpoint(tmp_path / name).calibration)
    assert found[0] == found[1]
    assert found[1].small_faces == {"text": halved}
    assert found[1].sets["text"] != checkpoint.calibration.sets["text"]


def test_what_cannot_be_done_is_one_line_and_leaves_nothing(checkpoint, tmp_path: Path) -> None:
    with pytest.raises(UnusableInputError, match="50"):
        calibrate(checkpoint, text_scores(10, 0), tmp_path / "few")
    few_of_each = text_scores(60, 0)
    few_of_each.present[30:] = [False, True, False]
    with pytest.raises(UnusableInputError, match=r"50 rows .*: text 30, audio 30"):
        calibrate(checkpoint, few_of_each, tmp_path / "few")
    with pytest.raises(UnusableInputError, match="risk"):
        calibrate(checkpoint, text_scores(200, 0), tmp_path / "strict", risk=0.0001)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "file").touch()
    with pytest.raises(UnusableInputError, match="not empty"):
        calibrate(checkpoint, text_scores(200, 0), taken)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_the_checkpoint_given_stays_as_it_is(checkpoint, tmp_path: Path) -> None:
    before = replace(checkpoint)
    calibrate(checkpoint, text_scores(100, 0), tmp_path / "new")
    assert checkpoint == before
