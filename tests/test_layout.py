"""The layout of the JSON: what stands in it, what earlier versions had, and who else is told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from runpy import run_path

import pytest

from lddu_pipe.annotation import Annotation, Face, ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, ScaleValue, Uncertainty
from lddu_pipe.schemas import SCHEMA_VERSIONS
from lddu_pipe.types import TimeSpan, Utterance

DOCS = Path(__file__).parents[1] / "docs"


def prediction(name: str, text: str, kind: str, **more) -> Prediction:
    score = EmotionScore("calm", 0.75, "present", 0.75, Uncertainty(0.25, 0.125))
    missing = {
        "text": Absent(Reason.NOT_RECOGNISED),
        "audio": Absent(Reason.SILENCE),
        "vision": Absent(Reason.NO_FACE),
    }
    present = {"speech": "text", "sound": "audio", "text": "text"}.get(kind, "vision")
    del missing[present]
    utterance = Utterance(name, TimeSpan(float(name), float(name) + 1), text, kind=kind, **more)
    return Prediction(utterance, (score,), missing)


SPOKEN = replace(
    prediction("0", "Hello", "speech", language="en", person="p1", speaker="Ana"),
    label_set=("calm",),
    scales={"arousal": ScaleValue(0.5, None, None)},
)
ANNOTATION = Annotation(
    SourceInfo("talk.mp4", "ab" * 32, 4.0, True, True),
    ModelInfo("a-model", "1.0", ("calm",), False, ("arousal",)),
    [SPOKEN, prediction("1", "", "sound"), prediction("2", "", "silence")],
    Provenance("2026-01-01T00:00:00+00:00", {}, {}, {"language": "en", "passes": 16}),
    people=[Person("p1", None, 2.5, 1.0)],
    faces=[Face("f1", "p1", 0.0, 5.0, ((0.41, 0.18, 0.52, 0.39), None), still=True)],
)


def test_the_json_is_the_contract() -> None:
    values = ANNOTATION.to_dict()
    assert list(values) == [
        *("schema_version", "media", "model", "people", "faces", "utterances", "provenance")
    ]
    assert values["schema_version"] == "2.1"
    assert values["people"] == [
        {"id": "p1", "name": None, "seconds_visible": 2.5, "seconds_speaking": 1.0}
    ]
    boxes = [[0.41, 0.18, 0.52, 0.39], None]
    assert values["faces"] == [
        {"id": "f1", "person": "p1", "start": 0.0, "fps": 5.0, "boxes": boxes, "still": True}
    ]
    first = values["utterances"][0]
    assert list(first) == [
        *("id", "kind", "person", "start", "end", "text", "language", "speaker", "modalities"),
        *("emotions", "abstained", "label_set", "scales"),
    ]
    text = ANNOTATION.to_json()
    again = Annotation.from_json(text, "a")
    assert again.to_json() == text
    assert (again.people, again.faces) == (ANNOTATION.people, ANNOTATION.faces)
    assert again.utterances[0].utterance == SPOKEN.utterance


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_every_version_is_written_and_read(version: str) -> None:
    values = json.loads(ANNOTATION.to_json(version))
    assert values["schema_version"] == version
    first = values["utterances"][0]
    assert ("people" in values, "kind" in first) == (version >= "2.0",) * 2
    assert [face.get("still") for face in values.get("faces", [])] == {
        "2.1": [True],
        "2.0": [None],
    }.get(version, [])
    assert ("scales" in values["model"], "scales" in first) == (version >= "1.2",) * 2
    assert ("label_set" in first) == (version >= "1.1")
    found = Annotation.from_dict(values)
    assert [item.kind for item in found.utterances] == ["speech", "sound", "silence"]
    assert [item.language for item in found.utterances] == ["en", None, None]
    assert found.utterances[0].person == ("p1" if version >= "2.0" else None)
    assert [face.still for face in found.faces] == [version == "2.1"] * (version >= "2.0")
    assert found.utterances[0].emotions == SPOKEN.emotions
    assert Annotation.from_dict(found.to_dict(version)).to_dict() == found.to_dict()


def test_of_pictures_and_of_text_alone_earlier_versions_tell_the_kind() -> None:
    for media, kind in (
        (SourceInfo("a.png", "", 0.0, False, True), "still"),
        (SourceInfo("a.srt", "", 4.0, False, False), "text"),
    ):
        old = replace(ANNOTATION, media=media, faces=()).to_dict("1.2")
        assert {item.kind for item in Annotation.from_dict(old).utterances} == {kind}


def test_there_is_no_other_version() -> None:
    with pytest.raises(
        ValueError, match=r"schema is one of 2\.1, 2\.0, 1\.2, 1\.1, 1\.0, not '3'"
    ):
        ANNOTATION.to_dict("3")


@pytest.mark.parametrize(
    ("path", "value", "cause"),
    [
        (("utterances", 0, "kind"), "song", r"utterances\.0\.kind: Input should be 'speech', "),
        (("utterances", 0, "start"), "0", r"utterances\.0\.start: .* valid number"),
        (("utterances", 0, "abstained"), 1, r"utterances\.0\.abstained: .* valid boolean"),
        (("utterances", 0, "my\nmood"), "fine", r"utterances\.0\.my mood: Extra inputs"),
        (("utterances", 0, "person"), "p2", "p2 is not one of the people"),
        (("utterances", 0, "modalities", "text", "reason"), "no words", "or absent with a reason"),
        (("faces", 0, "boxes", 0), [0.1, 0.2, 0.3], r"faces\.0\.boxes\.0\.3: Field required"),
        (("faces", 0, "boxes", 0, 3), 39, r"faces\.0\.boxes\.0\.3: .*less than or equal to 1"),
        (("media", "size"), 1, r"media\.size: Unexpected keyword"),
        (("people",), None, "people: Input should be a valid list"),
    ],
)
def test_damage_is_told_with_its_place_in_one_line(path, value, cause: str) -> None:
    values = json.loads(ANNOTATION.to_json())
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(UnusableInputError, match=f"^a is a damaged annotation: .*{cause}") as told:
        Annotation.from_json(json.dumps(values), "a")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("values", "cause"),
    [
        ({"media": 1}, "media: "),
        ({"model": {"name": "a"}}, r"model\.version: "),
        ({"utterances": None}, "utterances: "),
        ({"utterances": ["a"]}, r"utterances\.0: "),
    ],
)
def test_damage_in_an_earlier_version_is_told_in_the_same_way(values, cause: str) -> None:
    with pytest.raises(UnusableInputError, match=f"^a damaged annotation: {cause}"):
        Annotation.from_dict({**ANNOTATION.to_dict("1.0"), **values})


def test_one_person_is_asked_for_by_id_or_by_a_name_that_is_the_only_one() -> None:
    people = [
        Person("p1", "Ana", 1.0, 1.0),
        Person("p2", "Bo", 1.0, 0.0),
        Person("p3", "Bo", 0, 1),
    ]
    together = replace(
        ANNOTATION,
        people=people,
        faces=[*ANNOTATION.faces, Face("f2", "p2", 0.0, 5.0, ())],
        utterances=[SPOKEN, prediction("1", "", "silence", person="p2")],
    )
    ana = together.of("Ana")
    assert (ana.people, ana.faces) == (people[:1], ANNOTATION.faces)
    assert [item.id for item in ana.utterances] == ["0"]
    assert together.of("p1") == ana
    assert together.of("p3").utterances == []
    with pytest.raises(UnusableInputError, match="'Bo' is the name of p2 and p3; give an id"):
        together.of("Bo")
    with pytest.raises(UnusableInputError, match=r"'p4' is not one of .*: p1, p2, p3$"):
        together.of("p4")


def test_names_of_files_that_are_no_text_read_back() -> None:
    odd = ANNOTATION.of_path("a\udcff.mp4")
    assert Annotation.from_json(odd.to_json().encode("utf-8", "backslashreplace"), "a") == odd


def test_what_is_published_of_the_layout_is_current() -> None:
    made = run_path(str(DOCS / "schema.py"))
    for path, content in ((made["SCHEMA"], made["schema"]), (made["TYPES"], made["types"])):
        assert path.read_text(encoding="utf-8") == content(), "run: python docs/schema.py"


def test_other_validators_take_the_published_schema() -> None:
    validators = pytest.importorskip("jsonschema_rs")
    validator = validators.validator_for(json.loads((DOCS / "annotation.schema.json").read_text()))
    validator.validate(ANNOTATION.to_dict())
    assert not validator.is_valid(ANNOTATION.to_dict("1.2"))
    assert not validator.is_valid({**ANNOTATION.to_dict(), "more": 1})
