"""Synthetic data: reproducible, shaped like the published files, and worth a sequence model."""

import numpy as np
import pytest

from lddu_pipe.datasets.official import import_official
from lddu_pipe.datasets.store import open_store
from lddu_pipe.datasets.synthetic import FEATURE_SIZES, PREVALENCE, synthesize
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import M3ED, MOSEI
from lddu_pipe.types import MODALITIES

SMALL = {"train": 6, "valid": 2, "test": 3}


def made(folder, kind="mosei", sizes=SMALL, **options):
    synthesize(kind, sizes, folder, **options)
    return open_store(folder)


@pytest.mark.parametrize(("kind", "labels"), [("mosei", MOSEI), ("m3ed", M3ED)])
def test_sizes_are_those_of_the_data_set_and_the_store_says_synthetic(tmp_path, kind, labels):
    store = made(tmp_path / "s", kind)
    assert store.info.synthetic
    assert store.info.labels == labels.labels
    assert store.info.rows == SMALL
    assert store.info.feature_sizes == FEATURE_SIZES[kind]
    assert len({store.split("train").lengths(name).tobytes() for name in MODALITIES}) == 1


def test_unaligned_sound_and_pictures_have_more_steps_than_words(tmp_path):
    store = made(tmp_path / "s", aligned=False)
    split = store.split("train")
    assert not store.info.aligned
    assert 8 <= split.lengths("text").min() <= split.lengths("text").max() <= 50
    assert (split.lengths("audio") > split.lengths("text")).all()
    assert split.lengths("audio").max() <= 500


def test_one_seed_gives_the_same_data_and_another_other_data(tmp_path):
    first, again, other = (
        made(tmp_path / name, seed=seed).split("train")[0].sequences["text"].values
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


@pytest.mark.parametrize("aligned", [True, False])
def test_the_published_layout_is_imported_like_the_real_one(tmp_path, aligned):
    options = {"seed": 1, "aligned": aligned}
    store = made(tmp_path / "direct", **options)
    synthesize("mosei", SMALL, tmp_path / "a.pkl", official=True, **options)
    import_official(tmp_path / "a.pkl", tmp_path / "own", "mosei")
    import_official(tmp_path / "a.pkl", tmp_path / "table", "mosei", labels=tmp_path / "a.csv")
    for name in ("own", "table"):
        found = open_store(tmp_path / name)
        assert found.info.synthetic
        assert found.info.aligned == aligned
        assert found.info.rows == SMALL
        for split in SMALL:
            np.testing.assert_array_equal(found.split(split).labels, store.split(split).labels)
            for row, direct in zip(found.split(split), store.split(split), strict=True):
                assert (row.id, row.utterance.text) == (direct.id, direct.utterance.text)
                for modality, steps in direct.sequences.items():
                    same = row.sequences[modality].values == steps.values
                    # Only the infinite values that the published file has, too, are gone.
                    assert (row.sequences[modality].values[~same] == 0).all()
                    assert same.mean() > 0.99


def test_a_pickle_that_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "a.pkl").write_text("mine")
    with pytest.raises(UnusableInputError, match="exists"):
        synthesize("mosei", SMALL, tmp_path / "a.pkl", official=True)
    assert (tmp_path / "a.pkl").read_text() == "mine"


def test_labels_of_somebody_else_beside_the_pickle_are_not_overwritten(tmp_path):
    (tmp_path / "a.csv").write_text("mine")
    for name in ("a.pkl", "b.csv"):
        with pytest.raises(UnusableInputError):
            synthesize("mosei", SMALL, tmp_path / name, official=True)
    assert (tmp_path / "a.csv").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic") / "s"
    return made(folder, sizes={"train": 900, "valid": 1, "test": 300})


def test_labels_are_about_as_frequent_as_in_the_data_set(large):
    found = large.split("train").labels.mean(axis=0)
    expected = [PREVALENCE["mosei"][label] for label in MOSEI]
    # Four standard errors of a share in 900 rows, and the wrong labels on top.
    np.testing.assert_allclose(found, expected, atol=4 * np.sqrt(0.25 / 900) + 0.03)


def micro_f1(truth, decided):
    both = (truth & decided).sum()
    return 2 * both / (truth.sum() + decided.sum())


def test_pooled_features_beat_chance_and_leave_room_for_a_sequence_model(large):
    linear = pytest.importorskip("sklearn.linear_model")

    def pooled(split):
        rows = large.split(split)
        means = [
            np.concatenate([row.sequences[name].values.mean(axis=0) for name in MODALITIES])
            for row in rows
        ]
        return np.stack(means), rows.labels >= 0.5

    (values, truth), (unseen, wanted) = pooled("train"), pooled("test")
    middle, spread = values.mean(axis=0), values.std(axis=0)
    scores = np.stack(
        [
            linear.LogisticRegression(C=1e-3)
            .fit((values - middle) / spread, truth[:, label])
            .predict_proba((unseen - middle) / spread)[:, 1]
            for label in range(len(MOSEI))
        ],
        axis=1,
    )
    # Thresholds chosen on the test rows: both figures are the best that can be had.
    thresholds = np.linspace(0.05, 0.9, 35)
    reached = max(micro_f1(wanted, scores >= threshold) for threshold in thresholds)
    constant = np.broadcast_to(truth.mean(axis=0), wanted.shape)
    chance = max(micro_f1(wanted, constant >= threshold) for threshold in thresholds)
    assert chance + 0.08 < reached < 0.8
