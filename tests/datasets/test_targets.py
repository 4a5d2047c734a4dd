"""What tokens and columns of labels mean, and what contradicts itself."""

import numpy as np
import pytest

from lddu_pipe.datasets.targets import Tokens, targets_of, targets_of_intensities
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import M3ED, MOSEI

# As the published torch file of CMU-MOSEI may number them, after the four marks.
NAMES = {"anger": 4, "disgust": 5, "fear": 6, "happy": 7, "sad": 8, "surprise": 9}
MARKS = {"<blank>": 0, "<unk>": 1, "<s>": 2, "</s>": 3}


def present(row, label_set=MOSEI):
    return {label_set.labels[i] for i in np.flatnonzero(row)}


@pytest.mark.parametrize(
    "names",
    [
        MARKS | NAMES,
        {key.encode(): np.int64(token) for key, token in (MARKS | NAMES).items()},
        {token: name for name, token in (MARKS | NAMES).items()},
        {"Happiness": 7, "SADNESS": 8, "Angry": 4, "Disgust": 5, "fear": 6, "surprise": 9},
    ],
    ids=["published", "bytes", "from tokens", "other names and no marks"],
)
def test_tokens_mean_what_the_file_says(names):
    tokens = Tokens.of_map(names, MOSEI, "a.pt")
    found = targets_of([[2, 5, 6, 3], [2, 3], [2, 7, 3, 0, 0]], tokens, "a.pt")
    assert [present(row) for row in found] == [{"disgust", "fear"}, set(), {"happy"}]


def test_marks_of_the_file_take_the_place_of_the_usual_ones():
    names = {name: token - 4 for name, token in NAMES.items()} | {"<s>": 6, "</s>": 7}
    tokens = Tokens.of_map(names, MOSEI, "a.pt")
    found = targets_of([[6, 2, 3, 7]], tokens, "a.pt")
    assert present(found[0]) == {"fear", "happy"}
    without = Tokens.of_map({name: token - 4 for name, token in NAMES.items()}, MOSEI, "a.pt")
    assert present(targets_of([[3, 2, 0]], without, "a.pt")[0]) == {"fear", "happy", "anger"}
    with pytest.raises(UnusableInputError, match=r"row 0: the target .*0, 0"):
        targets_of([[3, 0, 0, 0]], without, "a.pt")  # padding, or a label?


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ({**NAMES, "neutral": 10}, "names the label 'neutral'; mosei has happy"),
        ({key: token for key, token in NAMES.items() if key != "fear"}, "no token for fear"),
        ({**NAMES, "fear": 4}, "gives token 4 to two labels"),
        ({**NAMES, "sadness": 10}, "several tokens for one label"),
        ({**NAMES, "<s>": 4}, "gives token 4 to a label and a mark"),
        ({**NAMES, "fear": "six"}, "'fear' is 'six', not a token"),
    ],
)
def test_a_map_that_contradicts_the_labels_is_refused(names, complaint):
    with pytest.raises(UnusableInputError, match=f"a.pt: dict.tgt.*{complaint}"):
        Tokens.of_map(names, MOSEI, "a.pt: dict.tgt")


def test_a_token_that_the_map_does_not_name_is_refused():
    tokens = Tokens.of_map({**NAMES, "surprise": 12}, MOSEI, "a.pt")
    with pytest.raises(UnusableInputError, match=r"row 1: label token 9 is unknown; .*8, 12"):
        targets_of([[2, 3], [2, 9, 3]], tokens, "a.pt")


def test_columns_of_0_and_1_have_the_order_of_the_tokens():
    usual, own = Tokens.published(MOSEI), Tokens.of_map(NAMES, MOSEI, "a.pt")
    rows = np.array([[1, 0, 0, 0, 0, 1], [0] * 6])
    assert present(targets_of(rows, usual, "a.pkl")[0]) == {"happy", "fear"}
    assert present(targets_of(rows, own, "a.pkl")[0]) == {"anger", "surprise"}


def test_intensities_above_0_are_present_and_the_sentiment_is_no_emotion():
    rows = np.array([[[-3.0, 0.33, 0, 0, 0, 0, 2]], [[1, 0, 0, 0, 0, 0, 0]]])
    for values in (rows, rows[..., 1:], rows[:, 0]):
        found = targets_of_intensities(values, Tokens.published(MOSEI), "a.pkl")
        assert [present(row) for row in found] == [{"happy", "fear"}, set()]


@pytest.mark.parametrize(
    ("values", "label_set", "complaint"),
    [
        (np.zeros((2, 1, 1)), MOSEI, "are not 6 numbers a row"),
        (np.zeros((2, 8)), M3ED, "are not 7 numbers a row"),
        ([[0] * 6, [0, np.nan, 0, 0, 0, 0]], MOSEI, "row 1: .*nan.* from 0 to 3"),
        ([[0] * 6, [0, -1, 0, 0, 0, 0]], MOSEI, "row 1: .* from 0 to 3"),
        ([[0] * 6, ["a"] * 6], MOSEI, "are not 6 numbers a row"),
    ],
)
def test_columns_that_are_no_intensities_are_refused(values, label_set, complaint):
    with pytest.raises(UnusableInputError, match=complaint):
        targets_of_intensities(values, Tokens.published(label_set), "a.pkl, train")
