"""What a server promises when it is killed, and when many come at once."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TOKEN = "a-token-of-the-tests"

pytestmark = pytest.mark.slow


def ended(client, job_id, wait_for):
    """The job, once it has ended."""
    path = f"/v1/jobs/{job_id}"
    wait_for(lambda: client.get(path).json()["state"] in {"done", "failed"}, 60)
    return client.get(path).json()


def peak_memory(process_id: int) -> int:
    """Bytes of a process's memory when it had most."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def test_a_server_that_is_killed_does_every_job_once(spawn, wait_for):
    server = spawn()
    ids = []
    for number in range(4):
        with server.client() as client:
            words = f"words {number}".encode()
            ids.append(client.post("/v1/jobs", files={"media": ("a.wav", words)}).json()["id"])
    for _ in range(2):
        with server.client() as client:
            wait_for(lambda: client.get("/v1/jobs?state=running").json()["jobs"])
        server.kill()
        server.start()
    with server.client() as client:
        for number, job_id in enumerate(ids):
            assert ended(client, job_id, wait_for)["state"] == "done"
            result = client.get(f"/v1/jobs/{job_id}/result").json()
            assert result["utterances"][0]["text"] == f"words {number}"
    # Those that were cut short left no word of it; each was done to the end one time.
    assert sorted(server.annotated()) == sorted(ids)


def test_an_upload_that_is_cut_short_leaves_nothing(spawn, wait_for):
    server = spawn()
    arriving = server.data / "arriving"
    connection = server.connect()
    head = (
        "POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="media"; filename="a"\r\n\r\nhalf'
    )
    connection.sendall(head.encode())
    wait_for(lambda: list(arriving.iterdir()))
    connection.close()
    wait_for(lambda: not list(arriving.iterdir()))
    connection = server.connect()
    connection.sendall(head.encode())
    wait_for(lambda: list(arriving.iterdir()))
    server.kill()
    assert list(arriving.iterdir())
    server.start()
    with server.client() as client:
        assert client.get("/v1/jobs").json()["jobs"] == []
    assert not list(arriving.iterdir())


@pytest.mark.alone
def test_a_server_that_is_told_to_stop_puts_its_job_back(spawn, wait_for):
    server = spawn()
    with server.client() as client:
        job_id = client.post("/v1/jobs", files={"media": ("a.wav", b"words")}).json()["id"]
        wait_for(lambda: client.get("/v1/jobs?state=running").json()["jobs"])
    begun = time.monotonic()
    server.end()
    assert time.monotonic() - begun < 10
    server.start()
    with server.client() as client:
        assert ended(client, job_id, wait_for)["attempts"] == 1
    assert server.annotated() == [job_id]


def test_twenty_uploads_at_once(spawn, wait_for):
    """All end, none is mixed up, and they go to the disk and not into memory."""
    size, uploads = 10_000_000, 20
    server = spawn(TOKEN)
    before = peak_memory(server.process.pid)

    def send(number: int) -> str:
        words = f"words {number:02d} ".encode().ljust(size, b".")
        with server.client() as client:
            answer = client.post("/v1/jobs", files={"media": (f"{number}.wav", words)})
            assert answer.status_code == 202, answer.text
            return answer.json()["id"]

    with ThreadPoolExecutor(uploads) as pool:
        ids = list(pool.map(send, range(uploads)))
    assert len(set(ids)) == uploads
    with server.client() as client:
        for number, job_id in enumerate(ids):
            job = ended(client, job_id, wait_for)
            assert (job["state"], job["name"], job["size"]) == ("done", f"{number}.wav", size)
            result = client.get(f"/v1/jobs/{job_id}/result").json()
            assert result["media"]["path"] == f"{number}.wav"
            assert result["utterances"][0]["text"].startswith(f"words {number:02d} ")
    assert sorted(server.annotated()) == sorted(ids)
    grown = peak_memory(server.process.pid) - before
    print(f"memory grew by {grown / 1e6:.0f} MB for {uploads * size / 1e6:.0f} MB")
    assert grown < 100e6
