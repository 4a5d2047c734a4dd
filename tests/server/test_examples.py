"""The clients in examples/ work against a server."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = "a-token-of-the-tests"


def run_client(server, *arguments, token=TOKEN):
    return subprocess.run(
        [sys.executable, EXAMPLES / "client.py", *arguments, "--server", server.address],
        env={**os.environ, "LDDU_PIPE_TOKEN": token},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_client_in_python(spawn, tmp_path):
    server = spawn(TOKEN)
    media, transcript = tmp_path / "talk.wav", tmp_path / "talk.txt"
    media.write_bytes(b"hello")
    transcript.write_text("what was said")
    done = run_client(server, media, "--transcript", transcript)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["utterances"][0]["text"] == "what was said"
    assert done.stderr.splitlines()[-1] == "done"
    with server.client() as client:
        assert client.get("/v1/jobs").json()["jobs"] == []
    assert run_client(server, media, "--format", "srt", "--keep").stdout.startswith("1\n00:00:00")
    with server.client() as client:
        assert len(client.get("/v1/jobs").json()["jobs"]) == 1


@pytest.mark.slow
def test_the_client_says_in_one_line_what_is_wrong(spawn, tmp_path):
    server = spawn(TOKEN)
    media = tmp_path / "talk.wav"
    media.write_bytes(b"BAD")
    for arguments, token, words in (
        ([media], TOKEN, "talk.wav is not a media file"),
        ([media], "wrong", "401: send the header"),
        ([media, "--format", "exe"], TOKEN, "is not a media file"),
        ([tmp_path / "none"], TOKEN, "No such file"),
    ):
        done = run_client(server, *arguments, token=token)
        assert done.returncode == 1
        assert words in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.browser
def test_the_page(spawn, browser, tmp_path):
    handler = functools.partial(SimpleHTTPRequestHandler, directory=EXAMPLES / "web")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{pages.server_port}"
        server = spawn(TOKEN, origins=[address])
        media = tmp_path / "talk.wav"
        media.write_bytes(b"<b>hello</b>")
        with browser.new_page() as page:
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address)
            page.fill("#server", server.address)
            page.fill("#token", TOKEN)
            page.set_input_files("#media", media)
            page.click("button")
            # Locators, as the page's policy lets nobody evaluate strings.
            expect(page.locator("#status")).to_have_text("done")
            assert page.locator("tbody td").nth(1).text_content() == "<b>hello</b>"
            assert page.locator("tbody td").nth(2).text_content() == "happy 81 %"
            page.set_input_files("#media", [])
            page.fill("#text", "What wonderful news!")
            page.click("button")
            expect(page.locator("tbody td").nth(1)).to_have_text("What wonderful news!")
            page.fill("#token", "wrong")
            page.click("button")
            expect(page.locator("#status")).to_contain_text("send the header Authorization")
            assert errors == []
        pages.shutdown()
