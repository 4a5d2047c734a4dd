"""What captures give goes into a live session, until they end or a person ends it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lddu_pipe.media.capture import Sound

if TYPE_CHECKING:
    from lddu_pipe.media.capture import Capture
    from lddu_pipe.media.decode import Frame
    from lddu_pipe.pipelines.live import Live

_MOST_BEHIND = 10.0
"""Seconds that results may be behind before a pipe must wait: one that brings hours in a minute
would fill the memory."""
_WAIT = 0.05  # s
_SAME = 0.3
"""Seconds within which two signals are one: both the terminal and what started us may send it."""


class Supply(Enum):
    """Where it comes from, which says who waits for whom."""

    DEVICES = auto()
    """Nobody waits."""
    PIPE = auto()
    """It comes as it comes, and waits where the session is far behind."""
    FILE = auto()
    """It comes no faster than it lasts, as if it were happening."""


class Feeding:
    """Threads, one a capture; when one of them ends, all end, and the session is closed."""

    def __init__(self, captures: Sequence[Capture], live: Live, supply: Supply) -> None:
        """Do nothing yet.

        Args:
            captures: that were opened.
            live: takes what they give.
            supply: says how fast that may go.
        """
        self._captures, self._live, self._supply = captures, live, supply
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._left = len(captures)
        self._threads = [
            threading.Thread(target=self._feed, args=(capture,), name=capture.name, daemon=True)
            for capture in captures
        ]
        self._begun: tuple[float, float] | None = None
        self.given = False
        """Whether anything came."""
        self.error: Exception | None = None
        """Why it ended before its time."""

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End, and wait for the threads."""
        self.stop()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Take nothing more; may be called from anywhere, also by a signal."""
        self._ended.set()
        for capture in self._captures:
            capture.stop()

    def _feed(self, capture: Capture) -> None:
        try:
            for piece in capture:
                self._wait(piece)
                self.given = True
                if isinstance(piece, Sound):
                    self._live.hear(piece.samples, piece.time)
                else:
                    self._live.see(piece.image, piece.time)
        except Exception as error:
            # Said by who waits for the session's end, where nothing else went wrong.
            if not self._ended.is_set():
                self.error = error
        finally:
            self.stop()
            with self._lock:
                self._left -= 1
                last = self._left == 0
            if last:
                self._live.close()

    def _wait(self, piece: Sound | Frame) -> None:
        """Keep back what comes too fast."""
        match self._supply:
            case Supply.FILE:
                now = time.monotonic()
                if self._begun is None:
                    self._begun = (now, piece.time)
                begun, first = self._begun
                self._ended.wait(max(0.0, begun + piece.time - first - now))
            case Supply.PIPE:
                while self._live.delay > _MOST_BEHIND and not self._ended.is_set():
                    self._ended.wait(_WAIT)


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C, or SIGTERM, call `end`, and a later one raise KeyboardInterrupt."""
    asked: float | None = None

    def handle(number: int, frame: object) -> None:
        nonlocal asked
        now = time.monotonic()
        if asked is None:
            asked = now
            end()
        elif now - asked > _SAME:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
