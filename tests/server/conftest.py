"""A server with an annotator that takes no model."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from lddu_pipe.annotation import Annotation, ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.review.repository import Repository
from lddu_pipe.server.app import Access, create_app
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.listening import listen
from lddu_pipe.types import TimeSpan, Utterance
from tests.server.live.clients import FakeLive, Lives

PEOPLE = tuple(Person(name, None, 0.0, seconds) for name, seconds in (("p1", 3.1), ("p3", 0.0)))
"""Of every file; a text has none."""


def annotation(text: str, path: str = "") -> Annotation:
    happy = EmotionScore("happy", 0.81, "present", 0.8, Uncertainty(0.2, 0.03))
    digest = sha256(text.encode("utf-8", "backslashreplace")).hexdigest() if path else ""
    return Annotation(
        SourceInfo(path, digest, 3.1, has_audio=bool(path), has_video=False),
        ModelInfo("lddu-base-en", "0.1.0", ("happy",), aligned=False),
        [
            Prediction(
                Utterance("0000", TimeSpan(0.0, 3.1), text, person="p1" if path else None),
                (happy,),
                {"vision": Absent(Reason.NO_PICTURES)},
            )
        ],
        Provenance("2026-01-01T00:00:00+00:00", {}, {}, {"fps": 10.0, "transcript": None}),
        PEOPLE if path else (),
    )


@dataclass
class FakeAnnotator:
    """Says what was uploaded; media that begin with a word in capitals do as it says."""

    gate: threading.Event = field(default_factory=threading.Event)
    """Until it is set, media that begin with WAIT go on."""
    done: list[Path] = field(default_factory=list)
    passes: list[list[str]] = field(default_factory=list)
    loading: threading.Event | None = None
    lives: Lives = field(default_factory=Lives)

    def live(self, opening) -> FakeLive:
        return self.lives(opening)

    def load(self):
        if self.loading is not None:
            self.loading.wait(10)

    def annotate(self, media, transcript, options, hook):
        hook("look at faces", None, 5.0, 10.0)
        with media.open("rb") as file:
            content = file.read(500)
        if content.startswith(b"WAIT"):
            while not self.gate.is_set():
                time.sleep(0.01)
                hook("look at faces", None, 5.0, 10.0)
        if content.startswith(b"BAD"):
            raise UnusableInputError(f"{media} is not a media file that can be read")
        if content.startswith(b"BUG"):
            raise ValueError("secret words of somebody")
        words = content.decode("utf-8", "backslashreplace")
        if transcript is not None:
            words = transcript.read_text("utf-8", "backslashreplace")
        self.done.append(media)
        return annotation(words, str(media))

    def read(self, texts):
        self.passes.append(list(texts))
        time.sleep(0.02)
        return [
            annotation(text) if text.strip() else UnusableInputError("the text has no words")
            for text in texts
        ]


class SlowAnnotator(FakeAnnotator):
    """Takes a while for everything, and notes on the disk what it did."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self.log = log

    def annotate(self, media, transcript, options, hook):
        for step in range(20):
            hook("look at faces", None, step, 20)
            time.sleep(0.01)
        found = super().annotate(media, transcript, options, hook)
        with self.log.open("a") as log:
            log.write(f"{media.parent.name}\n")
        return found


class Hosted:
    """A server at an address of this machine, in a thread of this process."""

    def __init__(
        self, annotator: Any, data: Path, listener: socket.socket, token: str = "", **limits: Any
    ) -> None:
        self.annotator, self.data, self.token = annotator, data, token
        tokens = (token,) if token else ()
        app = create_app(
            annotator, DataFolder(data), limits=Limits(**limits), access=Access(tokens)
        )
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        # The server closes what it is given.
        self.thread = threading.Thread(target=self.server.run, args=([listener.dup()],))
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.01)
        port = listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.clients: list[httpx.Client] = []

    def client(self) -> httpx.Client:
        """Closed with the server."""
        self.clients.append(client_of(self.address, self.token))
        return self.clients[-1]

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        self.server.should_exit = True
        self.thread.join()


def client_of(address: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=address, headers=headers, timeout=60)


@dataclass
class Server:
    """A server in a process of its own; it can be killed and started again."""

    data: Path
    token: str = ""
    limits: dict[str, Any] = field(default_factory=dict)
    address: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> Server:
        command = [sys.executable, str(Path(__file__).with_name("process.py")), str(self.data)]
        command += [json.dumps(self.limits), *([self.token] if self.token else [])]
        log = self.data.with_name("log").open("a")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()
        assert self.address, self.log()
        return self

    def log(self) -> str:
        return self.data.with_name("log").read_text()

    def client(self) -> httpx.Client:
        return client_of(self.address, self.token)

    def connect(self) -> socket.socket:
        """A bare connection, for what no client would send."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        connection = socket.create_connection((host, int(port)), timeout=20)
        return connection

    def annotated(self) -> list[str]:
        """The ids of the jobs that were done, in order."""
        path = self.data.with_name("annotated")
        return path.read_text().split() if path.exists() else []

    def kill(self) -> None:
        """As ``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(20)


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers in processes of their own; they are killed at the end."""
    servers: list[Server] = []

    def start(token: str = "", **limits: Any) -> Server:
        servers.append(Server(tmp_path / "data", token, limits).start())
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server in a process of its own that waits a second for a client, and takes a few."""
    limits = {"stall": 1, "connections": 20}
    server = Server(tmp_path_factory.mktemp("impatient") / "data", limits=limits).start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def listener() -> Iterator[socket.socket]:
    """The port of every server of `host`, one after another.

    A browser keeps what it has compiled of a page's scripts by their address, and compiling them
    is most of what a page takes.
    """
    with listen("127.0.0.1", 0) as listener:
        yield listener


@pytest.fixture
def host(tmp_path: Path, listener: socket.socket) -> Iterator[Callable[..., Hosted]]:
    """Starts a server for a browser, one in a test; it is stopped at the end."""
    servers: list[Hosted] = []

    def start(token: str = "", *, annotator: Any = None, **limits: Any) -> Hosted:
        assert not servers, "there is one port"
        chosen = annotator or SlowAnnotator(tmp_path / "annotated")
        servers.append(Hosted(chosen, tmp_path / "data", listener, token, **limits))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


class Client(TestClient):
    """A client of a server in this process, in the words of the tests."""

    def upload(self, content: bytes = b"hello", name: str = "a.wav", **more: Any):
        """Upload media; `more` goes to the client."""
        files = {"media": (name, content), **more.pop("files", {})}
        return self.post("/v1/jobs", files=files, **more)

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/v1/jobs/{job_id}").json()
        return found

    def finished(self, job_id: str) -> dict[str, Any]:
        """The job, once it has ended."""
        wait(lambda: self.job(job_id)["state"] in {"done", "failed"})
        return self.job(job_id)

    def runs(self, job_id: str) -> None:
        wait(lambda: self.job(job_id)["stage"] == "look at faces")

    def loaded(self) -> None:
        wait(lambda: self.get("/ready").status_code == 200)

    def stop(self) -> None:
        """Stop the server as a signal does."""
        if self.running:
            self.running = False
            self.__exit__(None, None, None)

    running = True


def wait(condition: Callable[[], Any], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


Serve = Callable[..., Client]


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Waits until something comes to pass."""
    return wait


@pytest.fixture
def said() -> Callable[..., Annotation]:
    """Makes the annotation of a text."""
    return annotation


@pytest.fixture
def annotator() -> FakeAnnotator:
    """The annotator of `serve`."""
    return FakeAnnotator()


@pytest.fixture
def serve(tmp_path: Path, annotator: FakeAnnotator) -> Iterator[Serve]:
    """Starts a server in this process; it is stopped at the end."""
    clients: list[Client] = []

    def start(
        *,
        tokens: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
        reviewed: Repository | None = None,
        **limits: Any,
    ) -> Client:
        app = create_app(
            annotator,
            DataFolder(tmp_path / "data"),
            limits=Limits(**limits),
            access=Access(tokens, origins),
            reviewed=reviewed,
        )
        headers = {"Authorization": f"Bearer {tokens[0]}"} if tokens else {}
        client = Client(
            app, base_url="http://localhost", headers=headers, raise_server_exceptions=False
        )
        client.__enter__()
        clients.append(client)
        return client

    yield start
    annotator.gate.set()
    for client in clients:
        client.stop()
