"""A live session that says what it was given, and clients of the server's sessions."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from lddu_pipe.annotation import ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import (
    FacesSeen,
    FollowedFace,
    StreamEnded,
    StreamOpened,
    UnitClosed,
    UnitJudged,
    WordsHeard,
)
from lddu_pipe.evidence import Absent, ModalitySequence, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.server.live.messages import FROM_SERVER, type_of
from lddu_pipe.server.live.wire import HEADER
from lddu_pipe.types import Cue, TimeSpan, Utterance, Word

SECOND = np.zeros(16_000, np.int16)
"""Of silence, which the session below takes for words."""
FLOOD = "flood"
"""Label of a session that says much more than anybody reads."""
_MESSAGES = {type_of(message): message for message in FROM_SERVER}


def prediction(name: str, start: float, end: float, text: str) -> Prediction:
    happy = EmotionScore("happy", 0.81, "present", 0.8, Uncertainty(0.2, 0.03))
    utterance = Utterance(name, TimeSpan(start, end), text, person="p1", language="en")
    return Prediction(utterance, (happy,), {"vision": Absent(Reason.NO_FACE)})


class FakeLive:
    """Tells of each second of sound as an utterance, and of each picture as a face."""

    def __init__(self, opening: Any) -> None:
        self.opening = opening
        self.heard: list[tuple[float, np.ndarray]] = []
        self.seen: list[tuple[float, np.ndarray]] = []
        self.left = False
        self.dropped, self.delay = 0.25, 0.4
        self._found: asyncio.Queue[Any] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: list[Any] = []
        self._lock = threading.Lock()
        self._closed = False
        self._tell(
            StreamOpened(
                SourceInfo("", "", 0.0, has_audio=True, has_video=True),
                ModelInfo("fake", "1.0", ("happy",), aligned=False),
                {},
            )
        )

    def _tell(self, event: Any) -> None:
        with self._lock:
            if self._loop is None:
                self._before.append(event)
            else:
                self._loop.call_soon_threadsafe(self._found.put_nowait, event)

    def hear(self, samples, at=None):
        assert not self._closed
        if self.opening.audio_rate is None:
            raise UnusableInputError("there is no microphone")
        if not np.isfinite(samples).all():
            raise UnusableInputError("sound holds NaN or infinity")
        self.heard.append((at, np.array(samples)))
        number = len(self.heard) - 1
        start, end = float(number), number + 1.0
        text = f"word {number}"
        cue = Cue(text, TimeSpan(start, end), (Word(text, TimeSpan(start, end)),))
        running = prediction(f"~{number}", start, end, text)
        final = prediction(f"{number:04}", start, end, text)
        for _ in range(20_000 if self.opening.label == FLOOD else 1):
            self._tell(UnitJudged(running, final=False))
            self._tell(WordsHeard((cue,), until=end))
        self._tell(UnitClosed(final.utterance))
        self._tell(UnitJudged(final, replaces=running.id))

    def see(self, image, at):
        assert not self._closed
        self.seen.append((at, np.array(image)))
        steps = ModalitySequence(
            values=np.zeros((1, 1), np.float32),
            valid=np.ones(1, np.bool_),
            modality="vision",
            spans=np.array([[at, at + 0.1]]),
            feature_names=("smile",),
            fingerprint="fake",
        )
        face = FollowedFace(0, steps, ((0.1, 0.2, 0.3, 0.5),), person="p1")
        self._tell(FacesSeen((face,), until=at))

    async def events(self):
        with self._lock:
            self._loop = asyncio.get_running_loop()
            for event in self._before:
                self._found.put_nowait(event)
        while True:
            event = await self._found.get()
            yield event
            if isinstance(event, StreamEnded):
                return

    def close(self):
        if self._closed:
            return
        self._closed = True
        provenance = Provenance("2026-01-01T00:00:00+00:00", {}, {}, {"fps": 10.0})
        people = (Person("p1", None, 1.0, 1.0),) if self.heard else ()
        self._tell(StreamEnded(provenance, people, (), float(len(self.heard))))

    def __exit__(self, *_):
        self.close()
        self.left = True


@dataclass
class Lives:
    """All sessions that were begun."""

    made: list[FakeLive] = field(default_factory=list)
    error: Exception | None = None

    def __call__(self, opening: Any) -> FakeLive:
        if self.error is not None:
            raise self.error
        self.made.append(FakeLive(opening))
        return self.made[-1]

    @property
    def last(self) -> FakeLive:
        return self.made[-1]


def picture(width=64, height=48, kind="JPEG", **options: Any) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), (200, 20, 20)).save(content, kind, **options)
    return content.getvalue()


def frame(kind: int, at: float, payload: bytes, channels: int | None = None) -> bytes:
    if channels is None:
        channels = int(kind in (1, 2))
    return HEADER.pack(kind, channels, at) + payload


def sound(at: float, samples: np.ndarray = SECOND) -> bytes:
    kind = 1 if samples.dtype == np.int16 else 2
    return frame(kind, at, samples.tobytes())


class Caller:
    """A client of one session, in the words of the tests."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket

    def open(self, **fields: Any) -> dict[str, Any]:
        """Open the session; the answer is `ready`."""
        self.say("open", **{"audio_rate": 16_000, "camera": True, **fields})
        ready = self.next("ready")
        assert self.next("opened")["model"]["name"] == "fake"
        return ready

    def say(self, kind: str, **fields: Any) -> None:
        self.socket.send_text(json.dumps({"type": kind, **fields}))

    def send(self, content: bytes) -> None:
        self.socket.send_bytes(content)

    def receive(self) -> dict[str, Any]:
        """The next message, whose layout is the documented one."""
        message = json.loads(self.socket.receive_text())
        _MESSAGES[message["type"]].model_validate(message)
        return message

    def next(self, kind: str) -> dict[str, Any]:
        """The next message of a kind; others are passed over."""
        while (message := self.receive())["type"] != kind:
            pass
        return message

    def closed(self) -> tuple[int, str]:
        """How the server closes it, after what it still has to say."""
        while True:
            message = self.socket.receive()
            if message["type"] == "websocket.close":
                return message["code"], message["reason"]

    def receive_or_close(self) -> int:
        """0 where the session opens, else the code that it is closed with."""
        message = self.socket.receive()
        return message.get("code", 0) if message["type"] == "websocket.close" else 0

    def closed_or_ended(self) -> int:
        """0 once everything was said, else the code that the session is closed with."""
        while True:
            message = self.socket.receive()
            if message["type"] == "websocket.close":
                return 0 if message["code"] == 1000 else message["code"]
            if '"type":"ended"' in message["text"]:
                return 0
