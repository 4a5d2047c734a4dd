from __future__ import annotations

import io

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import dataset, parquet

from lddu_pipe.annotation import COLUMNS
from lddu_pipe.writers.formats import FORMATS
from lddu_pipe.writers.parquet import SCHEMA, join, to_table

WRITER = FORMATS["parquet"]


def test_pyarrow_reads_the_table_of_the_annotation(make_annotation):
    annotation = make_annotation()
    table = parquet.read_table(io.BytesIO(WRITER.render(annotation)))
    assert table.schema.equals(SCHEMA)
    assert table.schema.metadata == {b"model": b"lddu-base-en 0.2.0", b"schema_version": b"2.1"}
    read = table.to_pandas()
    assert set(read.pop("media")) == {annotation.media.path}
    expected = annotation.to_dataframe().dropna(axis="columns", how="all")
    assert set(COLUMNS) - set(expected) == {"person", "person_name", "language"}
    pd.testing.assert_frame_equal(read[list(expected)], expected, check_dtype=False)
    assert read[["person", "person_name", "language"]].isna().all(axis=None)


def test_the_columns_are_those_of_every_table():
    assert tuple(SCHEMA.names) == ("media", *COLUMNS)


def test_without_utterances_the_types_are_the_same(make_annotation):
    table = to_table(make_annotation(utterances=()))
    assert table.schema.equals(SCHEMA)
    assert table.num_rows == 0


def test_a_file_of_an_earlier_release_is_joined(make_annotation, tmp_path):
    made = to_table(make_annotation())
    old = pa.BufferOutputStream()
    parquet.write_table(made.drop_columns(["kind", "person", "language"]), old)
    new = WRITER.render(make_annotation())
    join([old.getvalue().to_pybytes(), new], tmp_path / "all.parquet")
    joined = parquet.read_table(tmp_path / "all.parquet")
    assert joined["text"].to_pylist() == 2 * made["text"].to_pylist()
    kinds = made["kind"].to_pylist()
    assert joined["kind"].to_pylist() == [*[None] * len(kinds), *kinds]


def test_a_folder_of_files_is_one_data_set(make_annotation, predict, tmp_path):
    quiet = predict("0000", 0.0, 1.0, "", (0.1,) * 6)  # a file in which nobody is named
    for name, annotation in {
        "a": make_annotation(utterances=()),
        "b": make_annotation(path="b.mp4"),
        "c": make_annotation([quiet], path="c.wav"),
    }.items():
        WRITER.save(annotation, tmp_path / f"{name}.parquet")
    found = dataset.dataset(tmp_path, format="parquet")
    assert found.schema.equals(SCHEMA)
    table = found.to_table(filter=dataset.field("label") == "happy")
    assert table["media"].to_pylist() == ["b.mp4"] * 4 + ["c.wav"]
    assert table["speaker"].to_pylist() == ["Ana", "Bo", None, "Ana", None]


def test_names_that_are_no_text_are_escaped(make_annotation):
    table = to_table(make_annotation(path="caf\udce9.wav"))
    assert table["media"][0].as_py() == r"caf\udce9.wav"


@settings(deadline=None)
@given(
    st.floats(0, 1e6),
    st.floats(0, 1e3),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_times_and_text_survive_exactly(make_annotation, predict, start, length, text):
    said = predict("0000", start, start + length, text, (0.5,) * 6)
    table = parquet.read_table(io.BytesIO(WRITER.render(make_annotation([said]))))
    row = table.to_pylist()[0]
    assert (row["start"], row["end"], row["text"]) == (start, start + length, text)


@pytest.mark.parametrize("utterances", [(), None])
def test_tables_of_both_kinds_have_the_same_columns(make_annotation, utterances):
    options = {} if utterances is None else {"utterances": utterances}
    annotation = make_annotation(**options)
    table = pd.read_csv(io.BytesIO(FORMATS["csv"].render(annotation)))
    assert list(table.columns) == SCHEMA.names
