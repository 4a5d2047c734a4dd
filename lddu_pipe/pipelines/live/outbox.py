"""The outbox of events: taken by threads or by asyncio, and never full."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

from lddu_pipe.events import Event, FacesSeen, StreamEnded, UnitJudged, WordsHeard

MOST_PASSING = 256
"""Events that nobody took and that are told once more later, or better, at most."""


class Outbox:
    """Events in order. Where nobody takes them, the oldest of those that pass are left out.

    What passes is what is seen and heard, and results that were not final; utterances that are
    closed or judged stay.
    """

    def __init__(self) -> None:
        """Nothing has happened."""
        self._events: deque[Event] = deque()
        self._passing = 0
        self._news = threading.Condition()
        self._listeners: list[Callable[[], None]] = []
        self._error: BaseException | None = None
        self._ended = False

    def put(self, event: Event) -> None:
        """Tell what has happened."""
        with self._news:
            self._events.append(event)
            self._ended = self._ended or isinstance(event, StreamEnded)
            if _passes(event):
                self._passing += 1
                if self._passing > MOST_PASSING:
                    self._leave_out()
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Nothing will follow but an error."""
        with self._news:
            self._error = self._error or error
        self._wake()

    def _leave_out(self) -> None:
        for index, event in enumerate(self._events):
            if _passes(event):
                del self._events[index]
                self._passing -= 1
                return

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()
            listeners = list(self._listeners)
        for tell in listeners:
            tell()

    def _next(self) -> tuple[Event | None, bool]:
        """The next event, if there is one, and whether nothing will follow where there is none.

        Raises:
            BaseException: what the session ended with.
        """
        if self._events:
            event = self._events.popleft()
            self._passing -= _passes(event)
            return event, False
        if self._error is not None:
            raise self._error
        return None, self._ended

    def __iter__(self) -> Iterator[Event]:
        """Wait for each event, and stop after `StreamEnded`."""
        while True:
            with self._news:
                event, over = self._next()
                while event is None and not over:
                    self._news.wait()
                    event, over = self._next()
            if event is None:
                return
            yield event

    async def __aiter__(self) -> AsyncIterator[Event]:
        """The same, without blocking the event loop."""
        loop, ready = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(ready.set)

        self._listeners.append(tell)
        try:
            while True:
                ready.clear()
                with self._news:
                    event, over = self._next()
                if event is not None:
                    yield event
                elif over:
                    return
                else:
                    await ready.wait()
        finally:
            self._listeners.remove(tell)


def _passes(event: Event) -> bool:
    passing = isinstance(event, FacesSeen | WordsHeard)
    return passing or (isinstance(event, UnitJudged) and not event.final)
