"""Which rows teach and which judge: folds, and what is refused before anything is learned."""

from __future__ import annotations

import numpy as np
import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.plan import FOLDS, LabelledRows, plan_training, share_out

LABELS = ("happy", "sad", "fear")


def rows(count: int, *, speakers: int | None = None, seed: int = 0) -> LabelledRows:
    labels = np.eye(3)[np.random.default_rng(seed).permutation(np.arange(count) % 3)]
    names = [f"row {seed} {n}" if speakers is None else f"{n % speakers}" for n in range(count)]
    return LabelledRows(labels, names)


def test_a_valid_split_judges_from_50_rows_on() -> None:
    plan = plan_training(LABELS, {"train": rows(30), "valid": rows(50, seed=1)}, seed=0)
    assert (plan.folds, plan.rows, plan.valid) == (None, 30, 50)
    fewer = plan_training(LABELS, {"train": rows(30), "valid": rows(49, seed=1)}, seed=0)
    assert fewer.folds is not None
    assert (fewer.rows, len(fewer.folds)) == (79, 79)
    assert fewer.describe().startswith("valid has 49 of the 50 rows that a calibration needs;")


def test_without_a_valid_split_all_rows_are_cross_fitted() -> None:
    plan = plan_training(LABELS, {"train": rows(60, speakers=12), "test": rows(9)}, seed=0)
    assert plan.folds is not None
    assert plan.describe().startswith("no valid split of the 50 rows")
    assert "5 trainings" in plan.describe()
    assert "all 60 rows (12 speakers or recordings, each kept together)" in plan.describe()


def test_speakers_stay_together_and_rare_labels_are_spread() -> None:
    labels = np.zeros((100, 3))
    labels[:90, 0] = 1
    labels[[5, 15, 25, 35, 45], 2] = 1  # one in each of five of the ten speakers
    speakers = [str(index // 10) for index in range(100)]
    folds = share_out(labels, speakers, seed=3)
    assert all(len(set(folds[10 * n : 10 * n + 10])) == 1 for n in range(10))
    assert np.bincount(folds).tolist() == [20] * FOLDS
    assert np.bincount(folds, labels[:, 2]).tolist() == [1] * FOLDS
    assert np.array_equal(folds, share_out(labels, speakers, seed=3))


def test_of_one_speaker_rows_are_shared_out_and_three_speakers_are_three_folds() -> None:
    few = rows(30, speakers=1)
    assert set(share_out(few.labels, few.groups, seed=0)) == set(range(FOLDS))
    few = rows(30, speakers=3)
    assert set(share_out(few.labels, few.groups, seed=0)) == {0, 1, 2}
    many_labels = np.repeat(np.eye(10), 2, axis=0)  # each rarer than there are folds
    assert set(share_out(many_labels, [str(n) for n in range(20)], seed=0)) == set(range(FOLDS))


def test_a_speaker_with_nearly_all_rows_is_as_good_as_one_speaker() -> None:
    few = rows(30)
    speakers = ["a"] * 29 + ["b"]
    assert np.bincount(share_out(few.labels, speakers, seed=0)).tolist() == [6] * FOLDS
    plan = plan_training(LABELS, {"train": LabelledRows(few.labels, speakers)}, seed=0)
    assert "nearly all of one speaker" in plan.describe()


def without(label: int, keep: int, count: int = 60) -> LabelledRows:
    found = rows(count)
    gone = np.flatnonzero(found.labels[:, label])[keep:]
    found.labels[gone, label] = 0
    return found


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"train": rows(19)}, "train and valid have 19 rows together of the 20"),
        ({"train": rows(1), "valid": rows(18)}, "have 19 rows together"),
        ({"test": rows(99)}, "have 0 rows together"),
        (
            {"train": without(2, 0)},
            r"'fear' is never present in train and valid.* \(extract --labels happy,sad\)",
        ),
        ({"train": without(2, 1)}, "'fear' is present in 1 row of train and valid, at least 2"),
        ({"train": without(2, 0), "valid": rows(50)}, "'fear' is never present in train,"),
    ],
)
def test_what_cannot_be_learned_is_one_line(splits, message: str) -> None:
    with pytest.raises(UnusableInputError, match=message):
        plan_training(LABELS, splits, seed=0)
