"""A client of the HTTP API: upload a file, watch its job, print or save the annotation.

    lddu-pipe serve &
    python examples/client.py examples/sample.mp4
    python examples/client.py talk.mp4 --transcript talk.srt --format eaf > talk.eaf

Needs httpx alone. A server with tokens wants one in the environment variable LDDU_PIPE_TOKEN.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="video, sound, a picture or a transcript")
    parser.add_argument("--transcript", type=Path, help="what is said in it")
    parser.add_argument("--format", default="json", help="json, csv, srt, eaf, html, ...")
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="address")
    parser.add_argument("--keep", action="store_true", help="leave the job on the server")
    options = parser.parse_args()
    token = os.environ.get("LDDU_PIPE_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(base_url=options.server, headers=headers, timeout=60) as client:
            result = annotate(client, options.file, options.transcript, options.format)
            if not options.keep:
                client.delete(result.url.path.removesuffix("/result"))
    except (httpx.HTTPError, OSError, RuntimeError) as error:
        sys.exit(f"client.py: error: {error}")
    sys.stdout.buffer.write(result.content)


def annotate(
    client: httpx.Client, file: Path, transcript: Path | None, format_name: str
) -> httpx.Response:
    """Upload a file and wait for its annotation; errors are those the server tells."""
    with ExitStack() as opened:
        files = {"media": (file.name, opened.enter_context(file.open("rb")))}
        if transcript is not None:
            files["transcript"] = (transcript.name, opened.enter_context(transcript.open("rb")))
        # httpx reads the files in pieces as it sends them.
        job = checked(client.post("/v1/jobs", files=files)).json()
    job = watch(client, job)
    if job["state"] != "done":
        raise RuntimeError(job["error"] or "the job was deleted")
    return checked(client.get(f"/v1/jobs/{job['id']}/result", params={"format": format_name}))


def watch(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """Follow the events of a job to its end; returns how it stands then."""
    # A job may wait long behind others. The server sends a sign of life all the while.
    with client.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=60) as events:
        if events.is_error:
            events.read()
        for line in checked(events).iter_lines():
            if line.startswith("data: "):
                job |= json.loads(line.removeprefix("data: "))
                share = "" if job["share"] is None else f" {job['stage']} {job['share']:.0%}"
                print(f"{job['state']}{share}", file=sys.stderr)
    return job


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, unless it is a problem."""
    if answer.is_error:
        kind = answer.headers.get("content-type", "")
        text = answer.json()["detail"] if "json" in kind else answer.text
        raise RuntimeError(f"{answer.status_code}: {text}")
    return answer


if __name__ == "__main__":
    main()
