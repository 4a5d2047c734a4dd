"""M3ED's published files: a row is a dialogue, its labels are those of all its utterances."""

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

    def run(tokens, utterances=(3, 60)):
        values = {}
        for key, size in SIZES.items():
            padded = np.zeros((len(tokens), 60, size), np.float32)
            for index, count in zip(range(len(tokens)), utterances, strict=True):
                padded[index, :count] = 1 + index
            values[key] = torch.from_numpy(padded)
        part = {**values, "tgt": tokens, "id": [f"scene-{i}" for i in range(len(tokens))]}
        torch.save({"train": part, "valid": part, "test": part}, tmp_path / "m3ed.pt")
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
