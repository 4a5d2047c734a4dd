"""Who people are, over HTTP."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest

from lddu_pipe.server.pages import parts_of
from lddu_pipe.writers.formats import FORMATS

OURS = "a-token-of-the-tests"
THEIRS = "another-token-of-the-tests"
HTML = "<script>alert(1)</script>\"'&amp;]]>"
NAMED = {"person": "p1", "name": "Ana", "reviewer": "Ben"}
VERDICT = {"utterance": "0000", "labels": [], "reviewer": "Ben"}


@pytest.fixture
def reviewed(serve):
    """A server with one job that is done, and the path of its annotation."""
    client = serve(tokens=(OURS, THEIRS))
    job = client.finished(client.upload(b"well", "talk.wav").json()["id"])
    return client, f"/v1/annotations/{job['id']}"


def who(client, path):
    return {each["id"]: each for each in client.get(f"{path}/people").json()["people"]}


def test_a_person_is_named_made_one_with_another_and_all_is_taken_back(reviewed):
    client, path = reviewed
    assert {each["id"]: each["seconds_speaking"] for each in who(client, path).values()} == {
        "p1": 3.1,
        "p3": 0.0,
    }
    named = client.post(f"{path}/people", json=NAMED)
    assert named.status_code == 201
    merged = {"person": "p3", "same_as": "p1", "reviewer": "Ben"}
    joined = client.post(f"{path}/people", json=merged).json()
    assert (joined["person"], joined["same_as"], joined["name"]) == ("p3", "p1", None)
    found = who(client, path)
    assert (found["p1"]["name"], found["p1"]["utterances"]) == ("Ana", 1)
    assert (found["p3"]["same_as"], found["p3"]["in_force"]) == ("p1", joined)
    (offer,) = client.get("/v1/queue").json()["next"]
    assert (offer["person"], offer["person_name"]) == ("p1", "Ana")
    late = client.post(f"{path}/people", json=NAMED)
    assert late.status_code == 409
    assert "Ben was here first" in late.json()["detail"]
    for made in (joined, named.json()):
        undone = client.delete(f"{path}/people/{made['number']}")
        assert undone.json() == {"in_force": None}
    assert client.delete(f"{path}/people/{joined['number']}").status_code == 409
    history = client.get(f"{path}/people").json()["history"]
    assert [each["undone"] is not None for each in history] == [True, True]


def test_an_utterance_of_somebody_new_is_theirs_in_other_formats_and_in_the_export(reviewed):
    client, path = reviewed
    made = client.post(f"{path}/corrections", json=VERDICT | {"person": "new"}).json()
    new = made["person"]
    assert who(client, path)[new]["found"] is False
    client.post(f"{path}/people", json=NAMED | {"person": new, "name": HTML})
    corrected = client.get(f"{path}/corrected").json()
    assert corrected["utterances"][0]["person"] == new
    assert corrected["people"][-1]["name"] == HTML
    assert corrected["media"]["path"] == "talk.wav"
    # The annotation as it was made is as it was.
    assert client.get(path).json()["utterances"][0]["person"] == "p1"
    for name in ("eaf", "html"):
        answer = client.get(f"{path}/corrected", params={"format": name})
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].endswith(f'.{name}"')
        assert b"<script>alert" not in answer.content
    assert client.get(f"{path}/corrected", params={"format": "exe"}).status_code == 422
    with zipfile.ZipFile(io.BytesIO(client.get("/v1/corrections.zip").content)) as archive:
        (row,) = map(json.loads, archive.read("corrections.jsonl").splitlines())
    assert row["person"] == HTML
    assert client.delete(f"{path}/corrections/{made['number']}").status_code == 200
    assert new not in who(client, path)


WRONG = (
    ({"person": "p9"}, "p9"),
    ({"person": ""}, "person"),
    ({"same_as": "p9"}, "p9"),
    ({"same_as": "p1"}, "already"),
    ({"name": "x" * 101}, "name"),
    ({"name": "a\u0007"}, "control character"),
    ({"name": "a\ud800"}, ""),
    ({"comment": "x" * 2001}, "comment"),
    ({"reviewer": " "}, "reviewer"),
    ({"replaces": 0}, "replaces"),
    ({"more": 1}, "more"),
)


def test_what_is_wrong_is_named(reviewed):
    client, path = reviewed
    for change, named in WRONG:
        content, headers = json.dumps(NAMED | change), {"Content-Type": "application/json"}
        answer = client.post(f"{path}/people", content=content, headers=headers)
        assert answer.status_code == 422, change
        assert named in answer.text
    assert client.get(f"{path}/people").json()["history"] == []
    unknown = client.post(f"{path}/corrections", json=VERDICT | {"person": "p9"})
    assert unknown.status_code == 422


def test_what_others_own_does_not_exist(reviewed):
    client, path = reviewed
    number = client.post(f"{path}/people", json=NAMED).json()["number"]
    theirs = {"headers": {"Authorization": f"Bearer {THEIRS}"}}
    assert client.get(f"{path}/people", **theirs).status_code == 404
    assert client.get(f"{path}/corrected", **theirs).status_code == 404
    assert client.post(f"{path}/people", json=NAMED, **theirs).status_code == 404
    assert client.delete(f"{path}/people/{number}", **theirs).status_code == 404
    old = NAMED | {"person": "p3", "annotated": "2020-01-01T00:00:00+00:00"}
    assert client.post(f"{path}/people", json=old).status_code == 409
    assert who(client, path)["p1"]["name"] == "Ana"


def test_the_page_offers_formats_that_there_are():
    (page,) = parts_of(("review.html",))
    offered = re.findall(r'<option value="(\w+)" data-suffix="([.\w]+)"', page)
    assert offered
    assert all(FORMATS[name].suffix == suffix for name, suffix in offered)
