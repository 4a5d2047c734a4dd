"""The page as text: what is in it, and that nothing runs or loads but what we put there."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lddu_pipe.annotation import Annotation, Face
from lddu_pipe.writers.formats import FORMATS
from lddu_pipe.writers.terminal import HIGH_ALEATORIC
from lddu_pipe.writers.wording import percent

HOSTILE = (
    "</script><script>window.hacked = 1</script><!-- <script> \u2028 ${title} 'x' \"y\" &amp;"
)


class Elements(HTMLParser):
    """Collects the elements of a page, and the text of its scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.title = ""
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles.append(data)
        elif self._inside == "title":
            self.title += data

    def data(self) -> dict:
        return json.loads(self.scripts[0])


def page(annotation: Annotation, folder: Path | None = None) -> Elements:
    return Elements(FORMATS["html"].render(annotation, folder).decode("utf-8"))


def test_the_page_carries_the_whole_annotation(make_annotation):
    annotation = make_annotation()
    assert page(annotation).data()["annotation"] == json.loads(annotation.to_json())


def test_its_help_names_the_ambiguity_from_which_it_flags(make_annotation):
    shown = FORMATS["html"].render(make_annotation(), None).decode("utf-8")
    assert f"below {percent(HIGH_ALEATORIC)}, and above" in shown


def test_the_page_loads_nothing_but_the_media(make_annotation):
    found = page(make_annotation())
    for tag, attributes in found.elements:
        assert "src" not in attributes, tag
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        assert not any(name == "style" or name.startswith("on") for name in attributes), attributes
        if "href" in attributes:
            assert attributes["href"].startswith("#")


def test_only_its_own_script_and_style_hold(make_annotation):
    found = page(make_annotation())
    (policy,) = (
        attributes["content"]
        for tag, attributes in found.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert "connect-src" not in rules
    assert "http" not in policy
    _, script = found.scripts
    (style,) = found.styles
    for rule, content in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"


def test_hostile_texts_stay_texts(make_annotation):
    values = json.loads(make_annotation().to_json())
    values["media"]["path"] = f"clips/{HOSTILE.replace('/', '_')}"
    values["model"]["name"] = HOSTILE
    first = values["utterances"][0]
    first["text"] = first["speaker"] = HOSTILE
    first["modalities"]["vision"]["reason"] = HOSTILE
    first["emotions"][0]["label"] = values["model"]["labels"][0] = HOSTILE
    annotation = Annotation.from_dict(values)
    found = page(annotation)
    assert len(found.scripts) == 2
    assert found.data()["annotation"] == values
    assert "${title}" in found.title
    assert not re.search(r"[<>&\u2028]", found.scripts[0])


def test_bytes_of_a_file_name_that_are_no_text_survive(make_annotation):
    found = page(make_annotation(path=os.fsdecode(b"b\xffd.mp4")))
    assert found.data()["media"]["link"] == "b%FFd.mp4"


@pytest.mark.parametrize(
    ("path", "folder", "link"),
    [
        ("/media/a talk.mp4", "/media", "a%20talk.mp4"),
        ("/media/a talk.mp4", "/out/pages", "../../media/a%20talk.mp4"),
        ("/media/50%#1?.mp4", "/media", "50%25%231%3F.mp4"),
        ("/media/Größe.mp4", "/media", "Gr%C3%B6%C3%9Fe.mp4"),
        ("/media/javascript:x.mp4", "/media", "javascript%3Ax.mp4"),
        ("clips/a.mp4", None, "clips/a.mp4"),
        ("/clips/a.mp4", None, "/clips/a.mp4"),
        ("//host/a.mp4", None, "/host/a.mp4"),
    ],
)
def test_the_media_is_linked_from_where_the_page_stands(make_annotation, path, folder, link):
    folder = None if folder is None else Path(folder)
    assert page(make_annotation(path=path), folder).data()["media"]["link"] == link


def test_a_relative_media_is_found_from_the_folder_it_is_saved_in(
    tmp_path, monkeypatch, make_annotation
):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    path = FORMATS["html"].save(make_annotation(path="clips/a.mp4"), Path("out/a.html"))
    assert Elements(path.read_text("utf-8")).data()["media"]["link"] == "../clips/a.mp4"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "video"),
        ({"has_video": False}, "audio"),
        ({"duration": 0.0, "has_audio": False}, "picture"),
        ({"duration": 0.0, "has_audio": False, "has_video": False}, "none"),
        ({"has_audio": False, "has_video": False}, "none"),
        ({"path": ""}, "none"),
    ],
)
def test_the_media_is_shown_as_what_it_is(make_annotation, changes, kind):
    values = json.loads(make_annotation().to_json())
    values["media"] |= changes
    media = page(Annotation.from_dict(values)).data()["media"]
    assert media["kind"] == kind
    assert (media["link"] == "") == (kind == "none")
    assert media["name"] == ("a talk.mp4" if values["media"]["path"] else "data in memory")


def test_a_page_is_light_beside_its_data(make_annotation):
    face = Face("f1", "p1", 0.0, 10.0, ((0.12345, 0.2, 0.34567, 0.5), None))
    annotation = replace(make_annotation(), faces=[face])
    found = page(annotation)
    assert found.data()["annotation"]["faces"][0]["boxes"] == [[0.123, 0.2, 0.346, 0.5], None]
    whole = FORMATS["html"].render(annotation)
    assert len(whole) - len(found.scripts[0]) < 150_000
