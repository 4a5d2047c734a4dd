"""Places on continuous scales, in everything that is written of an annotation."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest
from pyarrow import parquet

from lddu_pipe.annotation import COLUMNS, Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import StreamOpened
from lddu_pipe.predictions import ScaleValue
from lddu_pipe.writers.formats import FORMATS
from lddu_pipe.writers.parquet import join
from lddu_pipe.writers.terminal import Timeline, open_console

NAMES = ("arousal", "<valence>")


@pytest.fixture
def annotation(make_annotation) -> Annotation:
    """Two utterances: one is placed on both scales, one on none, as nothing was there."""
    made = make_annotation()
    first, second, *_ = made.utterances
    placed = {
        "arousal": ScaleValue(0.25, None, None),
        "<valence>": ScaleValue(-0.51239, -1.0, 0.1),
    }
    return replace(
        made,
        model=replace(made.model, scales=NAMES),
        utterances=[replace(first, scales=placed), second],
    )


def test_json_has_scales_and_reads_back(annotation: Annotation, make_annotation) -> None:
    text = annotation.to_json()
    values = json.loads(text)
    assert values["schema_version"] == "2.1"
    assert values["model"]["scales"] == list(NAMES)
    first, second = values["utterances"]
    assert first["scales"] == {
        "arousal": {"value": 0.25, "low": None, "high": None},
        "<valence>": {"value": -0.5124, "low": -1, "high": 0.1},
    }
    assert "scales" not in second
    assert Annotation.from_json(text, "a").to_json() == text
    assert "scales" not in make_annotation().to_dict()["model"]
    with pytest.raises(UnusableInputError, match="greater than or equal to -1"):
        Annotation.from_json(text.replace("-0.5124", "-5"), "a")


def test_tables_have_columns_of_the_models_scales(annotation: Annotation) -> None:
    extra = [f"{part}_{name}" for name in NAMES for part in ("scale", "low", "high")]
    file = io.StringIO(FORMATS["csv"].render(annotation).decode("utf-8-sig"), newline="")
    first, *_, last = csv.DictReader(file)
    assert list(first) == ["media", *COLUMNS, *extra]
    assert [first[name] for name in extra] == ["0.25", "", "", "-0.5124", "-1.0", "0.1"]
    assert [last[name] for name in extra] == [""] * 6
    (line, _) = FORMATS["jsonl"].render(annotation).splitlines()
    assert json.loads(line)["scales"]["arousal"]["value"] == 0.25


def test_parquet_files_of_a_model_are_joined(annotation: Annotation, tmp_path) -> None:
    files = [
        FORMATS["parquet"].render(one) for one in (replace(annotation, utterances=()), annotation)
    ]
    join(files, tmp_path / "all.parquet")
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table["low_<valence>"].to_pylist() == [-1.0] * 6 + [None] * 6
    join([], tmp_path / "none.parquet")
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_timeline_shows_places_with_their_intervals(annotation: Annotation) -> None:
    file = io.StringIO()
    timeline = Timeline(StreamOpened(annotation.media, annotation.model, {}), open_console(file))
    for prediction in annotation.utterances:
        timeline.add(prediction)
    assert file.getvalue().count("arousal") == 1
    assert "arousal +0.25  <valence> -0.51 (-1.00 to +0.10)\n" in file.getvalue()
