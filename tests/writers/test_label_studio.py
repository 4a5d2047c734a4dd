from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lddu_pipe.writers.formats import FORMATS

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "formats.md"
TYPES = {"labels": "Labels", "timelinelabels": "TimelineLabels", "choices": "Choices"}


def tasks(annotation):
    return json.loads(FORMATS["label-studio"].render(annotation))


def results(annotation):
    return [
        result
        for task in tasks(annotation)
        for prediction in task["predictions"]
        for result in prediction["result"]
    ]


def check(annotation, configuration: str) -> None:
    """The tasks fit the documented configuration, as Label Studio wants it at import."""
    root = ElementTree.fromstring(configuration)
    tags = {tag.get("name"): tag for tag in root.iter() if tag.get("name")}
    for task in tasks(annotation):
        for tag in tags.values():
            source = tag.get("value", "")
            assert not source.startswith("$") or source[1:] in task["data"]
        (prediction,) = task["predictions"]
        assert set(prediction) == {"model_version", "score", "result"}
        for result in prediction["result"]:
            control = tags[result["from_name"]]
            assert control.tag == TYPES[result["type"]]
            assert control.get("toName") == result["to_name"]
            assert result["to_name"] in tags
            offered = {child.get("value") for child in control}
            assert set(result["value"][result["type"]]) <= offered
            assert 0 <= result["score"] <= 1
    identities = [result["id"] for result in results(annotation)]
    assert len(set(identities)) == len(identities)


def configuration(heading: str) -> str:
    text = DOCUMENTATION.read_text("utf-8")
    found = re.search(rf"^{re.escape(heading)}.*?^```xml\n(.*?)^```$", text, re.M | re.S)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    ("options", "heading"),
    [
        ({}, "Video with sound"),
        ({"has_video": False}, "Sound"),
        ({"has_audio": False}, "Silent video"),
        ({"has_audio": False, "has_video": False, "duration": 0.0}, "Plain text"),
        ({"has_audio": False, "duration": 0.0}, "Pictures"),
        ({"utterances": ()}, "Video with sound"),
    ],
)
def test_tasks_fit_the_documented_configurations(make_annotation, options, heading):
    check(make_annotation(**options), configuration(heading))


def test_regions_have_exact_times_and_a_score_a_label(make_annotation):
    assert [
        (
            result["value"]["start"],
            result["value"]["end"],
            result["value"]["labels"],
            result["score"],
            result.get("meta", {}).get("text"),
        )
        for result in results(make_annotation())
    ] == [
        (0.0, 3.104, ["happy"], 0.81, ["Ana: Größe 😀 <b>“news”</b> & more\nover two lines"]),
        (0.0, 3.104, ["surprise"], 0.63, ["Ana: Größe 😀 <b>“news”</b> & more\nover two lines"]),
        (2.5, 4.75, ["sad"], 0.7, ["Bo: わかりました"]),
        (5.0, 10.0, ["no emotion"], 0.8, None),
        (10.001, 12.346, ["undecided"], 0.6, ["Ana: Well…"]),
    ]


def test_a_task_names_model_and_its_least_sure_decision(make_annotation):
    (task,) = tasks(make_annotation(path="/clips/a talk.mp4"))
    assert task["data"] == {"video": "/data/local-files/?d=clips/a%20talk.mp4"}
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "lddu-base-en 0.2.0"
    assert prediction["score"] == 0.6


def test_silent_video_is_counted_in_frames_from_one(make_annotation, predict):
    spans = [(0.0, 1.0), (1.0, 1.04), (1.04, 1.04)]
    annotation = make_annotation(
        [predict(str(start), start, end, "", (0.9,) + (0.1,) * 5) for start, end in spans],
        has_audio=False,
    )
    ranges = [result["value"]["ranges"] for result in results(annotation)]
    assert ranges == [
        [{"start": 1, "end": 25}],
        [{"start": 26, "end": 26}],
        [{"start": 27, "end": 27}],
    ]


def test_plain_text_is_a_task_an_utterance(make_annotation):
    found = tasks(make_annotation(has_audio=False, has_video=False, duration=0.0))
    assert [task["data"]["text"] for task in found][1:] == ["わかりました", "", "Well…"]
    assert found[0]["predictions"][0]["result"][0]["value"] == {"choices": ["happy", "surprise"]}
    assert found[0]["predictions"][0]["result"][0]["score"] == 0.63
