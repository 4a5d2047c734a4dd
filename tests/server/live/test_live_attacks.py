"""What strangers may try with live sessions, and what comes of it."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import os
import random
import struct
import threading
import time

import numpy as np
import psutil
import pytest
from PIL import Image
from starlette.testclient import WebSocketDenialResponse
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from lddu_pipe.server.limits import LiveLimits
from tests.server.live.clients import FLOOD, SECOND, frame, picture, sound

TOKEN = "a-token-of-the-tests"
OPEN = {"type": "open", "audio_rate": 16_000, "camera": True}


def opening(**fields) -> str:
    return json.dumps(OPEN | fields)


def bomb() -> bytes:
    """A JPEG that says it has 65500 x 65500 pixels."""
    content = picture()
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + struct.pack(">HH", 65_500, 65_500) + content[start + 4 :]


def moving() -> bytes:
    images = [Image.new("RGB", (64, 48), (shade, 0, 0)) for shade in (0, 200)]
    content = io.BytesIO()
    images[0].save(content, "WEBP", save_all=True, append_images=images[1:])
    return content.getvalue()


# Who asks


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 421),
    ],
)
def test_pages_from_elsewhere_get_no_socket(serve, call, lives, headers, status):
    client = serve()
    client.loaded()
    with pytest.raises(WebSocketDenialResponse) as refusal, call(client, **headers):
        pass
    assert refusal.value.status_code == status
    assert refusal.value.headers["content-type"] == "application/problem+json"
    assert not lives.made


def test_origins_are_checked_also_where_there_are_tokens(serve, call):
    client = serve(tokens=(TOKEN,), origins=("http://app.example",))
    client.loaded()
    with pytest.raises(WebSocketDenialResponse), call(client, Origin="http://evil.example"):
        pass
    for origin in ("http://app.example", "http://localhost"):
        with call(client, Origin=origin) as caller:
            caller.open(token=TOKEN)


def test_sockets_are_of_one_path_and_not_too_many(serve, call):
    client = serve(parallel=2)
    with (
        pytest.raises(WebSocketDenialResponse) as refusal,
        client.websocket_connect("ws://localhost/v1/jobs"),
    ):
        pass
    assert refusal.value.status_code == 404
    third = call(client)
    with call(client), call(client), pytest.raises(WebSocketDenialResponse) as refusal, third:
        pass
    assert refusal.value.status_code == 429


# What is said


def test_a_first_message_of_any_kind_is_refused(serve, call, lives):
    client = serve()
    client.loaded()
    for first in (
        *("", "null", "[]", "{}", "{", "\x00", "[" * 100_000, '{"type": "end"}'),
        *('{"type": "open", "more": 1}', '{"type": "open", "people": 1e400}'),
        *(opening(audio_rate=rate) for rate in (True, -1, "16000")),
        *(opening(people=people) for people in (0, 10**30)),
        *(opening(context=lines) for lines in ("x", ["x"] * 1000, ["x" * 2000], [1])),
        *(opening(label="x" * 300), opening(token=["x"])),
        *(b"\x01", sound(0.0)),
    ):
        with call(client) as caller:
            (caller.send if isinstance(first, bytes) else caller.socket.send_text)(first)
            assert caller.closed()[0] == 4400, first[:50]
    assert not lives.made


def test_a_message_of_any_kind_ends_no_more_than_its_session(serve, call, lives):
    client = serve()
    client.loaded()
    for message in (
        *(b"", b"\x01", bytes(16), sound(0.0)[:16], sound(0.0)[:-1]),
        *(frame(kind, 0.0, b"ab") for kind in (0, 5, 255)),
        *(frame(1, at, b"ab") for at in (float("nan"), float("inf"), 1e300)),
        *(frame(1, 0.0, b"ab", channels) for channels in (0, 9, 255)),
        *(frame(1, 0.0, b"ab", 2), frame(3, 0.0, picture(), 1)),
        b"\x01\x01\x00\x00\x00\x00\x00\x01" + sound(0.0)[8:],
        sound(0.0, np.array([0.0, np.nan], np.float32)),
        *(frame(3, 0.0, b"ab"), frame(3, 0.0, picture()[:-300]), frame(3, 0.0, bomb())),
        *(frame(3, 0.0, picture(kind="PNG")), frame(3, 0.0, picture(kind="WEBP"))),
        *(frame(4, 0.0, picture()), frame(4, 0.0, moving()), frame(3, 0.0, picture(8, 8))),
        frame(3, 0.0, picture(4096, 4096)),
        *('{"type": "save"}', '{"type": "open"}', "end", ""),
    ):
        with call(client) as caller:
            caller.open()
            caller.send(sound(0.0, SECOND[:10]))  # or the time below is the first there is
            (caller.send if isinstance(message, bytes) else caller.socket.send_text)(message)
            code, reason = caller.closed()
            assert code == 4400, message[:20]
            assert reason
        assert lives.last.left


def test_random_messages_end_in_a_code(serve, call, lives, caplog, wait_for):
    rng = random.Random(1)
    client = serve(requests=10_000)
    client.loaded()
    threads = threading.active_count()
    good = [sound(0.0, SECOND[:160]), frame(3, 0.0, picture()), frame(4, 0.0, picture())]
    for _ in range(100):
        with call(client) as caller:
            caller.socket.send_text(opening(keep=rng.random() < 0.5))
            for _ in range(rng.randrange(1, 4)):
                message = bytearray(rng.choice(good))
                for _ in range(rng.randrange(3)):
                    message[rng.randrange(len(message))] = rng.randrange(256)
                caller.send(bytes(message[: rng.randrange(1, len(message) * 2)]))
            if rng.random() < 0.7:  # else it goes away, whatever is on its way
                caller.say(rng.choice(["end", "end", "save", "open"]))
                if rng.random() < 0.5:
                    assert caller.closed_or_ended() in {0, 4400}
    wait_for(lambda: all(live.left for live in lives.made))
    assert not [record for record in caplog.records if "defect" in record.getMessage()]
    assert threading.active_count() < threads + 20  # pools grow to what they need, and no more
    assert "lddu_pipe_live_sessions 0.0" in client.get("/metrics").text


def test_times_far_ahead_and_floods_end_it(serve, call):
    client = serve(live=LiveLimits(lead=1, messages=20, bandwidth=100_000))
    client.loaded()
    short = SECOND[:100]
    with call(client) as caller:
        caller.open()
        caller.send(sound(100.0, short))
        caller.send(sound(100.9, short))
        caller.send(sound(102.0, short))
        assert "ahead" in caller.closed()[1]
    for count, message in ((30, sound(0.0, short)), (4, sound(0.0, np.zeros(20_000, np.int16)))):
        with call(client) as caller:
            caller.open()
            with contextlib.suppress(RuntimeError):  # it is closed already
                for _ in range(count):
                    caller.send(message)
            assert caller.closed()[0] == 4429


def test_sessions_know_nothing_of_each_other(serve, call):
    client = serve(live=LiveLimits(each=2))
    client.loaded()
    with call(client) as one, call(client) as other:
        one.open(keep=True)
        other.open(keep=True)
        one.send(sound(0.0))
        assert one.next("judged")["utterance"]["text"] == "word 0"
        other.say("end")
        assert other.next("ended")["people"] == []
        other.say("save")
        saved = other.next("saved")["id"]
    assert client.get(f"/v1/annotations/{saved}").json()["utterances"] == []


def test_logs_hold_nothing_that_was_said(serve, call, caplog):
    caplog.set_level(logging.DEBUG, "lddu_pipe")
    client = serve(tokens=(TOKEN,))
    client.loaded()
    with call(client) as caller:
        caller.open(token=TOKEN, label="private", context=["private"], keep=True)
        caller.send(sound(0.0))
        caller.say("end")
        caller.next("ended")
        caller.say("save")
        caller.next("saved")
    with call(client) as caller:
        caller.say("open", token="private", context=["private"])
        assert caller.closed()[0] == 4401
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "live session" in text
    for secret in ("private", "word 0", TOKEN):
        assert secret not in text


# Connections


@pytest.fixture
def server(spawn, wait_for):
    """In a process of its own; it waits for a second."""
    live = {"opening": 1, "message": 100_000, "each": 4, "bandwidth": 10**8}
    server = spawn(stall=1, live=live)
    with server.client() as client:
        wait_for(lambda: client.get("/ready").status_code == 200)
    return server


def address(server) -> str:
    return server.address.replace("http", "ws") + "/v1/live"


def shake(server):
    """A bare connection whose handshake is done."""
    connection = server.connect()
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET /v1/live HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        "".encode()
    )
    assert b"101" in connection.recv(1000)
    return connection


def code_of(socket) -> int:
    """The code with which the server closes it, after what it still has to say."""
    try:
        while True:
            socket.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A frame with a mask of 0."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([(0x80 if fin else 0) | opcode]) + length + bytes(4) + payload


@pytest.mark.slow
def test_sockets_of_any_kind_leave_nothing_behind(server, wait_for):
    process = psutil.Process(server.process.pid)
    with connect(address(server)) as socket:  # what is loaded once
        socket.send(opening())
        socket.recv()
    before = process.num_threads(), process.num_fds()
    idle = len(process.net_connections("tcp"))
    text = opening().encode()
    for sent in (
        b"",
        masked(1, text)[:5],
        masked(1, text),
        masked(1, text) + masked(2, sound(0.0, SECOND[:100])),
        masked(1, text) + masked(2, sound(0.0, SECOND[:100]))[:40],
        masked(1, text) + masked(2, b"", fin=False) * 1000,
        masked(1, text, fin=False) + masked(9, b"ping"),
        masked(1, text) + masked(1, b'{"type": "end"}'),
        masked(1, b"\xff\xfe"),
        masked(3, b"reserved"),
        b"\x81\x05hello",  # without a mask
        os.urandom(200),
        masked(8, struct.pack(">H", 1000)),
        masked(8, struct.pack(">H", 5)),
    ):
        for patience in (0.0, 0.05):
            with shake(server) as connection:
                connection.sendall(sent)
                connection.settimeout(patience or None)
                with contextlib.suppress(TimeoutError):
                    _ = patience and connection.recv(10_000)
    with connect(address(server), max_size=None) as socket:
        socket.send(opening())
        socket.send(b"x" * 100_001)
        assert code_of(socket) == 1009
    # Who takes nothing, of results or of answers to pings, is cut off and fills no memory.
    size = process.memory_info().rss
    flood = masked(1, opening(label=FLOOD).encode()) + masked(2, sound(0.0, SECOND[:10]))
    for sent, again in ((flood, b""), (masked(1, text), masked(9, b"x" * 125))):
        with shake(server) as connection:
            connection.sendall(sent)
            connection.settimeout(0.2)
            with contextlib.suppress(OSError):
                for _ in range(200):
                    connection.sendall(again * 1000)
            wait_for(lambda: len(process.net_connections("tcp")) <= idle)
    assert process.memory_info().rss - size < 60 << 20
    wait_for(lambda: (process.num_threads(), process.num_fds()) <= (before[0] + 2, before[1]))
    assert "Traceback" not in server.log()
    assert "defect" not in server.log()
    with server.client() as client:
        assert "lddu_pipe_live_sessions 0.0" in client.get("/metrics").text
    # And a server that stops says so.
    with connect(address(server)) as socket:
        socket.send(opening())
        assert json.loads(socket.recv())["type"] == "ready"
        begun = time.monotonic()
        server.process.terminate()
        assert code_of(socket) == 1012
        server.process.wait(20)
    assert time.monotonic() - begun < 5
