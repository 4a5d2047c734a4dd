"""What a small face is worth: less than a large one, and never more than was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.metrics import expected_calibration_error
from lddu_pipe.models.calibration import (
    Calibration,
    ShownRows,
    SmallFaces,
    apply_calibration,
    fit_set,
    fit_small_faces,
    sigmoid,
)
from lddu_pipe.models.scores import RawScores

FACES = SmallFaces(
    heights=(10.0, 20.0, 40.0),
    slope=((0.5, 0.4), (0.8, 0.9), (1.0, 1.0)),
    offset=((-1.0, 0.5), (-0.2, 0.1), (0.0, 0.0)),
    doubt=(2.0, 1.5, 1.0),
)


def shown_at(height: float, rows: int, seed: int) -> ShownRows:
    """Logits that fall, and tell less, the smaller the face; sigma notices nothing."""
    random = np.random.default_rng(seed)
    true_logits = random.normal(-1, 2, (rows, 2))
    truth = (random.random((rows, 2)) < sigmoid(true_logits)).astype(float)
    lost = 1 - min(height, 40.0) / 40
    seen = true_logits + random.normal(0, 0.1 + 4 * lost, truth.shape) - 3 * lost
    return ShownRows(seen, truth, random.uniform(0.1, 1, truth.shape))


def scores_of(rows: ShownRows, height: float, *, seen: bool = True) -> RawScores:
    """As the model would give them, with or without a face."""
    logits, deviation = (item.astype(np.float32) for item in (rows.logits, rows.deviation))
    count, nothing = len(logits), np.zeros((len(logits), 0), np.float32)
    return RawScores(
        *(logits, deviation, logits[:, None], np.tile([not seen, False, seen], (count, 1))),
        *(nothing, nothing, np.full(count, height, np.float32)),
    )


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    of_set = fit_set(*shown_at(40.0, 3000, 0))
    shown = {height: shown_at(height, 3000, int(height)) for height in (10.0, 20.0, 30.0)}
    faces = fit_small_faces(of_set, shown, 40.0)
    return Calibration(
        {"vision": of_set, "text": of_set}, (0.3, 0.3), small_faces={"vision": faces}
    )


@pytest.mark.parametrize("height", [8.0, 10.0, 14.0, 20.0, 25.0, 30.0])
def test_probabilities_of_small_faces_mean_what_they_say(
    calibration: Calibration, height: float
) -> None:
    rows = shown_at(max(height, 10.0), 4000, 99)
    raw = scores_of(rows, height)
    found = apply_calibration(raw, calibration)
    blind = apply_calibration(raw, replace(calibration, small_faces={}))
    error, before = (
        expected_calibration_error(rows.truth, item.probabilities).mean()
        for item in (found, blind)
    )
    assert error < 0.05 < before
    misses = np.abs(rows.truth - found.probabilities).mean()
    assert found.aleatoric.mean() == pytest.approx(misses, abs=0.03)
    assert found.aleatoric.mean() > blind.aleatoric.mean() + 0.03
    sureness = [np.abs(item.probabilities - 0.5).mean() for item in (found, blind)]
    assert sureness[0] < sureness[1]


def test_no_likely_emotion_is_more_probable_because_its_face_is_small(
    calibration: Calibration,
) -> None:
    raised = SmallFaces((10.0, 40.0), ((1.0,) * 2,) * 2, ((1.0,) * 2, (0.0,) * 2), (1.0, 1.0))
    raw = scores_of(shown_at(40.0, 500, 3), 10.0)
    found = apply_calibration(raw, replace(calibration, small_faces={"vision": raised}))
    blind = apply_calibration(raw, replace(calibration, small_faces={}))
    likely = blind.probabilities >= 0.5
    np.testing.assert_array_equal(found.probabilities[likely], blind.probabilities[likely])
    assert (found.probabilities[~likely] > blind.probabilities[~likely]).all()
    assert found.probabilities[~likely].max() == 0.5


@pytest.mark.parametrize("height", [40.0, 200.0, np.nan])
def test_large_faces_and_those_of_unknown_height_are_judged_as_ever(
    calibration: Calibration, height: float
) -> None:
    raw = scores_of(shown_at(40.0, 50, 1), height)
    found = apply_calibration(raw, calibration)
    blind = apply_calibration(raw, replace(calibration, small_faces={}))
    for name, values in vars(found).items():
        np.testing.assert_array_equal(values, getattr(blind, name), err_msg=name)


def test_a_set_without_faces_does_not_ask_for_their_height(calibration: Calibration) -> None:
    rows = shown_at(40.0, 50, 1)
    of_text = (apply_calibration(scores_of(rows, h, seen=False), calibration) for h in (9.0, 90.0))
    np.testing.assert_array_equal(*(found.probabilities for found in of_text))


def test_lines_join_the_heights_that_were_measured() -> None:
    logits = np.array([[2.0, -2.0]] * 4)
    moved = FACES.logits(logits, np.array([5.0, 10.0, 30.0, np.nan]))
    np.testing.assert_allclose(moved, [[0, -0.3], [0, -0.3], [1.7, -1.85], [2, -2]])
    passes = FACES.logits(np.repeat(logits[:, None], 3, axis=1), np.array([5.0, 10, 30, np.nan]))
    np.testing.assert_array_equal(passes, np.repeat(moved[:, None], 3, axis=1))
    assert FACES.doubt_at(np.array([5.0, 15.0, 99.0])).tolist() == [2.0, 1.75, 1.0]


def test_what_is_saved_is_what_is_loaded(calibration: Calibration, tmp_path: Path) -> None:
    calibration.save(tmp_path)
    assert Calibration.load(tmp_path) == calibration
    replace(calibration, small_faces={}).save(tmp_path)
    assert "small_faces" not in (tmp_path / "calibration.json").read_text()
    assert not Calibration.load(tmp_path).small_faces


@pytest.mark.parametrize(
    "change",
    [
        {"heights": (20.0, 10.0, 40.0)},
        {"heights": ()},
        {"offset": ((0.0, 0.0),)},
        {"doubt": (1.0,)},
        {"offset": ((0.0, 0.0), (0.0, 0.0), (0.1, 0.0))},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"height|doubt|offset"):
        replace(FACES, **change)
