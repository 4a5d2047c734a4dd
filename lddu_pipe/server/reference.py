"""The reference of the HTTP API, made from the schema that the server gives.

``python -m lddu_pipe.server.reference > docs/api.md`` brings the page up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from lddu_pipe.server.app import make_api
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.live.reference import live_section
from lddu_pipe.server.problems import PROBLEM_TYPE
from lddu_pipe.server.service import ANYWHERE
from lddu_pipe.server.tables import fields, message_section, named, type_in_words

_INTRODUCTION = """\
# HTTP API

```console
$ pip install "lddu-pipe[offline,server]"
$ lddu-pipe serve                                  # http://127.0.0.1:8000, this machine alone
$ LDDU_PIPE_TOKEN=... lddu-pipe serve --host ::    # others, too; put TLS before it
```

```console
$ curl -F media=@talk.mp4 -F transcript=@talk.srt localhost:8000/v1/jobs
$ curl -N localhost:8000/v1/jobs/$ID/events
$ curl -O -J "localhost:8000/v1/jobs/$ID/result?format=eaf"
$ curl --json '{{"text": "What wonderful news!"}}' localhost:8000/v1/text
```

For people, `/` is a page on which files are sent and found again ([review.md](review.md));
`examples/client.py` is a client in Python, `examples/web/` a page elsewhere that calls the API.
The schema is at `/openapi.json`; this page is made from it.

- **Token.** Where the server has tokens, send `Authorization: Bearer TOKEN`. Each token has jobs
  of its own: those of others are as if they did not exist. Several stand in `LDDU_PIPE_TOKEN`
  with spaces between them. Without a token only this machine may call. Jobs of a token that is
  no longer given stay in the data folder.
- **Jobs** are done one after the other, in order of arrival, and survive a restart. One model in
  memory does them all; the utterances of a job are scored in batches, each job on its own: scoring
  is less than 1 % of a job's time, so that batches across jobs would save nothing. A job
  that was running when the server was killed is done again; one under which it dies {attempts}
  times fails.
- **Texts** that come at the same time are read in one pass, beside the job that runs.
- **Files** are streamed to the disk. Their names are kept to be shown. They are deleted
  {keep:.0f} minutes after the job has ended, unless the server was told otherwise; the result
  stays until the job is deleted.
- **Live sessions** take sound and pictures while they come, over a
  [WebSocket](#live-sessions); `/live` is a page for people that does so.
- **Reviews** are of the annotations of a token's jobs and of the folder that `--review` names.
  What a reviewer says is added, and what was said before is kept; see [review.md](review.md).
- **Limits**, by default: {upload} MB and {duration:.0f} minutes of media, {transcript} MB of
  transcript, {text} characters of text, {waiting} jobs that wait, {requests} requests a minute,
  {parallel} at once.
  A client that stalls for {stall:.0f} s is given up.
- **Errors** are `application/problem+json` (RFC 9457); `detail` is a sentence for a person. A
  server with too many connections answers 503 in plain text.
"""


def reference() -> str:
    """Return the page as Markdown."""
    schema = make_api(with_token=True).openapi()
    limits = Limits()
    introduction = _INTRODUCTION.format(
        attempts=limits.attempts,
        keep=limits.keep_media / 60,
        upload=limits.upload >> 20,
        duration=limits.duration / 60,
        transcript=limits.transcript >> 20,
        text=limits.text,
        waiting=limits.waiting,
        requests=limits.requests,
        parallel=limits.parallel,
        stall=limits.stall,
    )
    parts = [introduction, "\n".join(_anywhere(schema)), "## Requests\n"]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            parts.append("\n".join(_operation(method, path, operation)))
    parts.append("## Messages\n")
    for name, message in schema["components"]["schemas"].items():
        parts.append("\n".join(message_section(name, message)))
    parts.append("\n".join(live_section(limits)))
    return "\n".join(parts)


def _anywhere(schema: Mapping[str, Any]) -> Iterator[str]:
    """The answers that any request may get."""
    yield "## Answers to any request\n"
    yield "| answer | body | |\n|---|---|---|"
    for status, answer in schema["paths"]["/health"]["get"]["responses"].items():
        if int(status) in ANYWHERE:
            yield f"| {status} | problem | {answer['description']} |"
    yield ""


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"### {operation['summary']}\n"
    yield f"`{method.upper()} {path}`" + (" · token" if "security" in operation else "") + "\n"
    yield f"{operation['description']}\n"
    if operation.get("parameters"):
        yield "| parameter | in | type | |\n|---|---|---|---|"
        for item in operation["parameters"]:
            kind, about = type_in_words(item["schema"]), item.get("description", "")
            yield f"| `{item['name']}` | {item['in']} | {kind} | {about} |"
        yield ""
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        yield f"Body: `{kind}`, {type_in_words(body['schema'])}\n"
        if "properties" in body["schema"]:
            yield from fields(body["schema"])
    yield "| answer | body | |\n|---|---|---|"
    for status, answer in sorted(operation["responses"].items()):
        if int(status) in ANYWHERE:
            continue
        content = answer.get("content", {})
        bodies = [
            f"`{kind}`" + (f" {type_in_words(body['schema'])}" if named(body) else "")
            for kind, body in content.items()
        ]
        shown = "problem" if list(content) == [PROBLEM_TYPE] else ", ".join(bodies)
        yield f"| {status} | {shown} | {answer['description']} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(reference())
