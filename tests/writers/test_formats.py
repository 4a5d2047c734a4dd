from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.writers.formats import FORMATS, choose_formats

RENDERED = {name: item for name, item in FORMATS.items() if not item.of_video}


def test_an_annotation_reads_back_as_it_was_written(tmp_path, make_annotation):
    annotation = make_annotation()
    path = FORMATS["json"].save(annotation, tmp_path / "a.json")
    again = Annotation.load(path)
    assert again.to_dict() == annotation.to_dict()
    assert FORMATS["json"].render(again) == path.read_bytes()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"schema_version": "9"}',
        '{"schema_version": "1.0", "media": {}}',
    ],
)
def test_what_is_no_annotation_is_one_line(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(UnusableInputError, match=r"a\.json is ") as caught:
        Annotation.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_an_annotation_of_numbers_that_json_lacks_is_refused(number, make_annotation):
    text = make_annotation().to_json().replace('"duration": ', f'"duration": {number}, "x": ', 1)
    assert number in text
    with pytest.raises(UnusableInputError, match="a is not JSON"):
        Annotation.from_json(text, "a")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("utterances", 0, "end"), -1.0),
        (("utterances", 0, "emotions", 0, "probability"), 2),
        (("utterances", 0, "emotions", 0, "label"), None),
        (("utterances", 0, "emotions", 0, "confidence"), None),
        (("utterances", 0, "emotions", 0, "uncertainty", "aleatoric"), None),
        (("utterances", 0, "modalities", "text"), None),
        (("model", "labels"), 3),
    ],
)
def test_a_damaged_annotation_says_so(path, value, make_annotation):
    values = json.loads(make_annotation().to_json())
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    if path[-1] == "label":
        del place["label"]
    with pytest.raises(UnusableInputError, match="damaged annotation"):
        Annotation.from_dict(values)


def test_formats_are_chosen_whatever_their_case_and_dashes():
    assert [item.name for item in choose_formats("CSV, json,csv,")] == ["csv", "json"]
    with pytest.raises(UnusableInputError, match="'doc' is not a format; choose from json"):
        choose_formats("json,doc")
    with pytest.raises(UnusableInputError, match="no format given"):
        choose_formats(" , ")


@pytest.mark.parametrize("item", FORMATS.values(), ids=FORMATS)
def test_every_format_is_described(item):
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
    assert f"| `{item.name}` | `{item.suffix}` |" in page


@pytest.mark.parametrize("item", RENDERED.values(), ids=RENDERED)
def test_every_format_writes_an_annotation_without_utterances(item, tmp_path, make_annotation):
    annotation = make_annotation(utterances=())
    assert item.save(annotation, tmp_path / f"empty{item.suffix}").is_file()


@pytest.mark.parametrize("item", RENDERED.values(), ids=RENDERED)
def test_every_format_gives_the_same_bytes_twice(item, make_annotation):
    assert item.render(make_annotation()) == item.render(make_annotation())


def test_lines_hold_an_utterance_each(make_annotation):
    annotation = make_annotation()
    lines = FORMATS["jsonl"].render(annotation).decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [p.id for p in annotation.utterances]
    assert json.loads(lines[0])["media"] == annotation.media.path


def test_the_table_opens_in_pandas(make_annotation):
    annotation = make_annotation()
    table = pd.read_csv(io.BytesIO(FORMATS["csv"].render(annotation)))
    assert len(table) == len(annotation.utterances) * len(annotation.model.labels)
    assert table["text"][0] == annotation.utterances[0].text
    assert table["start"][0] == annotation.utterances[0].start
