from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lddu_pipe.annotation import Annotation
from lddu_pipe.server.jobs import JobStore
from lddu_pipe.server.results import MEDIA_TYPES
from lddu_pipe.writers.formats import FORMATS


def test_upload_to_result(serve, annotator):
    client = serve()
    answer = client.upload(b"hello", "talk.wav")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["name"], job["size"], job["attempts"]) == ("talk.wav", 5, job["attempts"])
    job = client.finished(job["id"])
    assert (job["state"], job["error"], job["share"]) == ("done", None, None)
    result = client.get(f"/v1/jobs/{job['id']}/result")
    assert result.headers["content-type"] == "application/json"
    assert Annotation.from_json(result.content, "it").utterances[0].text == "hello"
    assert result.json()["media"]["path"] == "talk.wav"


def test_every_format(serve):
    client = serve()
    job = client.finished(client.upload().json()["id"])
    assert set(MEDIA_TYPES) == {name for name, item in FORMATS.items() if not item.of_video}
    for name, kind in MEDIA_TYPES.items():
        result = client.get(f"/v1/jobs/{job['id']}/result", params={"format": name})
        assert result.status_code == 200, name
        assert result.headers["content-type"].partition(";")[0] == kind
        assert result.headers["content-disposition"].startswith("attachment")
        assert result.content
    assert client.get(f"/v1/jobs/{job['id']}/result?format=exe").status_code == 422


def test_transcript_and_options(serve, annotator):
    client = serve()
    answer = client.upload(
        files={"transcript": ("talk.SRT", "what was said")},
        data={
            **{"fps": "2.5", "aligned": "true", "people": "2"},
            **{"audio_track": "deu", "speakers": "channels"},
        },
    )
    job = client.finished(answer.json()["id"])
    assert job["transcript"] == "talk.SRT"
    assert job["options"] == {
        **{"fps": 2.5, "window": None, "aligned": True, "people": 2},
        **{"audio_track": "deu", "video_track": None, "speakers": "channels"},
    }
    result = client.get(f"/v1/jobs/{job['id']}/result").json()
    assert result["utterances"][0]["text"] == "what was said"


def test_a_transcript_alone_keeps_its_ending(serve, annotator):
    client = serve()
    client.finished(client.upload(name="talk.vtt").json()["id"])
    assert annotator.done[0].name == "media.vtt"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"BAD", "a.wav is not a media file that can be read"),
        (b"BUG", "a defect of the server; its log says more"),
    ],
)
def test_a_job_that_fails_says_why(serve, content, error, caplog):
    client = serve()
    job = client.finished(client.upload(content).json()["id"])
    assert (job["state"], job["error"]) == ("failed", error)
    answer = client.get(f"/v1/jobs/{job['id']}/result")
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert error in answer.json()["detail"]
    assert "secret" not in caplog.text


def test_a_job_that_waits_says_how_many_are_before_it(serve, annotator):
    client = serve()
    first = client.upload(b"WAIT").json()["id"]
    second = client.upload().json()["id"]
    client.runs(first)
    job = client.get(f"/v1/jobs/{second}").json()
    assert (job["state"], job["ahead"], job["stage"]) == ("waiting", 1, None)
    assert client.get(f"/v1/jobs/{second}/result").status_code == 409
    annotator.gate.set()
    assert client.finished(second)["ahead"] == 0


def test_events_tell_of_every_change_and_end(serve, annotator):
    client = serve()
    job_id = client.upload(b"WAIT").json()["id"]
    threading.Timer(0.6, annotator.gate.set).start()
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = list(stream.iter_lines())
    jobs = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    assert {line for line in lines if line.startswith("event")} == {"event: job"}
    assert [job["state"] for job in jobs][-1] == "done"
    assert any(job["share"] == 0.5 for job in jobs)


def test_events_of_a_job_that_is_deleted_end(serve):
    client = serve()
    job_id = client.upload(b"WAIT").json()["id"]
    threading.Timer(0.4, lambda: client.delete(f"/v1/jobs/{job_id}")).start()
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as stream:
        assert "event: deleted" in list(stream.iter_lines())


def test_list_in_pages(serve):
    client = serve()
    ids = [client.upload().json()["id"] for _ in range(5)]
    client.finished(ids[-1])
    page = client.get("/v1/jobs?limit=2").json()
    assert [job["id"] for job in page["jobs"]] == ids[:2:-1]
    rest = client.get("/v1/jobs", params={"before": page["next"]}).json()
    assert [job["id"] for job in rest["jobs"]] == ids[2::-1]
    assert rest["next"] is None
    assert client.get("/v1/jobs?state=failed").json()["jobs"] == []


def test_delete_removes_files(serve, tmp_path):
    client = serve()
    job = client.finished(client.upload().json()["id"])
    folder = tmp_path / "data" / "jobs" / job["id"]
    assert folder.is_dir()
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    assert not folder.exists()
    for path in ("", "/result", "/events"):
        assert client.get(f"/v1/jobs/{job['id']}{path}").status_code == 404
    assert client.delete(f"/v1/jobs/{job['id']}").status_code == 404


def test_delete_of_a_job_that_runs_stops_it(serve, tmp_path, annotator):
    client = serve()
    job_id = client.upload(b"WAIT").json()["id"]
    other = client.upload().json()["id"]
    client.runs(job_id)
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert client.finished(other)["state"] == "done"
    assert not (tmp_path / "data" / "jobs" / job_id).exists()
    assert not annotator.gate.is_set()


def test_media_are_deleted_after_a_set_time_and_results_stay(serve, tmp_path, wait_for):
    client = serve(keep_media=0)
    job = client.finished(client.upload().json()["id"])
    folder = tmp_path / "data" / "jobs" / job["id"]
    wait_for(lambda: not client.get(f"/v1/jobs/{job['id']}").json()["media"])
    assert [path.name for path in folder.iterdir()] == ["result.json"]
    path = f"/v1/jobs/{job['id']}/result"
    made = client.get(path)
    assert made.status_code == 200
    old = client.get(f"{path}?schema=1.1")
    assert old.json()["schema_version"] == "1.1"
    # A release of that time has left its result in the folder; it knew no people.
    (folder / "result.json").write_bytes(old.content)
    known = made.json()
    utterances = [{**item, "person": None} for item in known["utterances"]]
    assert client.get(path).json() == {**known, "people": [], "utterances": utterances}
    assert client.get(f"{path}?format=jsonl&schema=1.1").text.count('"kind"') == 0


def test_text_at_once(serve, said):
    client = serve()
    client.loaded()
    answer = client.post("/v1/text", json={"text": "What wonderful news!"})
    assert answer.status_code == 200
    assert answer.json() == said("What wonderful news!").to_dict()
    old = client.post("/v1/text?schema=1.1", json={"text": "What wonderful news!"})
    assert old.json() == said("What wonderful news!").to_dict("1.1")
    assert client.post("/v1/text?schema=3", json={"text": "Well."}).status_code == 422
    assert client.post("/v1/text", json={"text": "  "}).status_code == 422
    assert client.post("/v1/text", json={"text": ""}).status_code == 422
    assert client.post("/v1/text", json={}).status_code == 422
    assert client.post("/v1/text", content=b"{").status_code == 422
    assert client.post("/v1/text", json={"text": "a" * 10_001}).status_code == 422


def test_texts_of_several_clients_share_a_pass(serve, annotator):
    client = serve()
    client.loaded()
    texts = [f"text {number}" for number in range(20)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda text: client.post("/v1/text", json={"text": text}).json(), texts)
        )
    assert [answer["utterances"][0]["text"] for answer in answers] == texts
    assert len(annotator.passes) < 20
    assert sum(map(len, annotator.passes)) == 20


def test_a_text_need_not_wait_for_media(serve, annotator):
    client = serve()
    client.loaded()
    job_id = client.upload(b"WAIT").json()["id"]
    client.runs(job_id)
    assert client.post("/v1/text", json={"text": "hello"}).status_code == 200


def test_it_is_alive_before_it_is_ready(serve, annotator):
    annotator.loading = threading.Event()
    client = serve()
    assert client.get("/health").json() == {"status": "ok"}
    for answer in (client.get("/ready"), client.post("/v1/text", json={"text": "hello"})):
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    job_id = client.upload().json()["id"]
    annotator.loading.set()
    assert client.finished(job_id)["state"] == "done"
    assert client.get("/ready").status_code == 200


def test_metrics_count_without_saying_who_or_what(serve):
    client = serve()
    job_id = client.finished(client.upload(name="private.wav").json()["id"])["id"]
    client.get("/nowhere/private")
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    lines = page.text.splitlines()
    assert 'lddu_pipe_jobs{state="done"} 1.0' in lines
    assert 'lddu_pipe_jobs_ended_total{how="done"} 1.0' in lines
    assert 'lddu_pipe_requests_total{method="POST",route="/v1/jobs",status="202"} 1.0' in lines
    assert "lddu_pipe_ready 1.0" in lines
    assert "private" not in page.text
    assert job_id not in page.text


def test_a_restart_takes_up_what_was_begun(serve, annotator, tmp_path):
    first = serve()
    job_id = first.upload(b"WAIT").json()["id"]
    other = first.upload(b"other").json()["id"]
    first.runs(job_id)
    first.stop()
    annotator.gate.set()
    second = serve()
    job = second.finished(job_id)
    assert (job["state"], job["attempts"]) == ("done", 1)
    assert second.finished(other)["state"] == "done"


def test_a_job_that_kills_the_server_is_not_tried_for_ever(serve, tmp_path):
    client = serve()
    service = client.app.state.service
    job = client.finished(client.upload().json()["id"])
    client.stop()
    # As after three deaths: begun, and no result.
    (tmp_path / "data" / "jobs" / job["id"] / "result.json").unlink()
    store = JobStore(service.folder.store)
    store._change(job["id"], "state = 'running', attempts = 3, finished = NULL", ())
    store.close()
    again = serve().finished(job["id"])
    assert again["state"] == "failed"
    assert "stopped 3 times" in again["error"]


def test_a_result_that_was_written_is_not_made_again(serve, annotator, tmp_path):
    client = serve()
    job = client.finished(client.upload().json()["id"])
    client.stop()
    store = JobStore(tmp_path / "data" / "jobs.sqlite")
    store._change(job["id"], "state = 'running', finished = NULL", ())
    store.close()
    half = tmp_path / "data" / "arriving" / "half"
    half.mkdir()
    orphan = tmp_path / "data" / "jobs" / "orphan"
    orphan.mkdir()
    assert serve().finished(job["id"])["state"] == "done"
    assert len(annotator.done) == 1
    assert not half.exists()
    assert not orphan.exists()


def test_defects_are_problems(serve, caplog):
    client = serve()
    client.app.state.service.store.close()
    answer = client.get("/v1/jobs")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "ProgrammingError" in caplog.text
    assert answer.json()["detail"] == "a defect of the server; its log says more"
