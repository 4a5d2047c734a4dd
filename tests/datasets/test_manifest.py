from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import MOSEI


def write_jsonl(folder: Path, *rows: object, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_text(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(UnusableInputError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def test_every_column_of_a_jsonl_row(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    for name in ("a.mp4", "a.wav", "a.srt"):
        (tmp_path / "media" / name).touch()
    path = write_jsonl(
        tmp_path,
        {
            "id": 7, "video": "media/a.mp4", "audio": str(tmp_path / "media/a.wav"),
            "transcript": "media/a.srt", "start": 1, "end": 2.5, "speaker": "Ann",
            "split": "valid", "face_crop": True, "labels": {"happy": 0.8, "fear": 0}, "text": None,
            "scales": {"valence": -1, "arousal": 0.25, "dominance": None},
            "weight": 2, "damage": 0.5, "context": ["Hi!", " ", "Who | you?"],
        },
        {"text": "hello", "labels": ["sad", "anger"]},
        {"text": "well", "labels": []},
        {"text": "who knows"},
    )  # fmt: skip
    first, second, third, fourth = read_manifest(path)
    assert first == ManifestRow(
        id="7", origin=f"{path}, line 1", video=tmp_path / "media/a.mp4",
        audio=tmp_path / "media/a.wav", transcript=tmp_path / "media/a.srt", start=1.0, end=2.5,
        speaker="Ann", split="valid", face_crop=True, labels={"happy": 0.8, "fear": 0.0},
        scales={"valence": -1.0, "arousal": 0.25}, weight=2.0, damage=0.5,
        context=("Hi!", "Who | you?"),
    )  # fmt: skip
    assert (second.id, second.labels) == ("2", {"sad": 1.0, "anger": 1.0})
    assert third.labels == {}
    assert fourth.labels is fourth.scales is fourth.context is None


def test_csv_tsv_and_jsonl_of_the_same_rows_are_equal(tmp_path: Path) -> None:
    (tmp_path / "face.png").touch()
    rows = [
        {"id": "a", "text": 'say "so", or\nnot', "labels": ["happy", "sad"], "start": 0.5},
        {"id": "b", "image": "face.png", "face_crop": True, "labels": {"fear": 0.25}},
        {"id": "c", "text": "grün", "labels": [], "scales": {"valence": 0.5, "a: b": -1}},
        {"id": "d", "text": "no label", "context": ["[laughs] Why?", "Well, yes."]},
        {"id": "e", "text": "nothing before", "context": []},
        {"id": "f", "text": "a sign", "context": ["this | that"]},
    ]
    columns = ("id", "text", "image", "face_crop", "start", "labels", "scales", "context")
    tables = [write_jsonl(tmp_path, *rows)]
    for name, delimiter in (("rows.csv", ","), ("rows.TSV", "\t")):
        # utf-8-sig: with a byte order mark, as spreadsheets write it
        with (tmp_path / name).open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.DictWriter(file, columns, delimiter=delimiter)
            table.writeheader()
            for row in rows:
                labels = row.get("labels")
                cell = "happy| sad" if labels == ["happy", "sad"] else json.dumps(labels)
                scales = "valence: 0.5 | a: b: -1" if "scales" in row else ""
                context = " | ".join(row.get("context", ()))
                if row["id"] in ("e", "f"):
                    context = json.dumps(row["context"])
                cells = {"scales": scales, "context": context}
                table.writerow(row | {"labels": "" if labels is None else cell} | cells)
        tables.append(tmp_path / name)
    plain, *others = [
        [{**vars(row), "origin": None} for row in read_manifest(path)] for path in tables
    ]
    assert others == [plain, plain]
    labels = [{"happy": 1, "sad": 1}, {"fear": 0.25}, {}, None, None, None]
    assert [row["labels"] for row in plain] == labels
    assert plain[3]["context"] == ("[laughs] Why?", "Well, yes.")
    assert [row["context"] for row in plain[4:]] == [(), ("this | that",)]


def test_names_between_commas_in_a_quoted_cell(tmp_path: Path) -> None:
    path = write_text(tmp_path, "rows.csv", 'text,labels\nhi,"happy, fear"\n')
    assert read_manifest(path)[0].labels == {"happy": 1.0, "fear": 1.0}


def test_a_cell_says_that_no_emotion_is_present(tmp_path: Path) -> None:
    path = write_text(tmp_path, "rows.csv", 'text,labels\na,none\nb, None \nc,"[""none""]"\nd,\n')
    assert [row.labels for row in read_manifest(path)] == [{}, {}, {"none": 1.0}, None]
    assert "say 'none' beside other names" in refusal(
        write_text(tmp_path, "both.csv", "text,labels\na,happy|none\n")
    )


def test_byte_order_mark_blank_lines_and_odd_line_ends_in_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes('\ufeff{"text": "a\u2028b"}\r\n\r\n{"text": "c"}'.encode())
    assert [row.text for row in read_manifest(path)] == ["a\u2028b", "c"]
    assert read_manifest(path)[1].origin.endswith("line 3")


def test_target_follows_the_order_of_the_label_set(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path, {"text": "a", "labels": {"fear": 0.3, "happy": 1}}, {"text": "b"},
        {"text": "c", "labels": ["bored"]},
    )  # fmt: skip
    labelled, unlabelled, foreign = read_manifest(path)
    target = labelled.target(MOSEI)
    assert target.dtype == np.float32
    np.testing.assert_array_equal(target, np.float32([1, 0, 0, 0, 0, 0.3]))
    with pytest.raises(UnusableInputError, match=r"line 2: the row has no labels"):
        unlabelled.target(MOSEI)
    with pytest.raises(UnusableInputError, match=r"line 3: unknown label 'bored'"):
        foreign.target(MOSEI)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"labels": ["sad"]}, "no modality"),
        ({"text": "  "}, "no modality"),
        ({"txt": "hi"}, "unknown key 'txt'; did you mean 'text'?"),
        ({"Lables": []}, "did you mean 'labels'?"),
        ({"text": "hi", "qqqq": 1}, "unknown key 'qqqq'; known are: id, video"),
        ({"text": 3}, "text is a text, got 3"),
        ({"text": "hi", "id": True}, "id is a text or a whole number"),
        ({"text": "hi", "labels": 1}, "labels are names"),
        ({"text": "hi", "labels": [1]}, "labels hold a name that is not a text: 1"),
        ({"text": "hi", "labels": {"sad": 1.01}}, "give 'sad' 1.01; a probability lies in 0..1"),
        ({"text": "hi", "labels": {"sad": "much"}}, "a probability lies in 0..1"),
        ({"text": "hi", "labels": {"sad": None}}, "a probability lies in 0..1"),
        ({"text": "hi", "start": 2, "end": 1}, "end 1 s does not come after start 2 s"),
        ({"text": "hi", "scales": ["valence"]}, "scales are name: value, got ['valence']"),
        ({"text": "hi", "scales": "calm"}, "are name: value, each name once, got 'calm'"),
        ({"text": "hi", "scales": "a: 0, a: 1"}, "each name once, got 'a: 0, a: 1'"),
        ({"text": "hi", "scales": {" ": 0}}, "scales hold a name that is not a text: ' '"),
        ({"text": "hi", "scales": {"joy": 1.01}}, "give 'joy' 1.01; a scale lies in -1..1"),
        ({"text": "hi", "scales": {"joy": "nan"}}, "is a finite number, got 'nan'"),
        ({"text": "hi", "scales": {"joy": True}}, "is a number, got True"),
        ({"text": "hi", "end": 0}, "end 0 s does not come after start 0 s"),
        ({"text": "hi", "start": -1}, "not negative, got -1"),
        ({"text": "hi", "start": "soon"}, "start is a number, got 'soon'"),
        ({"text": "hi", "start": True}, "start is a number, got True"),
        ({"text": "hi", "start": 10**400}, "start is a number"),
        ({"text": "hi", "start": 1e999}, "JSON"),
        ({"text": "hi", "face_crop": "maybe"}, "face_crop is true or false, got 'maybe'"),
        ({"text": "hi", "face_crop": True}, "face_crop needs an image or a video"),
        ({"video": "gone.mp4"}, "is not a file"),
        ({"video": "."}, "is not a file"),
        ({"video": "x" * 5000}, "cannot be opened"),
        ({"video": "a\0b\n"}, "is not a file"),
        ({"video": "rows.jsonl", "image": "rows.jsonl"}, "video and image are both given"),
        ({"text": "hi", "transcript": "rows.jsonl"}, "text and transcript are both given"),
        ({"text": "hi", "weight": -1}, "weight lies in 0..1e+06, got -1"),
        ({"text": "hi", "damage": 1.5}, "damage lies in 0..1, got 1.5"),
        ({"text": "hi", "context": ["a", 1]}, "context is a list of texts, the oldest first"),
        (["text"], "a row is a JSON object"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: object, message: str) -> None:
    text = refusal(write_jsonl(tmp_path, {"text": "fine"}, row))
    assert text.startswith(", line 2: ")
    assert message in text


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.jsonl", "", ": the manifest has no rows"),
        ("rows.csv", "", ": the manifest has no rows"),
        ("rows.csv", "id,text\n", ": the manifest has no rows"),
        ("rows.json", "{}", ": a manifest is one of .jsonl, .ndjson, .csv, .tsv"),
        ("rows.jsonl", "{'text': 1}", ", line 1: the row cannot be read as JSON"),
        ("rows.jsonl", '{"text": NaN}', "NaN is not a number in JSON"),
        ("rows.jsonl", "[" * 100_000, ", line 1: the row cannot be read as JSON"),
        ("rows.csv", "text,text\na,b\n", ", line 1: two columns have the same name"),
        ("rows.csv", "id,text\n1,Well, yes\n", ", line 2: more cells than columns"),
        ("rows.csv", 'id,text\n1,"open\n', "unexpected end of data"),
        ("rows.csv", "text,labels\na,[sad]\n", ", line 2: labels cannot be read as JSON"),
        ("rows.csv", "text,labels\na,happy||sad\n", ", line 2: labels hold a name"),
        ("rows.csv", "text,start\na,nan\n", ", line 2: start is a finite number"),
        ("rows.csv", "id,text\nx,a\ny,b\nx,c\n", ", line 4: id 'x' was used before, in "),
        ("rows.csv", "id,text\n2,a\n,b\n", ", line 3: id '2' was used before"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    assert message in refusal(write_text(tmp_path, name, text))


def test_what_cannot_be_opened_or_decoded(tmp_path: Path) -> None:
    assert "cannot read the manifest" in refusal(tmp_path / "gone.jsonl")
    (tmp_path / "folder.csv").mkdir()
    assert "cannot read the manifest" in refusal(tmp_path / "folder.csv")
    (tmp_path / "old.csv").write_bytes("text\nGrüße\n".encode("latin-1"))
    assert "not UTF-8" in refusal(tmp_path / "old.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"text": st.text(min_size=1).filter(str.strip)},
            optional={
                "labels": st.dictionaries(st.text(min_size=1).filter(str.strip), st.floats(0, 1)),
                "speaker": st.text(min_size=1),
                "start": st.floats(0, 1e6),
            },
        ),
        min_size=1,
    )
)
def test_what_is_written_is_read(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    read = read_manifest(write_jsonl(tmp_path, *rows))
    assert [row.id for row in read] == [str(number + 1) for number in range(len(rows))]
    for row, values in zip(read, rows, strict=True):
        assert {key: getattr(row, key) for key in values} == values
