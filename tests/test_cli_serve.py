"""``lddu-pipe serve`` from the command line; tests/server has what the server does."""

from __future__ import annotations

import importlib.util
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from click.testing import CliRunner

from lddu_pipe.cli import main
from lddu_pipe.commands import loading
from lddu_pipe.errors import MissingAssetError
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.listening import listen

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-of-the-tests"


def serve(tmp_path, *arguments, **environment):
    command = ["serve", "--data", str(tmp_path / "data"), "--port", "0", *map(str, arguments)]
    runner = CliRunner(env={"LDDU_PIPE_TOKEN": None, **environment})
    with ThreadPoolExecutor(1) as thread:  # the browser of other tests has a loop in this one
        result = thread.submit(runner.invoke, main, command).result()
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


def test_no_part_of_an_answer_waits_for_another():
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


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
def test_the_real_server_annotates_many_at_once_and_stops(
    real_server, tmp_path, sample_video, clip
):
    """A client's upload, a text, and many files, each with its own words, in the same memory."""
    with real_server(tmp_path / "data") as (address, process):
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
        with httpx.Client(base_url=address, timeout=60) as client:
            answer = client.post("/v1/text", json={"text": "What wonderful news!"})
            assert "happy" in answer.text
            memory = []
            for _ in range(4):
                with ThreadPoolExecutor(CLIPS) as pool:
                    ids = list(pool.map(partial(send, client, clip), range(CLIPS)))
                for number, job_id in enumerate(ids):
                    assert words_of(client, job_id) == f"Number {number} is what this one says."
                memory.append(psutil.Process(process.pid).memory_info().rss)
        print(f"memory after each {CLIPS} jobs: {memory}")
        # The first rounds load models and fill the allocators' pools; more of them take no more.
        assert memory[3] - memory[2] < 80e6


CLIPS = 8


def send(client, clip, number):
    words = f"Number {number} is what this one says."
    files = {"media": ("clip.mp4", clip.read_bytes()), "transcript": ("a.txt", words)}
    return client.post("/v1/jobs", files=files).json()["id"]


def words_of(client, job_id):
    """What a job found to be said, once it has ended."""
    while (job := client.get(f"/v1/jobs/{job_id}").json())["state"] in {"waiting", "running"}:
        time.sleep(0.05)
    assert job["state"] == "done", job["error"]
    result = client.get(f"/v1/jobs/{job_id}/result").json()
    return " ".join(item["text"] for item in result["utterances"])


@pytest.mark.slow
def test_a_server_is_interrupted_while_its_model_is_loaded(real_server, tmp_path):
    # Native code of a loader's thread aborts a process whose interpreter ends in its own way.
    with real_server(tmp_path / "data") as (_, process):
        while "libtorch_cpu" not in Path(f"/proc/{process.pid}/maps").read_text():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "lddu-pipe: interrupted\n"
