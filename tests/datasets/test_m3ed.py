"""M3ED's published files: a row is a dialogue, its labels are those of all its utterances."""

import argparse
import collections
import pickle

import numpy as np
import pytest

from lddu_pipe.datasets.official import import_official
from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import M3ED

SIZES = {"src-text": 768, "src-visual": 1024, "src-audio": 342}


@pytest.fixture
def bring(tmp_path):
    torch = pytest.importorskip("torch")

    def run(tokens, utterances=(3, 60), **beside):
        values = {}
        for key, size in SIZES.items():
            padded = np.zeros((len(tokens), 60, size), np.float32)
            for index, count in zip(range(len(tokens)), utterances, strict=True):
                padded[index, :count] = 1 + index
            values[key] = torch.from_numpy(padded)
        part = {**values, "tgt": tokens, "id": [f"scene-{i}" for i in range(len(tokens))]}
        part |= beside.pop("columns", {})
        content = {"train": part, "valid": part, "test": part, **beside}
        torch.save(content, tmp_path / "m3ed.pt")
        import_official(tmp_path / "m3ed.pt", tmp_path / "store", "m3ed")
        return open_store(tmp_path / "store")

    return run


def test_a_dialogue_has_one_step_an_utterance_and_the_labels_of_all(bring):
    store = bring([[2, 5, 8, 3], [2, 4, 5, 6, 7, 8, 9, 10, 3]])
    assert store.info.labels == M3ED.labels
    assert store.info.feature_sizes == {"text": 768, "audio": 342, "vision": 1024}
    assert store.info.fingerprints["vision"] == "m3ed-official:vision:1024"
    split = store.split("train")
    assert {name: split.lengths(name).tolist() for name in ("text", "audio", "vision")} == {
        "text": [3, 60],
        "audio": [3, 60],
        "vision": [3, 60],
    }
    present = [{M3ED.labels[i] for i in np.flatnonzero(row.labels)} for row in split]
    assert present == [{"neutral", "anger"}, set(M3ED.labels)]
    assert [row.id for row in split] == ["scene-0", "scene-1"]


def test_targets_padded_to_one_length_are_read_up_to_their_end(bring):
    store = bring(np.array([[2, 5, 3, 0, 0], [2, 4, 8, 10, 3]]))
    assert store.split("test").labels.sum(axis=1).tolist() == [1, 3]


def test_a_label_that_only_this_data_set_has_is_not_beyond_its_range(bring):
    assert bring([[2, 10, 3], [2, 3]]).split("train").labels[0, M3ED.index("surprise")] == 1


def test_a_label_beyond_the_seven_is_refused(bring):
    with pytest.raises(UnusableInputError, match=r"row 1: label token 11 .*m3ed has 4 to 10"):
        bring([[2, 3], [2, 11, 3]])


def test_targets_listed_by_utterance_are_put_together(bring):
    by_utterance = [[[2, 5, 3], [2, 8, 3]], [[2, 4, 3], [2, 5, 10, 3]]]
    present = bring(by_utterance).split("train").labels
    assert [set(np.flatnonzero(row)) for row in present] == [{1, 4}, {0, 1, 6}]


NAMES = ["Happy", "Neutral", "Sad", "Disgust", "Anger", "Fear", "Surprise"]
MARKS = {"<s>": 2, "</s>": 3, "<unk>": 1, "<blank>": 0}


def test_the_published_file_with_its_settings_and_its_names_of_labels(bring):
    names = MARKS | {name: 4 + i for i, name in enumerate(NAMES)}
    beside = {"settings": argparse.Namespace(max_text_seq_len=60), "dict": {"tgt": names}}
    store = bring([[2, 5, 8, 3], [2, 10, 3]], columns={"len_list": [3, 71]}, **beside)
    assert store.split("test").labels.sum(axis=1).tolist() == [2, 1]
    swapped, cut, _, _ = store.info.notes["remarks"]
    assert "calls audio (342) are the faces of RUCM3ED, and its vision (1024) is the" in swapped
    assert cut == (
        "train: dialogues that are longer than their features: 1 of 2; 11 of their utterances are "
        "known by labels alone, and the file does not say by which"
    )


def test_labels_of_utterances_that_were_cut_are_counted(bring):
    by_utterance = [[[2, 5, 3]] * 3, [[2, 4, 3]] * 60 + [[2, 4, 3], [2, 8, 10, 3]]]
    remarks = bring(by_utterance).info.notes["remarks"]
    assert remarks[1].endswith(
        "2 of their utterances are known by labels alone, from which alone 2 labels of dialogues "
        "come"
    )


def ten(lengths=(3, 5, 2), labels=None):
    """RUCM3ED's list: seven dicts by dialogue, three lists of dialogues."""
    names = [f"scene_{i}" for i in range(len(lengths))]

    def each(make):
        return collections.OrderedDict(
            (name, make(length)) for name, length in zip(names, lengths, strict=True)
        )

    features = [
        each(lambda length, size=size: np.ones((length, size), np.float32)) for size in (4, 3, 2)
    ]
    numbers = labels or each(lambda length: [np.int64(i) for i in range(length)])
    return [
        each(lambda length: [f"u{i}" for i in range(length)]),
        each(lambda length: ["A"] * length),
        numbers,
        *features,
        each(lambda length: ["你好"] * length),
        *([name] for name in names),
    ]


def imported(content, tmp_path):
    (tmp_path / "ten.pkl").write_bytes(pickle.dumps(content))
    import_official(tmp_path / "ten.pkl", tmp_path / "store", "m3ed")
    return open_store(tmp_path / "store")


def test_the_list_of_ten_is_read_whole(tmp_path):
    store = imported(ten(), tmp_path)
    assert store.splits == ("train", "valid", "test")
    assert store.info.aligned
    assert store.info.feature_sizes == {"text": 4, "audio": 3, "vision": 2}
    row = store.split("valid")[0]
    assert (row.id, row.utterance.text, len(row.sequences["audio"].values)) == (
        "scene_1",
        "你好 " * 4 + "你好",
        5,
    )
    assert {M3ED.labels[i] for i in np.flatnonzero(row.labels)} == {x.lower() for x in NAMES[:5]}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (ten()[:9], "a list of 9, not train/valid/test, nor the ten parts of RUCM3ED"),
        (ten(labels={"scene_0": [0, -1, 2]}), "train: -1 is not the number of a label"),
        (
            ten(labels={"scene_0": [0, 7, 2], "scene_1": [0], "scene_2": [0]}),
            "train, row 0: label token 11 is unknown",
        ),
        (ten(labels={"scene_0": [float("inf")]}), "train: cannot convert float infinity"),
        ([*ten()[:7], None, [], []], "train: 'NoneType' object is not iterable"),
        (ten(labels={"scene_1": [0]}), "train: no labels of dialogue 'scene_0'"),
    ],
)
def test_a_list_that_is_another_is_refused(tmp_path, content, complaint):
    with pytest.raises(UnusableInputError, match=complaint):
        imported(content, tmp_path)
