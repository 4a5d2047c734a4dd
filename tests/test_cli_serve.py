"""``lddu-pipe serve`` from the command line; tests/server has what the server does."""

from __future__ import annotations

import importlib.util
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest
from click.testing import CliRunner

from lddu_pipe.cli import loading, main
from lddu_pipe.errors import MissingAssetError
from lddu_pipe.server.folders import DataFolder

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-of-the-tests"


def serve(tmp_path, *arguments, **environment):
    command = ["serve", "--data", str(tmp_path / "data"), "--port", "0", *map(str, arguments)]
    result = CliRunner(env={"LDDU_PIPE_TOKEN": None, **environment}).invoke(main, command)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2"])
def test_it_is_not_open_to_everybody(tmp_path, host):
    assert "can be reached by others; give a --token" in serve(tmp_path, "--host", host)
    assert not (tmp_path / "data").exists()


def test_a_token_that_can_be_guessed_is_refused(tmp_path):
    assert "at least 16 characters" in serve(tmp_path, "--token", "short")
    assert "at least 16 characters" in serve(tmp_path, LDDU_PIPE_TOKEN=f"{TOKEN} short")


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        line = serve(tmp_path, "--port", taken.getsockname()[1])
    assert "cannot listen at 127.0.0.1" in line
    assert "give another --host or --port" in line


def test_a_folder_that_another_server_uses(tmp_path):
    with DataFolder(tmp_path / "data").reserved():
        assert "another server uses" in serve(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "data").write_text("a file")
    assert "cannot make the folder" in serve(tmp_path) or "is a file" in serve(tmp_path)


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path, monkeypatch):
    def load(model, **options):
        raise MissingAssetError(f"there is no model {model}")

    monkeypatch.setattr(loading, "load_pipeline", load)
    assert serve(tmp_path, "--model", "none").endswith("there is no model none")


def test_packages_that_are_missing(tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "fastapi" else find(name)
    )
    assert "pip install 'lddu-pipe[server]'" in serve(tmp_path)


@pytest.mark.slow
def test_the_real_server_annotates_and_stops(real_server, tmp_path, sample_video):
    with real_server(tmp_path / "data") as (address, _):
        example = ROOT / "examples" / "client.py"
        done = subprocess.run(
            [sys.executable, example, sample_video, "--format", "srt", "--server", address],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "I am so happy to be here today." in done.stdout
        assert re.search(r"running (look at faces|transcribe) \d+%", done.stderr)
        request = urllib.request.Request(
            f"{address}/v1/text",
            b'{"text": "What wonderful news!"}',
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as answer:
            assert b'"happy"' in answer.read()


@pytest.mark.slow
def test_a_server_is_interrupted_while_its_model_is_loaded(real_server, tmp_path):
    # Native code of a loader's thread aborts a process whose interpreter ends in its own way.
    with real_server(tmp_path / "data") as (_, process):
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "lddu-pipe: interrupted\n"


@pytest.mark.slow
def test_twenty_real_uploads_at_once(real_server, tmp_path, clip):
    """All end, each with its own words, and memory does not grow with their number."""
    clips = 20

    def send(number):
        words = f"Number {number} is what this one says."
        files = {"media": ("clip.mp4", clip.read_bytes()), "transcript": ("a.txt", words)}
        with httpx.Client(base_url=address, timeout=60) as client:
            return client.post("/v1/jobs", files=files).json()["id"]

    def ended(job_id):
        with httpx.Client(base_url=address, timeout=60) as client:
            job = {"state": "waiting"}
            while job["state"] in {"waiting", "running"}:
                time.sleep(0.2)
                job = client.get(f"/v1/jobs/{job_id}").json()
            assert job["state"] == "done", job["error"]
            result = client.get(f"/v1/jobs/{job_id}/result").json()
        return " ".join(item["text"] for item in result["utterances"])

    with real_server(tmp_path / "data") as (address, process):
        host = psutil.Process(process.pid)
        memory = []
        for _ in range(4):
            with ThreadPoolExecutor(clips) as pool:
                ids = list(pool.map(send, range(clips)))
            for number, job_id in enumerate(ids):
                assert ended(job_id) == f"Number {number} is what this one says."
            memory.append(host.memory_info().rss)
        print(f"memory after each {clips} jobs: {memory}")
        # The first jobs load models and fill the allocators' pools; more of them take no more.
        assert memory[3] - memory[2] < 80e6


@pytest.mark.slow
def test_a_real_server_that_is_killed_goes_on(real_server, tmp_path, clip, sample_video):
    data = tmp_path / "data"
    killed = pytest.raises(AssertionError)  # the exit code is not that of Ctrl-C
    with killed, real_server(data) as (address, process):
        with httpx.Client(base_url=address, timeout=60) as client:
            ids = [
                client.post("/v1/jobs", files={"media": (path.name, path.read_bytes())}).json()[
                    "id"
                ]
                for path in (sample_video, clip)
            ]
            while client.get(f"/v1/jobs/{ids[0]}").json()["stage"] in {None, "begin", "probe"}:
                time.sleep(0.05)
        process.kill()
    with real_server(data) as (address, _), httpx.Client(base_url=address, timeout=60) as client:
        for job_id in ids:
            while client.get(f"/v1/jobs/{job_id}").json()["state"] in {"waiting", "running"}:
                time.sleep(0.2)
        jobs = client.get("/v1/jobs").json()["jobs"]
        assert [job["state"] for job in jobs] == ["done", "done"]
        assert [job["attempts"] for job in jobs] == [1, 2]
        result = client.get(f"/v1/jobs/{ids[0]}/result").json()
        assert "happy" in result["utterances"][0]["text"]
