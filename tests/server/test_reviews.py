"""Annotations over HTTP: looked through, corrected, exported."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.requests import ClientDisconnect

from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.pipelines.batch.ledger import Ledger
from lddu_pipe.pipelines.batch.work import statistics_of
from lddu_pipe.review.folder import AnnotatedFolder
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.server.guard import fingerprint
from lddu_pipe.server.problems import Problem

OURS = "a-token-of-the-tests"
THEIRS = "another-token-of-the-tests"
VERDICT = {"utterance": "0000", "labels": [], "reviewer": "Ana"}


@pytest.fixture
def reviewed(serve):
    """A server with one job that is done, and the path of its annotation."""
    client = serve(tokens=(OURS, THEIRS))
    job = client.finished(client.upload(b"well", "talk.wav").json()["id"])
    return client, f"/v1/annotations/{job['id']}"


def in_force(client, path):
    return client.get(f"{path}/corrections").json()["in_force"]


def test_what_can_be_reviewed_is_listed(reviewed):
    client, path = reviewed
    bad = client.upload(b"BAD", "broken.wav").json()["id"]
    client.finished(bad)
    found = client.get("/v1/annotations").json()
    assert found["labels"] == ["happy"]
    failed, done = found["items"]
    assert done["id"] == path.split("/")[-1]
    assert done["name"] == "talk.wav"
    assert done["present"] == {"happy": 1}
    assert (done["utterances"], done["judged"], done["abstained"]) == (1, 0, 0)
    assert done["media"] is True
    assert failed["state"] == "failed"
    assert "broken.wav" in failed["error"]
    assert client.get(f"/v1/annotations/{bad}").status_code == 409


def test_the_annotation_is_the_contract(reviewed):
    client, path = reviewed
    result = client.get(path.replace("annotations", "jobs") + "/result")
    assert client.get(path).content == result.content


def test_a_correction_is_kept_undone_and_made_again(reviewed):
    client, path = reviewed
    made = client.post(f"{path}/corrections", json=VERDICT | {"comment": "tired"})
    assert made.status_code == 201
    first = made.json()
    assert first["labels"] == []
    assert first["model"]["decisions"] == {"happy": "present"}
    assert in_force(client, path) == [first]
    second = client.post(
        f"{path}/corrections",
        json=VERDICT
        | {"labels": ["happy"], "start": 0.5, "end": 2.0, "replaces": first["number"]},
    ).json()
    assert (second["start"], second["end"]) == (0.5, 2.0)
    assert (second["model_start"], second["model_end"]) == (0.0, 3.1)
    undone = client.delete(f"{path}/corrections/{second['number']}").json()
    assert undone["in_force"]["number"] == first["number"]
    assert client.delete(f"{path}/corrections/{first['number']}").json() == {"in_force": None}
    assert in_force(client, path) == []
    history = client.get(f"{path}/corrections").json()["history"]
    assert len(history) == 2
    assert all(item["undone"] for item in history)


def test_who_comes_second_is_told(reviewed):
    client, path = reviewed
    client.post(f"{path}/corrections", json=VERDICT)
    late = client.post(f"{path}/corrections", json=VERDICT | {"reviewer": "Ben"})
    assert late.status_code == 409
    assert "Ana" in late.json()["detail"]
    assert [item["reviewer"] for item in in_force(client, path)] == ["Ana"]
    assert client.delete(f"{path}/corrections/999").status_code == 409


def test_an_annotation_that_was_made_anew_is_not_corrected(reviewed):
    client, path = reviewed
    created = client.get(path).json()["provenance"]["created"]
    old = VERDICT | {"annotated": "2020-01-01T00:00:00+00:00"}
    answer = client.post(f"{path}/corrections", json=old)
    assert answer.status_code == 409
    assert "annotated anew" in answer.json()["detail"]
    assert in_force(client, path) == []
    now = VERDICT | {"annotated": created}
    assert client.post(f"{path}/corrections", json=now).status_code == 201


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"labels": ["joy"]}, "joy"),
        ({"labels": ["happy", "happy"]}, "twice"),
        ({"utterance": "9999"}, "9999"),
        ({"start": 2.0, "end": 1.0}, "span"),
        ({"start": 0.0, "end": 1e9}, "span"),
        ({"start": -1.0, "end": 1.0}, "start"),
        ({"start": 1.0}, "both"),
        ({"comment": "x" * 2001}, "comment"),
        ({"reviewer": ""}, "reviewer"),
        ({"reviewer": "   "}, "reviewer"),
        ({"more": 1}, "more"),
    ],
)
def test_what_is_wrong_is_named(reviewed, change, named):
    client, path = reviewed
    answer = client.post(f"{path}/corrections", json=VERDICT | change)
    assert answer.status_code == 422
    assert named in answer.text
    assert in_force(client, path) == []


@pytest.mark.parametrize("field", ["comment", "reviewer", "utterance"])
def test_half_a_character_is_refused(reviewed, field):
    client, path = reviewed
    content = json.dumps(VERDICT | {field: "a\ud800"})
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"{path}/corrections", content=content, headers=headers)
    assert answer.status_code == 422


def test_what_others_own_does_not_exist(reviewed):
    client, path = reviewed
    number = client.post(f"{path}/corrections", json=VERDICT).json()["number"]
    theirs = {"headers": {"Authorization": f"Bearer {THEIRS}"}}
    assert client.get("/v1/annotations", **theirs).json()["items"] == []
    assert client.get("/v1/queue", **theirs).json()["next"] == []
    assert client.get(path, **theirs).status_code == 404
    assert client.post(f"{path}/media", **theirs).status_code == 404
    assert client.get(f"{path}/corrections", **theirs).status_code == 404
    assert client.post(f"{path}/corrections", json=VERDICT, **theirs).status_code == 404
    assert client.delete(f"{path}/corrections/{number}", **theirs).status_code == 404
    assert client.get("/v1/corrections.zip", **theirs).status_code == 404
    assert len(in_force(client, path)) == 1


def test_media_is_shown_by_a_link_and_in_parts(reviewed):
    client, path = reviewed
    link = client.post(f"{path}/media").json()
    assert link["kind"] == "audio"
    del client.headers["Authorization"]
    answer = client.get(link["url"])
    assert answer.content == b"well"
    assert answer.headers["content-type"] == "audio/x-wav"
    assert "sandbox" in answer.headers["content-security-policy"]
    part = client.get(link["url"], headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"el")
    *start, last = link["url"]
    guessed = "".join(start) + ("-" if last != "-" else "_")
    assert client.get(guessed).status_code == 404
    assert client.get("/v1/media/x").status_code == 404


def test_media_that_is_a_page_is_shown_as_bytes(serve):
    client = serve()
    job = client.finished(client.upload(b"<script>", "page.svg").json()["id"])
    link = client.post(f"/v1/annotations/{job['id']}/media").json()
    answer = client.get(link["url"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_media_that_was_deleted_is_said_to_be(serve, wait_for):
    client = serve(keep_media=0.0)
    job = client.finished(client.upload().json()["id"])
    path = f"/v1/annotations/{job['id']}"
    wait_for(lambda: client.post(f"{path}/media").status_code == 404)
    assert "not there any more" in client.post(f"{path}/media").json()["detail"]
    assert client.get("/v1/annotations").json()["items"][0]["media"] is False


def test_the_queue_offers_what_was_not_judged(reviewed):
    client, path = reviewed
    offered = client.get("/v1/queue").json()["next"]
    assert [(item["utterance"], item["name"]) for item in offered] == [("0000", "talk.wav")]
    assert offered[0]["item"] == path.split("/")[-1]
    client.post(f"{path}/corrections", json=VERDICT)
    assert client.get("/v1/queue").json()["next"] == []
    assert client.get("/v1/annotations").json()["items"][0]["judged"] == 1


def test_an_export_is_a_manifest_with_its_media(reviewed, tmp_path):
    client, path = reviewed
    assert client.get("/v1/corrections.zip").status_code == 404
    client.post(f"{path}/corrections", json=VERDICT | {"labels": ["happy"]})
    answer = client.get("/v1/corrections.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="corrections.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path / "export")
    (row,) = read_manifest(tmp_path / "export" / "corrections.jsonl")
    assert row.audio is not None
    assert row.audio.read_bytes() == b"well"
    assert row.labels == {"happy": 1.0}
    assert (row.start, row.end, row.text) == (0.0, 3.1, "well")


def test_corrections_survive_a_restart_and_go_with_their_job(serve):
    client = serve()
    first = client.finished(client.upload(b"well").json()["id"])["id"]
    again = client.finished(client.upload(b"well").json()["id"])["id"]
    client.post(f"/v1/annotations/{first}/corrections", json=VERDICT)
    client.stop()
    client = serve()
    # The same media, annotated twice: what was said of it belongs to both.
    assert len(in_force(client, f"/v1/annotations/{again}")) == 1
    client.delete(f"/v1/jobs/{first}")
    assert len(in_force(client, f"/v1/annotations/{again}")) == 1
    client.delete(f"/v1/jobs/{again}")
    third = client.finished(client.upload(b"well").json()["id"])["id"]
    assert in_force(client, f"/v1/annotations/{third}") == []


def test_agreement_is_estimated(reviewed):
    client, path = reviewed
    before = client.get("/v1/agreement").json()
    assert before["utterances"] == 1
    assert before["judged"] == 0
    client.post(f"{path}/corrections", json=VERDICT)
    assert client.get("/v1/agreement").json()["judged"] == 1


def test_a_damaged_annotation_is_told_without_its_path(serve, tmp_path):
    client = serve()
    job = client.finished(client.upload().json()["id"])
    path = f"/v1/annotations/{job['id']}"
    result = tmp_path / "data" / "jobs" / path.rsplit("/", maxsplit=1)[-1] / "result.json"
    result.write_text("{")
    client.stop()
    client = serve()
    answer = client.get(f"{path}/corrections")
    assert answer.status_code == 409
    assert str(tmp_path) not in answer.text
    assert "damaged" in client.get("/v1/annotations").json()["items"][0]["error"]
    assert client.get("/v1/queue").json()["next"] == []


def test_a_result_that_is_damaged_while_it_is_served_is_told_without_its_path(reviewed, tmp_path):
    client, path = reviewed
    assert client.get(f"{path}/corrections").status_code == 200
    result = tmp_path / "data" / "jobs" / path.split("/")[-1] / "result.json"
    result.write_text("{")
    answer = client.post(f"{path}/corrections", json=VERDICT)
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text
    assert client.delete(path.replace("annotations", "jobs")).status_code == 204
    assert client.get(path).status_code == 404


@pytest.fixture
def folder(tmp_path, said):
    """The output of a batch of one file, which is open."""
    source, output = tmp_path / "private" / "talk.wav", tmp_path / "out"
    source.parent.mkdir()
    source.write_bytes(b"well")
    output.mkdir()
    annotation = said("well", str(source))
    annotation.save(output / "talk.json")
    state = source.stat()
    item = {"key": str(source), "name": "talk", "source": str(source), "transcript": None}
    item |= {"size": state.st_size, "version": str(state.st_mtime_ns)}
    with Ledger(output / "ledger.sqlite") as ledger:
        ledger.add([item])
        ledger.start(str(source))
        ledger.finish(
            str(source),
            config="a",
            sha256=annotation.media.sha256,
            outputs=["talk.json"],
            statistics=statistics_of(annotation),
            seconds=1.0,
        )
    with AnnotatedFolder(output) as opened:
        yield opened


def test_a_folder_is_reviewed_by_all_and_tells_nothing_of_the_machine(serve, folder, tmp_path):
    client = serve(tokens=(OURS, THEIRS), reviewed=folder)
    (item,) = client.get("/v1/annotations").json()["items"]
    assert (item["source"], item["name"], item["media"]) == ("folder", "talk.wav", True)
    path = f"/v1/annotations/{item['id']}"
    annotation = client.get(path)
    assert annotation.json()["media"]["path"] == "talk.wav"
    assert client.post(f"{path}/corrections", json=VERDICT).status_code == 201
    theirs = {"headers": {"Authorization": f"Bearer {THEIRS}"}}
    found = client.get(f"{path}/corrections", **theirs)
    assert len(found.json()["in_force"]) == 1
    for answer in (annotation, found, client.get("/v1/annotations"), client.get("/v1/queue")):
        assert str(tmp_path) not in answer.text
    assert (folder.path / "corrections.sqlite").exists()


def test_a_link_is_for_the_file_that_was_annotated(serve, folder, tmp_path):
    client = serve(reviewed=folder)
    (item,) = client.get("/v1/annotations").json()["items"]
    link = client.post(f"/v1/annotations/{item['id']}/media").json()["url"]
    assert client.get(link).content == b"well"
    (tmp_path / "private" / "talk.wav").write_bytes(b"something else")
    assert client.get(link).status_code == 404
    assert client.post(f"/v1/annotations/{item['id']}/media").status_code == 404


def test_what_was_said_of_a_damaged_job_goes_with_it(serve, tmp_path):
    client = serve()
    job = client.finished(client.upload().json()["id"])["id"]
    client.post(f"/v1/annotations/{job}/corrections", json=VERDICT | {"comment": "my secret"})
    client.stop()
    (tmp_path / "data" / "jobs" / job / "result.json").unlink()
    client = serve()
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    client.stop()
    assert b"my secret" not in (tmp_path / "data" / "corrections.sqlite").read_bytes()


def test_nothing_is_said_of_a_job_that_is_deleted_meanwhile(reviewed, monkeypatch):
    client, path = reviewed
    add = CorrectionStore.add

    def add_too_late(*arguments, **options):
        assert client.delete(path.replace("annotations", "jobs")).status_code == 204
        return add(*arguments, **options)

    monkeypatch.setattr(CorrectionStore, "add", add_too_late)
    assert client.post(f"{path}/corrections", json=VERDICT).status_code == 404
    assert client.get("/v1/corrections.zip").status_code == 404


@pytest.mark.parametrize(("code", "status"), [("FULL", 507), ("BUSY", 503)])
def test_a_store_that_cannot_be_written_is_no_defect(reviewed, monkeypatch, code, status):
    client, path = reviewed

    def fail(*arguments, **options):
        error = sqlite3.OperationalError("somewhere on the disk")
        error.sqlite_errorcode = getattr(sqlite3, f"SQLITE_{code}")
        raise error

    monkeypatch.setattr(CorrectionStore, "add", fail)
    answer = client.post(f"{path}/corrections", json=VERDICT)
    assert answer.status_code == status
    assert "somewhere" not in answer.text


def test_an_owner_exports_one_archive_at_a_time(tmp_path, reviewed):
    client, path = reviewed
    client.post(f"{path}/corrections", json=VERDICT)
    archives = client.app.state.service.archives
    export = client.app.state.service.desk.rows(fingerprint(OURS))
    first = archives.pack("ours", export, "a.zip")
    with pytest.raises(Problem, match="429"):
        archives.pack("ours", export, "a.zip")
    other = archives.pack("theirs", export, "a.zip")

    async def send(message):
        raise OSError("the client left")

    async def receive():
        return {"type": "http.disconnect"}

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    # In a thread, since the browser of other tests has a loop in this one.
    with ThreadPoolExecutor(1) as thread:
        for response in (first, other):
            with pytest.raises(ClientDisconnect):
                thread.submit(asyncio.run, response(scope, receive, send)).result()
            assert response._file.closed
    archives.pack("ours", export, "a.zip")


def test_media_that_vanish_while_they_are_packed(reviewed, monkeypatch):
    client, path = reviewed
    client.post(f"{path}/corrections", json=VERDICT)

    def vanish(*arguments):
        raise FileNotFoundError(2, "No such file", "/data/media")

    monkeypatch.setattr("lddu_pipe.server.archives.write_archive", vanish)
    assert client.get("/v1/corrections.zip").status_code == 503
    monkeypatch.undo()
    assert client.get("/v1/corrections.zip").status_code == 200
