"""The process apart that decodes: a request a line on standard input, answers on standard output.

An answer is a line of JSON, and after it the raw bytes that were asked for. `media.isolation` is
the other side.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from lddu_pipe.errors import LdduPipeError
from lddu_pipe.media.ffmpeg import shown
from lddu_pipe.media.inspection import inspect, picture
from lddu_pipe.media.limits import confine
from lddu_pipe.types import Media

_LOG_SIZE = 1 << 20
_LONGEST_LOG = 50
"""Messages an answer carries; a file can cause one a packet."""


class Notes(logging.Handler):
    """Keeps the first messages of a request."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        if len(self.kept) < _LONGEST_LOG:
            self.kept.append((record.levelno, record.getMessage()))


def main() -> None:
    """Answer requests until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    confine(0, _LOG_SIZE)
    # What a library prints must not come between answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    # In a thread, so that the end of who asks is seen in the middle of a file.
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    notes = Notes()
    logging.getLogger("lddu_pipe").addHandler(notes)
    _write(answers, {"ready": True}, b"")
    while True:
        request = json.loads(requests.get())
        notes.kept.clear()
        logging.getLogger("lddu_pipe").setLevel(request["level"])
        # The last resort for a decoder that lets no thread run: the signal's own action is death.
        signal.setitimer(signal.ITIMER_REAL, request["seconds"])
        answer, content = _answer(request)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(answers, {**answer, "log": notes.kept}, content)
        if "spent" in answer:
            os._exit(0)


def _listen(requests: queue.SimpleQueue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _write(answers: IO[bytes], answer: Mapping[str, Any], content: bytes) -> None:
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.write(content)
    answers.flush()


def _answer(request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    path = Path(request["path"])
    if request["folder"] is not None:
        os.chdir(request["folder"])
    try:
        return _TASKS[request["task"]](path, request)
    except LdduPipeError as error:
        return {"error": str(error)}, b""
    except MemoryError:
        # Python may have lost more than this file: another process takes the next one.
        text = "takes more memory than a file is given; scale it down with another program"
        return {"error": f"{shown(path)} {text}", "spent": True}, b""
    except Exception as error:
        text = "cannot be decoded; check it in a player or copy it again"
        return {"error": f"{shown(path)} ({type(error).__name__}: {error}) {text}"}, b""
    finally:
        # Nobody wants a folder kept busy by an idle process.
        os.chdir("/")


def _inspect(path: Path, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    media = inspect(path, audio=request["audio_track"], video=request["video_track"])
    return _facts(media), b""


def _facts(media: Media) -> dict[str, Any]:
    return {
        "duration": media.duration,
        "origin": media.origin,
        "demuxer": media.demuxer,
        "audio": None if media.audio is None else asdict(media.audio),
        "video": None if media.video is None else asdict(media.video),
        "sound_tracks": asdict(media.sound_tracks),
        "picture_tracks": asdict(media.picture_tracks),
        "section": media.section,
        "parts": [_facts(part) for part in media.parts],
    }


def _picture(path: Path, request: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    return {}, picture(path, request["width"], request["height"])


_TASKS: dict[str, Callable[[Path, Mapping[str, Any]], tuple[dict[str, Any], bytes]]] = {
    "inspect": _inspect,
    "picture": _picture,
}

if __name__ == "__main__":
    main()
