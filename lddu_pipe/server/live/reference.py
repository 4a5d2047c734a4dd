"""The part of the API's reference that is about live sessions, made from what the server uses."""

from __future__ import annotations

from collections.abc import Iterator

from lddu_pipe.server.limits import Limits
from lddu_pipe.server.live.closing import CloseCode
from lddu_pipe.server.live.messages import FROM_CLIENT, FROM_SERVER, PARTS, LiveMessage
from lddu_pipe.server.live.wire import HEADER, MOST_CHANNELS
from lddu_pipe.server.tables import fields, line

_INTRODUCTION = """\
## Live sessions

`GET /v1/live` is a WebSocket: what a microphone and a camera give goes in, results come out while
people speak. `/live` is a page that uses it.

1. The client sends [`open`](#open), which has the token where the server has tokens: it is never
   part of the address. The server answers `ready` once the networks are loaded, which takes a few
   seconds at the first time.
2. The client sends sound and pictures as binary messages, as they come. The server sends `words`,
   `faces`, `judged`, and `status` once a second.
3. The client sends `end`: what is open is judged, and after `ended` the server closes. A client
   that said `keep` may then send `save`, or go away.

Nothing of a session is written to the disk unless it is saved, and then the annotation alone. A
session whose connection breaks is gone.

**Binary messages** have a header of {header} bytes; all numbers are little-endian.

| bytes | type | |
|---|---|---|
| 0 | uint8 | kind: 1 sound as int16, 2 sound as float32 in -1..1, 3 JPEG, 4 WebP (a still) |
| 1 | uint8 | channels of sound, 1..{channels}, whose samples take turns; 0 for a picture |
| 2..7 | | 0 |
| 8..15 | float64 | seconds of the client's clock: of the first sample, or of the picture |
| {header}.. | | samples, or the file of the picture |

The first time that is sent is 0 in all results. Sound is never left out: pieces of 20 to 200 ms
are best. Pictures are, where the server has no time for them; 5 to 10 a second are enough, 640
pixels wide. Rotation that a picture's metadata ask for is not looked at.

**Limits**, by default: {sessions} sessions at once, {each} of a token; {duration:.0f} minutes
each; {message} kB a message, {pixels} pixels a picture, {messages} messages and {bandwidth} MB a
second, on average over {lead:.0f} s; times at most {lead:.0f} s ahead of the clock. After
{idle:.0f} s without sound or picture a session is ended as by its client. Of a client that is slow
in taking results, running ones and faces are left out first; where {waiting} others wait, or
nothing is taken for {stall:.0f} s, it is given up. Pages of other origins get no socket unless
`--allow-origin` names them.

**A client** in Python, with `pip install websockets`:
"""

CLIENT = '''\
import json, struct, sys, threading, time, wave
from websockets.sync.client import connect


def speak(socket, path):
    """Send a WAV file of 16-bit samples at the speed at which it was spoken."""
    with wave.open(path) as sound:
        rate, channels, at = sound.getframerate(), sound.getnchannels(), 0.0
        while samples := sound.readframes(rate // 10):
            socket.send(struct.pack("<BB6xd", 1, channels, at) + samples)
            at += len(samples) / 2 / channels / rate
            time.sleep(0.1)
    socket.send(json.dumps({"type": "end"}))


url, path, token = sys.argv[1], sys.argv[2], (*sys.argv[3:], "")[0]  # ws://localhost:8000/v1/live
rate = wave.open(path).getframerate()
with connect(url) as socket:
    socket.send(json.dumps({"type": "open", "token": token, "audio_rate": rate}))
    for message in map(json.loads, socket):
        if message["type"] == "ready":
            threading.Thread(target=speak, args=(socket, path)).start()
        elif message["type"] == "judged" and message["final"]:
            said = message["utterance"]
            present = [e["label"] for e in said["emotions"] if e["decision"] == "present"]
            print(f"{said['start']:6.1f} s  {said['text']}  {', '.join(present)}")
'''
"""Runs as it stands; a test does."""


def live_section(limits: Limits) -> Iterator[str]:
    """The section, piece by piece."""
    live = limits.live
    yield _INTRODUCTION.format(
        header=HEADER.size,
        channels=MOST_CHANNELS,
        sessions=live.sessions,
        each=live.each,
        duration=live.duration / 60,
        message=live.message >> 10,
        pixels=live.pixels,
        messages=live.messages,
        bandwidth=live.bandwidth >> 20,
        lead=live.lead,
        idle=live.idle,
        waiting=live.waiting,
        stall=limits.stall,
    )
    yield f"```python\n{CLIENT}```\n"
    yield "### How a session is closed\n"
    yield "| code | |\n|---|---|"
    for code in CloseCode:
        yield f"| {code.value} | {code.meaning} |"
    yield "\nThe reason is a sentence for a person. Before a socket is opened, problems are"
    yield "answered as those of any request: 403, 404, 421, 429.\n"
    for heading, messages in (
        ("Messages to the server", FROM_CLIENT),
        ("Messages from the server", FROM_SERVER),
        ("What these consist of", PARTS),
    ):
        yield f"### {heading}\n"
        for message in messages:
            yield from _message(message)


def _message(message: type[LiveMessage]) -> Iterator[str]:
    schema = message.model_json_schema()
    kind = schema["properties"].get("type", {}).get("const")
    yield f"#### {kind or message.__name__}\n"
    yield f"{line(schema['description'])}\n"
    yield from fields(schema)
