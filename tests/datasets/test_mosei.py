"""CMU-MOSEI's published files, in small."""

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe.datasets.official import import_official
from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import MOSEI

SIZES = {"text": 5, "audio": 4, "vision": 3}
OLD_KEYS = {"text": "src-text", "audio": "src-audio", "vision": "src-visual"}
TOKENS = [[2, 4, 6, 3], [2, 3], [2, 9, 3]]
TARGETS = [[1, 0, 1, 0, 0, 0], [0] * 6, [0, 0, 0, 0, 0, 1]]


def features(rows=3, steps=6, seed=0):
    random = np.random.default_rng(seed)
    return {
        name: random.uniform(0.5, 1.5, (rows, steps, size)).astype(np.float32)
        for name, size in SIZES.items()
    }


def part(**changes):
    return {
        **features(),
        "id": ["v$_$0", "v$_$1", "w$_$0"],
        "raw_text": ["one", "two", "three"],
        "tgt": TOKENS,
        **changes,
    }


@pytest.fixture
def bring(tmp_path):
    """Write a pickle, import it, open the store."""

    def run(content, labels=None, kind="mosei"):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(content))
        table = None
        if labels is not None:
            table = tmp_path / "labels.csv"
            table.write_text(labels)
        import_official(tmp_path / "a.pkl", tmp_path / "store", kind, labels=table)
        return open_store(tmp_path / "store")

    return run


def test_values_labels_names_and_words_arrive(bring):
    given = {"train": part(), "valid": part(**features(seed=1)), "test": part(**features(seed=2))}
    store = bring(given)
    assert store.splits == ("train", "valid", "test")
    assert store.info.labels == MOSEI.labels
    assert store.info.aligned
    assert not store.info.synthetic
    assert store.info.fingerprints["text"] == "mosei-official:text:5"
    for split, values in given.items():
        for index, row in enumerate(store.split(split)):
            assert row.labels.tolist() == TARGETS[index]
            assert (row.id, row.utterance.text) == (values["id"][index], values["raw_text"][index])
            for name in SIZES:
                np.testing.assert_array_equal(row.sequences[name].values, values[name][index])


def test_the_older_layout_gives_the_same_rows(bring, tmp_path):
    torch = pytest.importorskip("torch")
    values = features()
    older = {OLD_KEYS[name]: torch.from_numpy(array) for name, array in values.items()}
    older |= {"tgt": TOKENS, "id": ["a", "b", "c"]}
    torch.save({"train": older, "valid": older, "test": older}, tmp_path / "old.pt")
    import_official(tmp_path / "old.pt", tmp_path / "old", "mosei")
    for index, row in enumerate(open_store(tmp_path / "old").split("test")):
        assert row.labels.tolist() == TARGETS[index]
        for name in SIZES:
            np.testing.assert_array_equal(row.sequences[name].values, values[name][index])


def test_dev_is_another_name_of_valid(bring):
    assert bring({"train": part(), "dev": part()}).splits == ("train", "valid")


def test_values_that_are_no_numbers_become_zero_and_are_counted(bring):
    values = features()
    values["audio"][0, 1, 2] = -np.inf
    values["audio"][2, 0, :2] = np.inf
    values["vision"][1, 3, 0] = np.nan
    store = bring({"train": part(**values)})
    notes = store.info.notes["cleaned"]["train"]
    assert notes["infinite_or_nan"] == {"text": 0, "audio": 3, "vision": 1}
    rows = list(store.split("train"))
    assert rows[0].sequences["audio"].values[1, 2] == 0
    assert rows[1].sequences["vision"].values[3, 0] == 0
    assert rows[1].sequences["vision"].valid.all()
    json.dumps(store.info.notes)


def test_a_step_of_nothing_but_broken_values_shows_nothing(bring):
    values = features()
    values["audio"][0, 2] = -np.inf
    row = bring({"train": part(**values)}).split("train")[0]
    assert row.sequences["audio"].valid.tolist() == [True, True, False, True, True, True]


def test_padding_is_cut_to_the_longest_modality_of_an_aligned_row(bring):
    values = features()
    for name, length in {"text": 4, "audio": 3, "vision": 2}.items():
        values[name][0, length:] = 0
    values["audio"][0, 1] = 0  # a gap in the middle is no padding
    row = bring({"train": part(**values)}).split("train")[0]
    assert {name: len(steps.valid) for name, steps in row.sequences.items()} == dict.fromkeys(
        SIZES, 4
    )
    assert row.sequences["text"].valid.tolist() == [True] * 4
    assert row.sequences["audio"].valid.tolist() == [True, False, True, False]
    assert row.sequences["vision"].valid.tolist() == [True, True, False, False]


def test_unaligned_modalities_keep_their_own_lengths(bring):
    values = features()
    values["audio"] = features(steps=20, seed=1)["audio"]
    values["vision"] = features(steps=20, seed=2)["vision"]
    values["text"][0, 3:] = 0
    store = bring(
        {"train": part(**values, audio_lengths=[7, 20, 1], vision_lengths=np.array([5, 2, 20]))}
    )
    assert not store.info.aligned
    split = store.split("train")
    assert split.lengths("text").tolist() == [3, 6, 6]
    assert split.lengths("audio").tolist() == [7, 20, 1]
    assert split.lengths("vision").tolist() == [5, 2, 20]
    np.testing.assert_array_equal(split[0].sequences["audio"].values, values["audio"][0, :7])


def test_a_modality_without_a_step_is_absent_and_a_row_without_any_is_left_out(bring):
    values = features()
    values["vision"][0] = 0
    for name in SIZES:
        values[name][1] = 0
    store = bring({"train": part(**values)})
    rows = list(store.split("train"))
    assert [row.id for row in rows] == ["v$_$0", "w$_$0"]
    assert [row.labels.tolist() for row in rows] == [TARGETS[0], TARGETS[2]]
    assert set(rows[0].sequences) == {"text", "audio"}
    notes = store.info.notes["cleaned"]["train"]
    assert (notes["rows"], notes["left_out"]) == (2, 1)
    assert notes["absent"] == {"text": 1, "audio": 1, "vision": 2}


def without_targets():
    content = part()
    del content["tgt"]
    return content


def test_labels_come_from_a_table_in_the_order_of_its_modes(bring):
    table = (
        'mode,tgt\ntest,"[2, 5, 3]"\ntrain,"[2, 4, 6, 3]"\ndev,"[2, 8, 3]"\n'
        'train,"[2, 3]"\ntrain,"[2, 9, 3]"\ntest,"[2, 3]"\ntest,"[2, 3]"\ndev,"[2,3]"\n'
        'dev,"[2,3]"\n'
    )
    store = bring({split: without_targets() for split in ("train", "valid", "test")}, table)
    assert [row.labels.tolist() for row in store.split("train")] == TARGETS
    assert store.split("test").labels.argmax(axis=1)[0] == MOSEI.index("sad")
    assert store.split("valid").labels.argmax(axis=1)[0] == MOSEI.index("disgust")


SEGMENTS = (
    "id,link,segment_id,start,end,sentiment,happy,sad,anger,surprise,disgust,fear\n"
    "w,x,0,0.0,1.0,0,0,0,0,0,0,0.33\n"
    "v,x,1,4.5,9.0,0,0,0,0,0,0,0.0\n"
    "v,x,0,1.25,4.5,0,0.6666667,0,0.33333334,0,0,0\n"
)


@pytest.mark.parametrize(
    "ids",
    [
        ["v$_$0", "v$_$1", "w$_$0"],
        ["v[0]", "v[1]", "w[0]"],
        np.array([["v", "1.25", "4.5"], ["v", "4.51", "9.0"], ["w", "0", "1"]]),
    ],
    ids=["dollars", "brackets", "times"],
)
def test_labels_come_from_intensities_joined_by_id(bring, ids):
    store = bring({"train": {**without_targets(), "id": ids}}, SEGMENTS)
    assert [row.labels.tolist() for row in store.split("train")] == TARGETS


def test_the_published_intensities_are_understood(bring, request):
    folder = os.environ.get("LDDU_PIPE_SHARED", request.config.rootpath.parent / "shared")
    shared = Path(folder) / "data" / "labels" / "mosei_segments.csv"
    if not shared.is_file():
        pytest.skip(f"no published intensities in {shared}")
    ids = ["-3g5yACwYnA$_$0", "-3g5yACwYnA[1]", "--qXJuDtHPw$_$0"]
    store = bring({"train": {**without_targets(), "id": ids}}, shared.read_text())
    assert [row.labels.tolist() for row in store.split("train")] == [
        [1, 1, 0, 0, 0, 1],
        [0] * 6,
        [1, 0, 0, 0, 0, 0],
    ]


def test_a_table_cell_with_code_is_refused_and_nothing_runs(bring, tmp_path):
    marker = tmp_path / "ran"
    cell = f"__import__('os').system('touch {marker}')"
    with pytest.raises(UnusableInputError, match=r"line 2: tgt .* is no list of tokens"):
        bring({"train": without_targets()}, f'mode,tgt\ntrain,"{cell}"\n' + 'train,"[]"\n' * 2)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tgt": [[2, 3], [2, 10, 3], [2, 3]]}, "train, row 1: label token 10 .*4 to 9"),
        ({"tgt": [[2, 3], [2, 1, 3], [2, 3]]}, "train, row 1: label token 1 "),
        ({"tgt": [[2, 3], [2, 3], ["happy"]]}, "train, row 2: .* is no list of tokens"),
        ({"tgt": [[2, 3], [2, 4.7, 3], [2, 3]]}, "train, row 1: .* is no list of tokens"),
        ({"tgt": [[2, 3], {}, [2, 3]]}, "train, row 1: .* is no list of tokens"),
        ({"tgt": [[2, 3], [np.inf], [2, 3]]}, "train, row 1: .* is no list of tokens"),
        ({"id": 3}, "train: id is no list"),
        ({"text": [np.ones((2, 5)), np.ones((3, 5)), np.ones((4, 6))]}, "row 2, has 6 features"),
        (
            {"text": [np.ones((2, 5)), np.ones((3, 5)), np.ones(5)]},
            r"text, row 2, is \(5,\) float",
        ),
        ({"tgt": [[2, 3], [3, 6, 5, 2], [2, 3]]}, r"train, row 1: .* is no list of tokens"),
        ({"tgt": [[2, 3], [2, 4, 3, 6], [2, 3]]}, r"train, row 1: .* is no list of tokens"),
        ({"tgt": [[2, 3], [2, 4, 2, 6, 3], [2, 3]]}, "train, row 1: label token 2 is unknown"),
        ({"text": np.zeros((3, 6, 0))}, "train: text is "),
        ({"tgt": TOKENS[:2]}, "train: 2 of tgt, but 3 rows"),
        ({"id": ["a"]}, "train: 1 of id, but 3 rows"),
        ({"audio": features(rows=2)["audio"]}, "train: row counts differ: .*audio 2"),
        ({"text": np.zeros((3, 5), np.float32)}, r"train: text is \(3, 5\) float32"),
        ({"text": np.array(["a", "b", "c"])}, r"train: text is \(3,\) <U1"),
        ({"audio_lengths": [1, 2]}, "train: 2 of audio_lengths, but 3 rows"),
        ({"audio_lengths": [1, [], 7]}, "train: audio_lengths are not whole numbers in 0..6"),
        ({"audio_lengths": [1, 2, 7]}, "train: audio_lengths .* 0..6"),
        ({name: np.zeros((3, 6, size)) for name, size in SIZES.items()}, "train: no row has any"),
    ],
)
def test_a_wrong_file_is_refused_with_split_and_row(bring, tmp_path, changes, complaint):
    with pytest.raises(UnusableInputError, match=complaint) as caught:
        bring({"train": part(**changes)})
    assert "a.pkl" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([1, 2], "holds a list of 2, not train/valid/test"),
        ({"train": part(), "test": [part()]}, "test is a list, not a dict of features"),
        ({"text": 1}, "no train, valid or test; it has: text"),
        ({"train": {"text": features()["text"]}}, "no audio features; looked for audio"),
        ({"train": without_targets()}, "no emotion labels"),
    ],
)
def test_a_file_of_another_layout_says_what_is_missing(bring, content, complaint):
    with pytest.raises(UnusableInputError, match=complaint):
        bring(content)


def test_two_names_of_one_split_are_refused(bring):
    with pytest.raises(UnusableInputError, match="two valid splits"):
        bring({"valid": part(), "dev": part()})


def test_splits_of_different_feature_sizes_are_refused(bring):
    other = part(text=np.ones((3, 6, 9), np.float32))
    with pytest.raises(UnusableInputError, match="test: text has 9 features a step"):
        bring({"train": part(), "test": other})


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "needs the columns"),
        ("mode,labels\ntrain,x\n", "needs the columns mode and tgt"),
        ('mode,tgt\ntrain,"[2, 3]"\n', "1 rows of mode train, the features have 3"),
        ("mode,tgt\n" + 'train,"[2, 77, 3]"\n' * 3, "train, row 0: label token 77"),
        ("mode,tgt\n" + 'train,"{[]: 1}"\n' * 3, "line 2: tgt .* is no list of tokens"),
        (SEGMENTS.replace("0.0\n", "\n"), r"line 3 \(train\): fear '' is no intensity"),
        (SEGMENTS.replace("v,x,1", "v,x,5"), r"no line for 'v\$_\$1' \(train, row 1\)"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(bring, table, complaint):
    with pytest.raises(UnusableInputError, match=complaint) as caught:
        bring({"train": without_targets()}, table)
    assert "labels.csv" in str(caught.value)


def test_bytes_are_texts_and_words_are_joined(bring):
    store = bring(
        {
            b"train": part(
                id=[b"v0", np.bytes_(b"v1"), np.array([b"v", b"1.5", b"2"])],
                raw_text=["é".encode(), [b"two", b"words"], None],
            )
        }
    )
    rows = list(store.split("train"))
    assert [row.id for row in rows] == ["v0", "v1", "v_1.5_2"]
    assert [row.utterance.text for row in rows] == ["é", "two words", ""]


def test_tokens_mean_what_the_file_says_and_it_is_told(bring):
    names = {"anger": 4, "disgust": 5, "fear": 6, "happy": 7, "sad": 8, "surprise": 9}
    store = bring({"train": part(tgt=[[2, 5, 6, 3], [2, 3], [2, 7, 3]]), "dict": {"tgt": names}})
    labels = [
        {MOSEI.labels[i] for i in np.flatnonzero(row)} for row in store.split("train").labels
    ]
    assert labels == [{"disgust", "fear"}, set(), {"happy"}]
    assert store.info.notes["remarks"] == [
        "labels have the tokens of the file's own dict.tgt: anger 4, disgust 5, fear 6, happy 7, "
        "sad 8, surprise 9"
    ]


def test_columns_of_labels_are_read_and_their_order_is_told(bring):
    content = without_targets() | {"labels": np.array([[[0.5, 1, 0, 2, 0, 0, 0]]] * 3)}
    store = bring({"train": content})
    assert store.split("train").labels.tolist() == [[1, 0, 1, 0, 0, 0]] * 3
    assert store.info.notes["remarks"] == [
        "train: columns of labels are taken for happy, sad, anger, surprise, disgust, fear"
    ]


def test_padding_in_front_is_cut_and_told(bring):
    values = features(steps=6)
    for name, steps in {"text": 4, "audio": 3, "vision": 3}.items():
        values[name][0, :steps] = 0
    aligned = bring({"train": part(**values)})
    assert aligned.info.notes["remarks"] == [
        "train: padding in front of text, audio, vision was found and cut"
    ]
    assert aligned.split("train").lengths("text").tolist() == [3, 6, 6]
    assert aligned.split("train")[0].sequences["text"].valid.tolist() == [False, True, True]


def test_who_pads_the_text_in_front_pads_all_there(bring):
    values = features(steps=6)
    values["text"][0, :4] = 0
    values["audio"][:] = 1  # noise in front is as loud as what is said
    lengths = {"audio_lengths": [2, 6, 6], "vision_lengths": [6, 6, 6]}
    store = bring({"train": part(**values, **lengths)})
    (remark, *_) = store.info.notes["remarks"]
    assert remark.startswith("train: padding in front of text, audio")


def test_lengths_that_would_cut_the_content_are_not_used_and_told(bring):
    values = features(steps=6)
    values["audio"][0, :4] = 0
    values["vision"][:, 4:] *= 1e-4  # noise for padding, of which the lengths know
    lengths = {"audio_lengths": [1, 6, 6], "vision_lengths": [4, 4, 4]}
    store = bring({"train": part(**values, **lengths)})
    assert store.split("train").lengths("audio").tolist() == [2, 6, 6]
    assert store.split("train").lengths("vision").tolist() == [4, 4, 4]
    np.testing.assert_array_equal(
        store.split("train")[0].sequences["audio"].values, values["audio"][0, 4:]
    )
    assert store.info.notes["remarks"] == [
        "train: padding in front of audio was found and cut",
        "train: rows with vision beyond vision_lengths, which was cut: 3",
        "train: rows whose audio_lengths would cut what is no padding, and were not used: 1",
    ]


def test_rows_of_different_lengths_are_read(bring):
    ragged = {
        name: [np.ones((steps, size), np.float32) for steps in (2, 5, 3)]
        for name, size in SIZES.items()
    }
    store = bring({"train": part(**ragged)})
    assert store.info.aligned
    assert store.split("train").lengths("audio").tolist() == [2, 5, 3]


@pytest.mark.parametrize("name", ["train_{}", "{}_train"])
def test_the_splits_of_an_npz_are_in_its_names(tmp_path, name):
    given = part(tgt=np.array(TARGETS))
    np.savez(tmp_path / "a.npz", **{name.format(key): value for key, value in given.items()})
    import_official(tmp_path / "a.npz", tmp_path / "store", "mosei")
    rows = open_store(tmp_path / "store").split("train")
    assert rows.labels.tolist() == TARGETS
    assert rows.ids == tuple(given["id"])
