"""The attack list: what strangers may try, and what comes of it."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import re
import threading
import time
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.server.app import Access
from lddu_pipe.server.guard import Guard, fingerprint
from lddu_pipe.server.jobs import JobStore
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.listening import check_access
from lddu_pipe.server.metrics import Metrics
from lddu_pipe.server.results import MEDIA_TYPES
from lddu_pipe.writers.formats import FORMATS

OURS = "a-token-of-the-tests"
THEIRS = "another-token-of-the-tests"
HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;]]>"
HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def form(*parts: tuple[str, bytes], boundary: str = "x", end: bool = True) -> dict:
    """A form with headers exactly as they are given; clients would put them right."""
    body = b""
    for disposition, content in parts:
        body += f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
        body += content + b"\r\n"
    if end:
        body += f"--{boundary}--\r\n".encode()
    return {
        "content": body,
        "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    }


def media(name: str) -> tuple[str, bytes]:
    return f'form-data; name="media"; filename="{name}"', b"hello"


STORES = {"data/jobs.sqlite", "data/corrections.sqlite"}


def files_of(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


# Names and paths


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../../etc/cron.d/evil", "evil"),
        ("..\\..\\evil.wav", "evil.wav"),
        ("/etc/passwd", "passwd"),
        ("C:\\Windows\\evil", "evil"),
        ("..", ".."),
        ("", ""),
        ("a" * 1000 + ".wav", "a" * 196 + ".wav"),
        ("%2e%2e%2fevil", "%2e%2e%2fevil"),
        ("result.json", "result.json"),
        ("jobs.sqlite", "jobs.sqlite"),
        ("\N{RIGHT-TO-LEFT OVERRIDE}gpj.exe", "\\u202egpj.exe"),
        (HTML.replace('"', "").replace("/", ""), HTML.replace('"', "").replace("/", "")),
        ("http://169.254.169.254/latest", "latest"),
    ],
)
def test_names_never_become_paths(serve, tmp_path, name, shown):
    client = serve()
    answer = client.post("/v1/jobs", **form(media(name)))
    assert answer.status_code == 202
    job = client.finished(answer.json()["id"])
    assert job["name"] == shown
    suffix = ".json" if name == "result.json" else ""
    folder = f"jobs/{job['id']}"
    assert files_of(tmp_path) == {
        *STORES,
        *(f"data/{folder}/media{suffix}", f"data/{folder}/result.json"),
    }


@pytest.mark.parametrize(
    "job_id", ["..", "%2e%2e", "..%2f..%2fjobs.sqlite", "jobs.sqlite", "'; DROP TABLE jobs; --"]
)
def test_ids_never_become_paths(serve, job_id):
    client = serve()
    for path in ("", "/result", "/events"):
        assert client.get(f"/v1/jobs/{job_id}{path}").status_code in {404, 422}
    assert client.delete(f"/v1/jobs/{job_id}").status_code in {404, 405, 422}


def test_files_are_for_their_owner_alone(serve, tmp_path):
    client = serve()
    client.finished(client.upload().json()["id"])
    for folder in (tmp_path / "data", tmp_path / "data" / "jobs"):
        assert folder.stat().st_mode & 0o077 == 0


# Sizes


def test_an_upload_that_says_it_is_too_large_is_refused_unread(serve, annotator):
    client = serve(upload=1000, transcript=1000)
    answer = client.upload(b"a" * 100_000)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("part", ["media", "transcript"])
def test_each_file_has_a_limit(serve, tmp_path, part):
    client = serve(upload=1000, transcript=500)
    most = {"media": 1000, "transcript": 500}[part]
    files = {"media": ("a.wav", b"a"), "transcript": ("a.txt", b"a")}
    assert client.upload(files=files | {part: ("a.txt", b"a" * most)}).status_code == 202
    answer = client.upload(files=files | {part: ("a.txt", b"a" * (most + 1))})
    assert answer.status_code == 413
    assert part in answer.json()["detail"]
    assert not list((tmp_path / "data" / "arriving").iterdir())


def flood(connection, *first: bytes) -> int:
    """Send chunks until the server has enough of it; the bytes, some of them left in buffers."""
    sent = 0
    try:
        for content in (*first, *[b"a" * 65536] * 2000):
            connection.sendall(b"%x\r\n%s\r\n" % (len(content), content))
            sent += len(content)
    except OSError:  # reset or closed, as the system likes
        pass
    return sent


@pytest.mark.slow
def test_an_endless_upload_is_cut_off(spawn):
    server = spawn(upload=2_000_000)
    connection = server.connect()
    head = form(media("endless.wav"), end=False)
    connection.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    assert flood(connection, head["content"].rstrip()) < 40_000_000
    with server.client() as client:
        assert client.get("/v1/jobs").json()["jobs"] == []
    assert not list((server.data / "arriving").iterdir())


@pytest.mark.slow
def test_an_endless_body_without_a_token_is_not_read(spawn):
    server = spawn(OURS)
    connection = server.connect()
    connection.sendall(
        b"POST /v1/text HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert flood(connection) < 40_000_000


def test_texts_and_their_bodies_are_limited(serve):
    client = serve(body=1000)
    client.loaded()
    assert client.post("/v1/text", json={"text": "a" * 2000}).status_code == 413

    def endless():
        for _ in range(100):
            yield b" " * 100

    assert client.post("/v1/text", content=endless()).status_code == 413


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 200_000,
        b'{"text":' * 50_000,
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"text": 1e999}',
        b'{"text": ' + b"9" * 100_000 + b"}",
        b"\x00",
    ],
)
def test_bodies_that_are_no_sound_json_are_refused(serve, content):
    client = serve()
    client.loaded()
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/text", content=content, headers=headers)
    assert answer.status_code in {400, 413, 422}
    assert answer.headers["content-type"] == "application/problem+json"


FIELD = 'form-data; name="{}"'


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (form(), 422),
        (form(("form-data", b"")), 422),
        (form(media("a"), media("b")), 422),
        (form(media("a"), end=False), 422),
        (form(('form-data; name="media"; filename="a"', b"")), 422),
        (form(media("a"), (FIELD.format("url"), b"http://localhost/")), 422),
        (form(media("a"), (FIELD.format("fps"), b"nan")), 422),
        (form(media("a"), (FIELD.format("fps"), b"1e9")), 422),
        (form(media("a"), (FIELD.format("fps"), b"5" * 100_000)), 422),
        (form(media("a"), ('form-data; name="transcript"; filename="a.exe"', b"a")), 422),
        (form(*[(FIELD.format(f"a{number}"), b"") for number in range(10_000)]), 422),
        (form((f'form-data; name="media"; filename="{"a" * 100_000}"', b"hello")), 422),
        ({"content": b"garbage" * 1000, "headers": form()["headers"]}, 422),
        ({"content": b"", "headers": form()["headers"]}, 422),
        ({"content": b"a", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"content": b"a", "headers": {"Content-Type": "multipart/form-data"}}, 415),
        ({"content": b"a", "headers": form(boundary="x" * 5000)["headers"]}, 415),
        ({"content": b"a"}, 415),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "form",
)
def test_broken_forms_are_refused_and_leave_nothing(serve, tmp_path, sent, status):
    client = serve()
    answer = client.post("/v1/jobs", **sent)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert files_of(tmp_path) == STORES
    assert not list((tmp_path / "data" / "arriving").iterdir())


def test_a_client_has_a_limit_of_jobs_and_others_do_not_feel_it(serve, annotator):
    client = serve(tokens=(OURS, THEIRS), waiting=2)
    assert [client.upload(b"WAIT").status_code for _ in range(3)] == [202, 202, 429]
    other = {"Authorization": f"Bearer {THEIRS}"}
    assert client.upload(headers=other).status_code == 202


def test_requests_are_counted(serve):
    client = serve(requests=5)
    answers = [client.get("/v1/jobs") for _ in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


def test_requests_at_once_are_limited(serve, annotator, wait_for, monkeypatch):
    guards = []

    class Watched(Guard):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            guards.append(self)

    monkeypatch.setattr("lddu_pipe.server.app.Guard", Watched)
    client = serve(tokens=(OURS, THEIRS), parallel=2)
    job_id = client.upload(b"WAIT").json()["id"]
    client.runs(job_id)
    watching = [
        threading.Thread(target=client.get, args=(f"/v1/jobs/{job_id}/events",)) for _ in range(2)
    ]
    for thread in watching:
        thread.start()
    (guard,) = guards
    wait_for(lambda: guard._active[fingerprint(OURS)] == 2)
    assert client.get("/v1/jobs").status_code == 429
    other = {"Authorization": f"Bearer {THEIRS}"}
    assert client.get("/v1/jobs", headers=other).status_code == 200
    annotator.gate.set()
    for thread in watching:
        thread.join()
    assert client.get("/v1/jobs").status_code == 200


# Who calls


@pytest.mark.parametrize("authorization", ["", f"Bearer {OURS}"])
def test_what_is_no_http_is_not_let_by_unchecked(authorization, tmp_path):
    reached = []

    async def app(scope, receive, send):
        reached.append(scope["type"])
        await send({"type": "websocket.accept"})

    metrics = Metrics(JobStore(tmp_path / "jobs.sqlite"))
    guard = Guard(app, tokens=(OURS,), origins=(), limits=Limits(), metrics=metrics)
    headers = {"Authorization": authorization}
    with (
        pytest.raises(WebSocketDenialResponse) as refusal,
        TestClient(guard).websocket_connect("/v1/jobs", headers=headers),
    ):
        pass
    assert refusal.value.status_code == 404
    with pytest.raises(ValueError, match="nobody checks"):
        guard({"type": "carrier pigeon"}, None, None).send(None)
    assert reached == []


@pytest.mark.parametrize(
    "authorization",
    [
        *("", "Bearer", "Bearer ", "Bearer wrong", f"Basic {OURS}", OURS),
        *(f"Bearer {OURS[:-1]}", f"Bearer {OURS}x", f"Bearer {OURS.upper()}", "Bearer \xff\xfe"),
    ],
)
def test_wrong_tokens_open_nothing(serve, authorization):
    client = serve(tokens=(OURS,))
    headers = {"Authorization": authorization.encode("latin-1")}
    paths = ["/v1/jobs", "/v1/jobs/6f1c2f0e-5d0b-4c57-9a3e-0b6a3f1d2c4b", "/metrics", "/v1/none"]
    for path in paths:
        answer = client.get(path, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.upload(headers=headers).status_code == 401
    assert client.get("/health", headers=headers).status_code == 200


def test_tokens_are_compared_in_constant_time_and_all_of_them(serve, monkeypatch):
    compared = []
    compare = hmac.compare_digest

    def watch(one, other):
        compared.append((len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watch)
    client = serve(tokens=(OURS, THEIRS))
    assert client.get("/v1/jobs").status_code == 200
    assert compared == [(32, 32), (32, 32)]  # digests: no length is told either


def test_guessing_is_slowed_down(serve):
    client = serve(tokens=(OURS,), refusals=5)
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [client.get("/v1/jobs", headers=wrong).status_code for _ in range(7)]
    assert statuses == [401] * 5 + [429] * 2


def test_ids_of_others_are_as_those_that_do_not_exist(serve):
    client = serve(tokens=(OURS, THEIRS))
    job_id = client.finished(client.upload().json()["id"])["id"]
    theirs = {"Authorization": f"Bearer {THEIRS}"}
    nobody = "6f1c2f0e-5d0b-4c57-9a3e-0b6a3f1d2c4b"
    for path in ("", "/result", "/events"):
        answers = [
            client.get(f"/v1/jobs/{found}{path}", headers=theirs) for found in (job_id, nobody)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].content == answers[1].content
    assert client.delete(f"/v1/jobs/{job_id}", headers=theirs).status_code == 404
    assert client.get("/v1/jobs", headers=theirs).json()["jobs"] == []
    assert client.get(f"/v1/jobs?before={job_id}", headers=theirs).status_code == 404
    assert client.job(job_id)["state"] == "done"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f-]{16}", job_id)


def test_tokens_are_not_on_the_disk(serve, tmp_path):
    client = serve(tokens=(OURS,))
    client.finished(client.upload().json()["id"])
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or OURS.encode() not in path.read_bytes()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.org", ""])
def test_without_a_token_only_this_machine_is_listened_to(host):
    with pytest.raises(UnusableInputError, match="give a --token"):
        check_access(host, Access())
    check_access(host, Access((OURS,)))
    for local in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        check_access(local, Access())


def test_a_short_token_is_refused():
    with pytest.raises(UnusableInputError, match="at least 16"):
        check_access("127.0.0.1", Access((OURS, "short")))
    assert OURS not in repr(Access((OURS,)))


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil", ""),
        *(
            "[",
            "[::1",
            "a]b",
            "localhost@evil.example",
            "evil.example/localhost",
            "127.0.0.1,evil",
        ),
    ],
)
def test_a_name_that_is_pointed_at_this_machine_is_refused(serve, host):
    assert serve().get("/v1/jobs", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:8000", "[::1]:8000"])
def test_this_machine_has_several_names(serve, host):
    assert serve().get("/v1/jobs", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "http://[", ""],
)
def test_pages_from_elsewhere_may_not_call(serve, annotator, origin):
    client = serve()
    answer = client.upload(headers={"Origin": origin})
    assert answer.status_code == 403
    preflight = client.options(
        "/v1/jobs", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
    )
    for found in (answer, preflight):
        assert not any(name.startswith("access-control") for name in found.headers)
    assert preflight.status_code == 403
    assert client.get("/v1/jobs").json()["jobs"] == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_a_page_from_elsewhere_embeds_is_not_fetched(serve, site):
    """As a picture, say: a browser names no origin then."""
    client = serve()
    fetched = {"headers": {"Sec-Fetch-Site": site}}
    for path in ("/v1/jobs", "/v1/corrections.zip", "/v1/queue", "/metrics"):
        assert client.get(path, **fetched).status_code == 403
    # A link that leads to the page is none of it.
    assert client.get("/", **fetched).status_code == 200
    for own in ("none", "same-origin"):
        assert client.get("/v1/jobs", headers={"Sec-Fetch-Site": own}).status_code == 200


def test_a_page_that_is_let_in_may_call(serve):
    origin = "http://localhost:9000"
    client = serve(tokens=(OURS,), origins=(origin,))
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    # A browser asks without the token.
    preflight = client.options("/v1/jobs", headers=asked | {"Authorization": ""})
    assert preflight.status_code == 200
    answer = client.upload(headers={"Origin": origin})
    assert answer.status_code == 202
    for found in (preflight, answer):
        assert found.headers["access-control-allow-origin"] == origin
    refused = client.get("/v1/jobs", headers={"Origin": origin, "Authorization": "Bearer wrong"})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == origin
    other = client.get("/v1/jobs", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


# Slow clients


def answer_of(connection) -> bytes:
    """All that comes until the server closes."""
    found = b""
    try:
        while piece := connection.recv(65536):
            found += piece
    except ConnectionResetError:
        pass
    return found


@pytest.mark.slow
@pytest.mark.xdist_group("slow clients")
@pytest.mark.parametrize("sent", [b"", b"GET /v1/jobs HTTP/1.1\r\nHost: loc"])
def test_headers_that_never_end_are_given_up(impatient, sent):
    connection = impatient.connect()
    connection.sendall(sent)
    begun = time.monotonic()
    assert answer_of(connection) == b""
    assert time.monotonic() - begun < 10


@pytest.mark.slow
@pytest.mark.xdist_group("slow clients")
def test_an_upload_that_stalls_is_given_up(impatient):
    connection = impatient.connect()
    connection.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    begun = time.monotonic()
    found = answer_of(connection)
    assert found.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - begun < 10
    assert not list((impatient.data / "arriving").iterdir())


@pytest.mark.slow
@pytest.mark.xdist_group("slow clients")
def test_an_upload_that_trickles_is_given_up(impatient):
    connection = impatient.connect()
    connection.sendall(
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        b'--x\r\nContent-Disposition: form-data; name="media"; filename="a"\r\n\r\n'
    )
    begun = time.monotonic()
    connection.settimeout(0.2)
    found = b""
    while not found and time.monotonic() - begun < 10:
        connection.sendall(b"-")
        try:
            found = connection.recv(65536)
        except TimeoutError:
            continue
    assert found.startswith(b"HTTP/1.1 408 ")


@pytest.mark.slow
@pytest.mark.xdist_group("slow clients")
def test_many_idle_clients_keep_nobody_out_for_long(impatient, wait_for):
    idle = [impatient.connect() for _ in range(40)]

    def answered() -> bool:
        with impatient.client() as client:
            return client.get("/health").status_code == 200

    wait_for(answered)
    for connection in idle:
        connection.close()


@pytest.mark.alone
@pytest.mark.slow
def test_an_answer_that_is_not_taken_is_given_up(spawn, wait_for):
    server = spawn(stall=1)
    with server.client() as client:
        job_id = client.post("/v1/jobs", files={"media": ("a", b"hello")}).json()["id"]
        wait_for(lambda: client.get(f"/v1/jobs/{job_id}").json()["state"] == "done")
    connection = server.connect()
    connection.settimeout(1)
    path = f"/v1/jobs/{job_id}/result?format=html"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    # Pages by the hundred fill all buffers; nobody reads them.
    requests = 500
    with contextlib.suppress(OSError):
        connection.sendall(request * requests)
    # Only a connection that the server has taken up can be seen to be given up.
    begun = connection.recv(12)
    host = psutil.Process(server.process.pid)
    wait_for(lambda: not host.net_connections("tcp")[1:])
    connection.settimeout(20)
    assert (begun + answer_of(connection)).count(b"HTTP/1.1 200") < requests


# What is in files and texts


def test_html_in_words_and_names_is_escaped_everywhere(serve):
    client = serve()
    answer = client.upload(HTML.encode(), "<script>alert(1)<")
    job = client.finished(answer.json()["id"])
    for item in MEDIA_TYPES:
        result = client.get(f"/v1/jobs/{job['id']}/result", params={"format": item})
        assert result.status_code == 200
        assert result.headers["content-disposition"] == (
            f'attachment; filename="{job["id"]}{FORMATS[item].suffix}"'
        )
        assert result.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in result.headers["content-security-policy"]
        if item in {"html", "eaf", "vtt"}:
            assert "<script>alert" not in result.text
            assert "<img" not in result.text
    for path in (
        f"/v1/jobs/{job['id']}",
        "/v1/jobs",
        "/v1/jobs/<script>",
        "/<script>",
        "/annotations/<script>",
    ):
        found = client.get(path)
        assert found.headers["content-type"] in {"application/json", "application/problem+json"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", b"GIF89a/*" + HTML.encode()),
        ("a.wav", b"\xff\xd8\xff\xe0<?php system('id'); ?>"),
        ("a.mp4", b"#!/bin/sh\ntouch hacked\n"),
        ("a.mp4", b"PK\x03\x04" + b"../evil" * 10),
        ("a.mp4", b"#EXTM3U\nhttp://localhost/\n"),
    ],
)
def test_polyglot_files_are_kept_and_given_as_bytes(serve, tmp_path, name, content):
    client = serve()
    job = client.finished(client.upload(content, name).json()["id"])
    folder = tmp_path / "data" / "jobs" / job["id"]
    kept = folder / "media"
    assert kept.read_bytes() == content
    assert kept.stat().st_mode & 0o111 == 0
    for path in ("media", "files", "media.wav"):
        assert client.get(f"/v1/jobs/{job['id']}/{path}").status_code == 404
    # The one way to it is a link that its owner asked for, and no script runs in what comes.
    link = client.post(f"/v1/annotations/{job['id']}/media").json()["url"]
    answer = client.get(link)
    kind = answer.headers["content-type"]
    assert kind == "application/octet-stream" or kind.startswith(("video/", "audio/"))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_results_tell_nothing_of_this_machine(serve, tmp_path):
    client = serve()
    job = client.finished(client.upload(name="talk.wav").json()["id"])
    for item in MEDIA_TYPES:
        result = client.get(f"/v1/jobs/{job['id']}/result", params={"format": item})
        for place in (tmp_path, Path.cwd()):
            assert str(place).encode() not in result.content
            assert str(place)[1:].encode() not in result.content
    failed = client.finished(client.upload(b"BAD").json()["id"])
    assert "/" not in failed["error"]


def test_every_answer_has_its_headers(serve):
    client = serve()
    job = client.finished(client.upload().json()["id"])
    answers = [
        *(client.get(path) for path in ("/health", "/ready", "/metrics", "/openapi.json", "/no")),
        client.get(f"/v1/jobs/{job['id']}/result"),
        client.get("/v1/jobs", headers={"Host": "evil.example"}),
        client.put("/v1/jobs"),
        client.get(f"/v1/jobs/{job['id']}/events"),
    ]
    for answer in answers:
        for name, value in HEADERS.items():
            if name != "cache-control" or "event-stream" not in answer.headers["content-type"]:
                assert answer.headers[name] == value, answer.request.url
        assert "server" not in answer.headers


def test_logs_hold_no_names_and_no_words(serve, caplog):
    caplog.set_level(logging.DEBUG, "lddu_pipe")
    client = serve(tokens=(OURS,))
    job = client.finished(client.upload(b"private words", "private.wav").json()["id"])
    client.finished(client.upload(b"BUG private").json()["id"])
    client.post("/v1/text", json={"text": "private words"})
    client.get("/v1/jobs?private=1")
    client.get("/private")
    client.get("/v1/jobs", headers={"Authorization": "Bearer private"})
    ours = [record for record in caplog.records if record.levelno >= logging.INFO]
    text = "\n".join(record.getMessage() for record in ours)
    assert "GET /v1/jobs/{job_id} 200 " in text
    assert f"job {job['id']}" in text
    assert "POST /v1/text 200" in text
    for secret in ("private", "secret", OURS):
        assert secret not in text


def test_a_name_adds_no_header_and_no_field(serve, tmp_path):
    client = serve()
    name = 'a.wav"\r\nX-Evil: 1\r\n\r\nevil\r\n--x\r\nContent-Disposition: form-data; name="url'
    assert client.post("/v1/jobs", **form(media(name))).status_code == 422
    assert files_of(tmp_path) == STORES


def test_limits_have_sound_defaults():
    limits = Limits()
    assert limits.time_to_send(0) == limits.stall
    assert limits.time_to_send(limits.upload) > 3600
    assert json.dumps(asdict(limits))
