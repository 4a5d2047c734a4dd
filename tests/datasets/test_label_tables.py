"""Tables of labels find their rows by the many names that segments have."""

import numpy as np
import pytest

from lddu_pipe.datasets.label_tables import LabelTable
from lddu_pipe.datasets.targets import Tokens
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import MOSEI

IDS = ["v_1x$_$0", "v_1x$_$11", "w$_$0"]
PRESENT = [{"happy", "anger"}, set(), {"fear"}]
EMOTIONS = "happy,sad,anger,surprise,disgust,fear"


@pytest.fixture
def table(tmp_path):
    def read(text):
        path = tmp_path / "labels.csv"
        path.write_text(text, encoding="utf-8")
        return LabelTable(path, Tokens.published(MOSEI))

    return read


def present(joined):
    return [{MOSEI.labels[i] for i in np.flatnonzero(row)} for row in joined.targets]


TABLES = {
    "ids in one column": 'id,mode,tgt\nw$_$0,train,"[2,9,3]"\nv_1x[0],train,"[2,4,6,3]"\n'
    'v_1x_11,train,"[2,3]"\n',
    "MMSA's columns": 'video_id,clip_id,mode,tgt\nw,0,train,"[2,9,3]"\nv_1x,11,train,"[2,3]"\n'
    'v_1x,0,train,"[2,4,6,3]"\n',
    "blanks in the header": 'mode, video_id, clip_id, tgt\ntrain, w, 0, "[2, 9, 3]"\n'
    'train, v_1x, 11, "[2, 3]"\ntrain, v_1x, 0, "[2, 4, 6, 3]"\n',
    "zeros before numbers": f"id,segment_id,{EMOTIONS}\nw,00,0,0,0,0,0,1\nv_1x,011,0,0,0,0,0,0\n"
    "v_1x,0.0,1,0,0.33,0,0,0\n",
    "other names of labels": "id,segment_id,anger,happiness,sadness,fear,disgust,surprise\n"
    "w,0,0,0,0,2,0,0\nv_1x,11,0,0,0,0,0,0\nv_1x,0,1,1,0,0,0,0\n",
    "semicolons": f"id;segment_id;{EMOTIONS}\n".replace(",", ";") + "w;0;0;0;0;0;0;1\n"
    "v_1x;11;0;0;0;0;0;0\nv_1x;0;1;0;1;0;0;0\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize(
    "ids",
    [
        IDS,
        [b"v_1x$_$0", b"v_1x$_$11", b"w$_$0"],
        ["v_1x[0]", "v_1x_11", "w$_$00"],
        [("v_1x", "0"), ("v_1x", 11), ("w", "00")],
        np.array([["v_1x$_$0"], ["v_1x$_$11"], ["w$_$0"]]),
    ],
    ids=["dollars", "bytes", "others", "pairs", "arrays"],
)
def test_rows_find_their_lines_by_id_whatever_their_order(table, text, ids):
    joined = table(text).targets("train", ids, 3)
    assert present(joined) == PRESENT
    assert joined.remarks == ()


def test_where_only_the_order_is_left_it_is_said(table):
    found = table('mode,tgt\ntrain,"[2, 4, 6, 3]"\ntrain,"[2, 3]"\ntrain,"[2, 9, 3]"\n')
    joined = found.targets("train", IDS, 3)
    assert present(joined) == PRESENT
    assert joined.remarks == (
        "labels are joined by the order of rows alone: labels.csv has no ids",
    )
    joined = table(TABLES["ids in one column"]).targets("train", None, 3)
    assert present(joined) == [PRESENT[2], PRESENT[0], PRESENT[1]]
    assert "the features have no ids" in joined.remarks[0]


def test_the_order_of_columns_in_a_cell_is_told(table):
    found = table('mode,tgt\ntrain,"[1, 0, 0, 0, 0, 1]"\n').targets("train", IDS, 1)
    assert present(found) == [{"happy", "fear"}]
    assert found.remarks[1].startswith("train: columns of tgt are taken for happy, sad, anger")


def test_lines_that_stand_twice_or_are_of_no_row_are_counted(table):
    lines = TABLES["ids in one column"] + 'w_0,train,"[2,9,3]"\nx_0,train,"[2,4,3]"\n'
    joined = table(lines + 'x_1,test,"[2,4,3]"\n').targets("train", IDS, 3)
    assert present(joined) == PRESENT
    assert joined.remarks == (
        "train: lines of labels.csv that stand twice, with the same labels: 1",
        "train: lines of labels.csv that are of no row: 1",
    )


@pytest.mark.parametrize(
    ("text", "ids", "complaint"),
    [
        (
            TABLES["ids in one column"] + 'w_0,train,"[2,4,3]"\n',
            IDS,
            "lines 2 and 5 give 'w.*diff",
        ),
        (TABLES["MMSA's columns"].replace("w,0,train", "w,0,test"), IDS, "one of mode test is"),
        (TABLES["MMSA's columns"].replace("w,0,train", "w,0,tain"), IDS, "line 2: mode 'tain'"),
        (TABLES["zeros before numbers"].replace("0,1\n", "0,nan\n"), IDS, "line 2 .*: fear 'nan'"),
        (TABLES["zeros before numbers"].replace("0,1\n", "0,-1\n"), IDS, "line 2 .*: fear '-1'"),
        (
            'id,mode,tgt\n0,train,"[2,3]"\n',
            IDS,
            "no line .* without its column id, ",
        ),
        (TABLES["zeros before numbers"], None, "the features have no id to find them by"),
        (TABLES["zeros before numbers"], [("w", 1.0, 2.0)], "needs the column start"),
        (f"id,start,{EMOTIONS}\nw,?,0,0,0,0,0,0\n", [("w", 1.0, 2.0)], "for 'w_1.0_2.0' "),
        (f"id,start,{EMOTIONS}\nw,nan,0,0,0,0,0,0\n", [("w", 1.0, 2.0)], "no line for 'w_1.0_2"),
        ("mode,tgt\n", IDS, "0 rows of mode train, the features have 3"),
        ("mode,id\ntrain,w_0\n", IDS, "needs the columns mode and tgt, or id, segment_id and hap"),
        (f"id,{EMOTIONS},joy\nw,0,0,0,0,0,0,0\n", IDS, "two columns for happy: happy and joy"),
        ('tgt\n"[2, 3]"\n', IDS, "nothing tells which row"),
        ("id,clip_id,mode,label\nw,0,train,1.0\n", IDS, "it has no happy, sad"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_refused(table, text, ids, complaint):
    with pytest.raises(UnusableInputError, match=complaint) as caught:
        table(text).targets("train", ids, 3)
    assert "labels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_two_segments_that_begin_together_the_nearer_is_taken(table):
    text = f"id,start,{EMOTIONS}\nw,1.04,1,0,0,0,0,0\nw,1.0,0,1,0,0,0,0\n"
    assert present(table(text).targets("train", [("w", "1.001", "2")], 1)) == [{"sad"}]
