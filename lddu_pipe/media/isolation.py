"""A process apart that decodes: started when needed, kept for the next file, replaced when dead.

What it reads was made by strangers, and decoders have bugs. So it has limits, it may crash, and
nothing that it answers is run: JSON and raw bytes, taken apart with care.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.media.ffmpeg import shown
from lddu_pipe.media.limits import STALL, time_to_read
from lddu_pipe.media.pipes import readable, widen

logger = logging.getLogger(__name__)

T = TypeVar("T")
Read = Callable[[Mapping[str, Any], bytearray], T]

_SPARES = 2
"""Idle processes that are kept; each holds some 60 MB."""

_LONGEST_HEADER = 1 << 18
_GRACE = 5.0
"""Seconds after its limit in which a process ends by itself, should nobody be left to end it."""


def ask(path: Path, request: Mapping[str, Any], read: Read[T], payload: int = 0) -> T:
    """Have a process apart do something with a file.

    What it logs is logged here.

    Args:
        path: of the file.
        request: "task" and what else it needs, fit for JSON.
        read: makes the answer and its payload into a result; a ValueError, TypeError or KeyError
            says that the answer makes no sense.
        payload: the exact number of raw bytes that belong to an answer.

    Raises:
        UnusableInputError: what the process says of the file, or that it did not survive it.
        MissingAssetError: the process does not start.
    """
    seconds = time_to_read(path.stat().st_size)
    # Both sides read a relative path from the same folder, and errors say it as it was given.
    folder = None if path.is_absolute() else str(Path.cwd())
    full = {**request, "path": str(path), "folder": folder, "seconds": seconds + _GRACE}
    full["level"] = logger.getEffectiveLevel()
    fate = ""
    with _asked(full) as decoder:
        try:
            answer, content = decoder.receive(time.monotonic() + seconds, payload)
            result = None if "error" in answer else read(answer, content)
            log = [(int(level), _one_line(text)) for level, text in answer["log"]]
            if "spent" in answer:
                decoder.close()
        except TimeoutError:
            decoder.close()
            fate = f"is not read within {seconds:.0f} s"
        except EOFError:
            fate = f"crashes its decoder ({decoder.fate()})"
        except (ValueError, TypeError, KeyError, RecursionError):
            decoder.close()
            fate = "makes its decoder talk nonsense"
    if fate:
        raise UnusableInputError(
            f"{shown(path)} {fate}; check it in a player, or convert it with another program"
        )
    for level, text in log:
        logger.log(level, "%s", text)
    if result is None:
        raise UnusableInputError(_one_line(answer["error"]))
    return result


def _one_line(text: object) -> str:
    line = str(text)[:2000]
    return line if line.isprintable() else ascii(line)


class Decoder:
    """The near side of a process that decodes."""

    def __init__(self) -> None:
        """Start it, and wait until it listens.

        Raises:
            MissingAssetError: it does not start.
        """
        # Closed with the process, which outlives any block.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            # Ctrl-C in the terminal is for who asked, not for who decodes: a group of its own.
            self._process = subprocess.Popen(
                command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                bufsize=0,
                env=_environment(),
                process_group=0,
            )
        except OSError as error:
            self._log.close()
            raise MissingAssetError(
                f"the process that decodes media does not start: {error.strerror}; "
                "install Python anew"
            ) from error
        if self._process.stdin is None or self._process.stdout is None:
            raise ValueError("the process was started without pipes")
        self._requests, self._answers = self._process.stdin, self._process.stdout
        widen(self._answers.fileno())
        _all.add(self)
        try:
            self.receive(time.monotonic() + STALL, 0)
        except (TimeoutError, EOFError, ValueError) as error:
            reason = self._last_words() or self.fate()
            self.close()
            raise MissingAssetError(
                f"the process that decodes media does not start: {_one_line(reason)}; "
                "look what lddu-pipe doctor says"
            ) from error
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether it could take a request."""
        return not self._log.closed and self._process.poll() is None

    def send(self, request: Mapping[str, Any]) -> None:
        """Write a request; raises BrokenPipeError where the process is gone."""
        self._requests.write(json.dumps(request).encode() + b"\n")

    def receive(self, deadline: float, payload: int) -> tuple[dict[str, Any], bytearray]:
        """Wait for an answer.

        Args:
            deadline: by `time.monotonic`.
            payload: bytes that follow an answer without "error".

        Raises:
            TimeoutError: the deadline has passed.
            EOFError: the process ended.
            ValueError: it wrote what is no answer.
        """
        received = bytearray()
        while (end := received.find(b"\n")) < 0:
            if len(received) > _LONGEST_HEADER:
                raise ValueError("an endless header")
            received += self._read(deadline)
        answer = json.loads(bytes(received[:end]))
        if not isinstance(answer, dict):
            raise ValueError("not an answer")
        del received[: end + 1]
        wanted = 0 if "error" in answer else payload
        while len(received) < wanted:
            received += self._read(deadline)
        if len(received) > wanted:
            raise ValueError("more than was asked for")
        return answer, received

    def _read(self, deadline: float) -> bytes:
        if not readable(self._answers.fileno(), deadline - time.monotonic()):
            raise TimeoutError
        data = os.read(self._answers.fileno(), 1 << 20)
        if not data:
            raise EOFError
        return data

    def fate(self) -> str:
        """Wait for the end of a process that stopped answering, and say how it ended."""
        try:
            code = self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self.close()
            return "it hangs"
        if code == -signal.SIGKILL:
            return "killed, perhaps for want of memory"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _last_words(self) -> str:
        self._log.seek(0)
        lines = self._log.read(1 << 16).decode("utf-8", "replace").splitlines()
        return next((line for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        """End the process, whatever it is doing."""
        _all.discard(self)
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        self._close_files()

    def abandon(self) -> None:
        """Forget the process in a fork of who started it; it goes on serving that one."""
        self._process.returncode = 0
        self._close_files()

    def _close_files(self) -> None:
        for file in (self._requests, self._answers, self._log):
            with contextlib.suppress(OSError):
                file.close()


def command() -> list[str]:
    """Return the command line of a process that decodes.

    -P: the folder one happens to be in is no place to import modules from.
    """
    return [sys.executable, "-P", "-m", "lddu_pipe.media.decoder"]


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        # Modules come from where they come from here, however that was brought about.
        "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
        # Threads and arenas that nobody uses would count as addressed memory.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


_idle: list[Decoder] = []
_all: set[Decoder] = set()
_lock = threading.Lock()


@contextmanager
def _asked(request: Mapping[str, Any]) -> Iterator[Decoder]:
    """A process that was sent a request; it is kept unless it died or nobody heard it out."""
    decoder = _send_to_idle(request)
    if decoder is None:
        decoder = Decoder()
        decoder.send(request)
    try:
        yield decoder
    except BaseException:
        decoder.close()
        raise
    with _lock:
        keep = decoder.alive and len(_idle) < _SPARES
        if keep:
            _idle.append(decoder)
    if not keep:
        decoder.close()


def _send_to_idle(request: Mapping[str, Any]) -> Decoder | None:
    while True:
        with _lock:
            if not _idle:
                return None
            decoder = _idle.pop()
        # It may have been killed while it was idle, which is no file's fault.
        with contextlib.suppress(OSError):
            if decoder.alive:
                decoder.send(request)
                return decoder
        decoder.close()


def end_all() -> None:
    """End the processes that wait for work."""
    with _lock:
        while _idle:
            _idle.pop().close()


def _forget() -> None:
    """In a fork: what the parent talks through must not be kept open, nor talked through."""
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    for decoder in _all:
        decoder.abandon()
    _all.clear()
    _idle.clear()


atexit.register(end_all)
os.register_at_fork(after_in_child=_forget)
