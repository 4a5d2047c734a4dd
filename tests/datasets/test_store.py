"""Feature stores: what is written comes back, and a damaged store says so."""

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from lddu_pipe.datasets import store as store_module
from lddu_pipe.datasets.selection import Selection
from lddu_pipe.datasets.store import STORE_FILE, StoreInfo, StoreWriter, open_store
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Example, Steps

SIZES = {"text": 4, "audio": 3, "vision": 2}
INFO = StoreInfo(
    name="small",
    labels=("happy", "sad"),
    aligned=False,
    feature_sizes=SIZES,
    fingerprints={name: f"test:{name}" for name in SIZES},
)


def row(index, present=tuple(SIZES)):
    random = np.random.default_rng(index)
    sequences = {}
    for name in present:
        steps = int(random.integers(1, 6))
        valid = random.random(steps) < 0.6
        valid[-1] = True
        values = random.normal(size=(steps, SIZES[name])).astype(np.float32)
        sequences[name] = Steps(values, valid)
    labels = random.random(2).astype(np.float32)
    return Example.of(f"row-{index}", labels, sequences, f"línea {index}\u2028…", "Ann")


ROWS = [row(0), row(1, ("text",)), row(2, ("audio", "vision")), row(3)]


@pytest.fixture
def folder(tmp_path):
    with StoreWriter(tmp_path / "store", INFO) as writer:
        writer.write_rows("train", ROWS)
        writer.write_rows("test", ROWS[:1])
        writer.note("cleaned", {"audio": 3})
    return tmp_path / "store"


def same(found, written):
    assert found.utterance == written.utterance
    np.testing.assert_array_equal(found.labels, written.labels)
    assert list(found.sequences) == list(written.sequences)
    for name, steps in written.sequences.items():
        np.testing.assert_array_equal(found.sequences[name].values, steps.values)
        np.testing.assert_array_equal(found.sequences[name].valid, steps.valid)
        assert found.sequences[name].values.dtype == np.float32


def test_rows_come_back_as_they_were_written(folder):
    store = open_store(folder)
    assert store.splits == ("train", "test")
    assert store.info.rows == {"train": 4, "test": 1}
    assert store.info.notes == {"cleaned": {"audio": 3}}
    assert store.info.labels == INFO.labels
    for found, written in zip(store.split("train"), ROWS, strict=True):
        same(found, written)


def test_shards_are_one_split(tmp_path, monkeypatch):
    monkeypatch.setattr(store_module, "SHARD_SIZE", 200)  # bytes, of rows of some 100
    rows = [row(index) for index in range(20)]
    with StoreWriter(tmp_path / "store", INFO) as writer:
        for index, item in enumerate(rows):
            writer.write_rows("train" if index % 4 else "test", [item])
    store = open_store(tmp_path / "store")
    assert store.info.rows == {"train": 15, "test": 5}
    assert min(store.info.shards.values()) > 1
    for name, written in (
        ("train", [item for index, item in enumerate(rows) if index % 4]),
        ("test", rows[::4]),
    ):
        split = pickle.loads(pickle.dumps(store.split(name)))
        for found, expected in zip(split, written, strict=True):
            same(found, expected)
        np.testing.assert_array_equal(split.labels, [item.labels for item in written])
        assert split.lengths("text").tolist() == [len(r.sequences["text"].valid) for r in written]


def test_a_store_of_version_1_is_still_read(folder):
    for split in ("train", "test"):
        (folder / f"{split}-00000.safetensors").rename(folder / f"{split}.safetensors")
    path = folder / STORE_FILE
    content = json.loads(path.read_text())
    del content["shards"], content["encoders"]
    path.write_text(json.dumps({**content, "store_version": 1}))
    for found, written in zip(open_store(folder).split("train"), ROWS, strict=True):
        same(found, written)


def test_weight_and_damage_come_back_and_are_not_written_where_all_are_usual(folder, tmp_path):
    rows = [ROWS[0], replace(ROWS[1], weight=0.5, damage=0.25)]
    with StoreWriter(tmp_path / "spoilt", INFO) as writer:
        writer.write_rows("train", rows)
    split = pickle.loads(pickle.dumps(open_store(tmp_path / "spoilt").split("train")))
    assert [(item.weight, item.damage) for item in split] == [(1.0, 0.0), (0.5, 0.25)]
    assert split.weights.tolist() == [1.0, 0.5]
    usual = load_file(folder / "train-00000.safetensors")
    assert not {"weight", "damage"} & usual.keys()  # older programs read it
    path = tmp_path / "spoilt" / "train-00000.safetensors"
    save_file({**load_file(path), "damage": np.float32([0, 2])}, path)
    with pytest.raises(UnusableInputError, match=r"damage not in 0\.\.1"):
        open_store(tmp_path / "spoilt")


def test_scales_come_back_and_a_store_without_any_does_not_name_them(folder, tmp_path):
    values = np.array([[0.5, np.nan], [-1, 0.25]], np.float32)
    rows = [replace(item, scales=of_row) for item, of_row in zip(ROWS[:2], values, strict=True)]
    info = replace(INFO, scales=("arousal", "valence"))
    with StoreWriter(tmp_path / "scales", info) as writer:
        writer.write_rows("train", rows)
    store = open_store(tmp_path / "scales")
    assert store.info.scales == ("arousal", "valence")
    split = pickle.loads(pickle.dumps(store.split("train")))
    np.testing.assert_array_equal(split.scales, values)
    np.testing.assert_array_equal(split[1].scales, values[1])
    np.testing.assert_array_equal(Selection([split], np.array([1])).scales, values[1:])
    assert open_store(folder).split("train").scales.shape == (4, 0)
    assert "scales" not in json.loads((folder / STORE_FILE).read_text())  # older programs read it
    path = tmp_path / "scales" / "train-00000.safetensors"
    save_file({**load_file(path), "scales": values * 2}, path)
    with pytest.raises(UnusableInputError, match=r"scales are not 2 numbers in -1\.\.1"):
        open_store(tmp_path / "scales")


def test_an_absent_modality_is_absent_and_has_no_steps(folder):
    split = open_store(folder).split("train")
    assert set(split[1].sequences) == {"text"}
    expected = [len(r.sequences["text"].values) if "text" in r.sequences else 0 for r in ROWS]
    assert split.lengths("text").tolist() == expected
    assert expected[2] == 0


def test_a_split_travels_to_another_process_without_its_values(folder):
    split = open_store(folder).split("train")
    sent = pickle.dumps(split)
    assert split[0].sequences["text"].values.tobytes() not in sent
    for found, written in zip(pickle.loads(sent), ROWS, strict=True):
        same(found, written)


def changed_by_hand(folder, name, change):
    """The store as other hands may write it: one tensor of train is another."""
    path = folder / "train-00000.safetensors"
    tensors = load_file(path)
    tensors[name] = change(tensors[name])
    save_file(tensors, path)


def test_nan_that_other_hands_wrote_is_named_with_its_row(folder):
    def spoil(values):
        values[-1, 0] = np.nan
        return values

    changed_by_hand(folder, "text.values", spoil)
    split = open_store(folder).split("train")
    with pytest.raises(
        UnusableInputError, match=r"train.*, row 3 \(.*\): text holds NaN"
    ) as caught:
        list(split)
    assert "\n" not in str(caught.value)


def test_a_row_without_any_modality_that_other_hands_wrote_is_named(folder):
    for name in SIZES:
        changed_by_hand(folder, f"{name}.offsets", lambda offsets: offsets[[0, 0, 2, 3, 4]])
    with pytest.raises(
        UnusableInputError, match=r"train.*, row 0 \(.*\): every modality is absent"
    ):
        open_store(folder)


@pytest.mark.parametrize("value", [np.nan, 1.5, -1])
def test_labels_outside_0_to_1_are_refused(folder, value):
    changed_by_hand(folder, "labels", lambda labels: np.full_like(labels, value))
    with pytest.raises(UnusableInputError, match=r"labels are not \d numbers in 0..1"):
        open_store(folder)


@pytest.mark.parametrize("index", [-1, 4])
def test_a_row_that_is_not_there_is_an_index_error(folder, index):
    with pytest.raises(IndexError):
        open_store(folder).split("train")[index]


def test_an_unknown_split_names_those_that_are_there(folder):
    with pytest.raises(UnusableInputError, match="no split 'valid'; it has: train, test"):
        open_store(folder).split("valid")


def test_an_error_leaves_no_store_and_no_rubbish(tmp_path):
    def fail():
        with StoreWriter(tmp_path / "store", INFO) as writer:
            writer.write_rows("train", ROWS)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_store_appears_only_when_it_is_whole(tmp_path):
    with StoreWriter(tmp_path / "store", INFO) as writer:
        writer.write_rows("train", ROWS)
        assert not (tmp_path / "store").exists()
    assert open_store(tmp_path / "store").splits == ("train",)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_folder_with_something_in_it_is_not_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UnusableInputError, match="exists and is not empty"):
        StoreWriter(tmp_path, INFO)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_an_empty_folder_may_become_a_store(tmp_path):
    (tmp_path / "store").mkdir()
    with StoreWriter(tmp_path / "store", INFO) as writer:
        writer.write_rows("train", ROWS)
    assert len(open_store(tmp_path / "store").split("train")) == 4


def test_finished_shards_are_not_made_again(tmp_path):
    made = []

    def write(*shards):
        """Shards of a key, rows and a value each; an error in place of rows interrupts."""
        with StoreWriter(tmp_path / "store", INFO, resumable=True) as writer:
            found = []
            for key, rows in shards:

                def make(key=key, rows=rows):
                    made.append(key)
                    if isinstance(rows, type):
                        raise rows
                    return rows, f"of {key}"

                found.append(writer.write_shard("train", key, make))
            writer.write_shard("test", "none", lambda: ([], None))
            return found

    with pytest.raises(KeyboardInterrupt):
        write(("a", ROWS[:1]), ("b", []), ("c", ROWS[1:2]), ("d", ROWS), ("e", KeyboardInterrupt))
    assert not (tmp_path / "store").exists()
    # Another third, and no fourth any more.
    assert write(("a", ROWS), ("b", ROWS), ("x", ROWS[2:])) == ["of a", "of b", "of x"]
    assert made == ["a", "b", "c", "d", "e", "x"]
    found = open_store(tmp_path / "store").split("train")
    for row, written in zip(found, [ROWS[0], *ROWS[2:]], strict=True):
        same(row, written)
    files = ["store.json", "train-00000.safetensors", "train-00001.safetensors", "train.jsonl"]
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == files


def test_a_folder_that_is_no_store_says_how_to_make_one(tmp_path):
    with pytest.raises(UnusableInputError, match=r"is not a feature store.*dataset import"):
        open_store(tmp_path)


def test_a_store_of_another_version_is_refused(folder):
    path = folder / STORE_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "store_version": 99}))
    with pytest.raises(UnusableInputError, match="version 99"):
        open_store(folder)


def _cut_values(folder):
    path = folder / "train-00000.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def _lose_a_name(folder):
    path = folder / "train.jsonl"
    path.write_text("\n".join(path.read_text(encoding="utf-8").split("\n")[1:]))


def _cut_description(folder):
    path = folder / STORE_FILE
    path.write_text(path.read_text()[:40])


def _count_too_many_shards(folder):
    path = folder / STORE_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "shards": {"train": 10**12}}))


def _forget_labels(folder):
    path = folder / STORE_FILE
    content = json.loads(path.read_text())
    del content["labels"]
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "damage",
    [
        _cut_values,
        _lose_a_name,
        _cut_description,
        _forget_labels,
        _count_too_many_shards,
        lambda folder: (folder / STORE_FILE).write_text("[]"),
        lambda folder: (folder / "train-00000.safetensors").unlink(),
        lambda folder: (folder / "train.jsonl").unlink(),
        lambda folder: (folder / "train.jsonl").write_text("{"),
    ],
)
def test_a_damaged_store_is_refused_in_one_line(folder, damage):
    damage(folder)
    with pytest.raises(UnusableInputError, match="damaged") as caught:
        open_store(folder)
    assert "\n" not in str(caught.value)


def _with(**sequences):
    return Example.of("x", np.zeros(2, np.float32), sequences)


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        (Example.of("x", np.zeros(3, np.float32), ROWS[0].sequences), "labels are 2 numbers"),
        (Example.of("x", np.full(2, 1.5, np.float32), ROWS[0].sequences), "in 0..1"),
        (Example.of("x", np.full(2, np.nan, np.float32), ROWS[0].sequences), "in 0..1"),
        (replace(ROWS[0], scales=np.zeros(1, np.float32)), "scales are 0 numbers"),
        (_with(), "every modality is absent"),
        (_with(text=Steps(np.ones((2, 4)), np.ones(2, np.bool_))), "float64"),
        (_with(text=Steps(np.ones((2, 5), np.float32), np.ones(2, np.bool_))), r"\(2, 5\)"),
        (
            _with(text=Steps(np.full((2, 4), np.inf, np.float32), np.ones(2, np.bool_))),
            "NaN or infinity",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_never_written(tmp_path, bad, complaint):
    with (
        pytest.raises(ValueError, match=complaint),
        StoreWriter(tmp_path / "store", INFO) as writer,
    ):
        writer.write_rows("train", [bad])
    assert list(tmp_path.iterdir()) == []
