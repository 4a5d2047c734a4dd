"""All live sessions of a server: who may have one, and what becomes of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from fastapi.concurrency import run_in_threadpool

from lddu_pipe.errors import LdduPipeError, MissingAssetError, UnusableInputError
from lddu_pipe.server.limits import LiveLimits
from lddu_pipe.server.live.closing import CloseCode, Closed, GoneError
from lddu_pipe.server.live.line import Line
from lddu_pipe.server.live.messages import OpenMessage, parse
from lddu_pipe.server.live.session import Saved, Session
from lddu_pipe.server.live.telling import text_of
from lddu_pipe.server.metrics import Metrics
from lddu_pipe.server.problems import Problem, locate

if TYPE_CHECKING:
    from lddu_pipe.pipelines.live import Live

logger = logging.getLogger(__name__)

_DECODERS = 2

Enter = Callable[[str], str]
"""Gives the owner of a token; raises a `Problem` where it is none."""

Save = Callable[[str, Saved], str]
"""Keeps an annotation for an owner, and gives its id; called in a thread."""

Open = Callable[[OpenMessage], "Live"]
"""Begins a session of the pipeline; called in a thread."""


class LiveDesk:
    """Opens sessions and sees them to their end."""

    def __init__(
        self,
        open_live: Open,
        save: Save,
        is_ready: Callable[[], bool],
        limits: LiveLimits,
        metrics: Metrics,
    ) -> None:
        """Begin without any.

        Args:
            open_live: as its type says.
            save: as its type says.
            is_ready: whether the model is loaded.
            limits: of clients.
            metrics: told of every session that ended.
        """
        self._open_live = open_live
        self._save = save
        self._is_ready = is_ready
        self._limits = limits
        self._metrics = metrics
        self._places: Counter[str] = Counter()
        self._decoders = ThreadPoolExecutor(_DECODERS, "live-pictures")

    def close(self) -> None:
        """Let the threads for pictures go."""
        self._decoders.shutdown(wait=False, cancel_futures=True)

    @property
    def sessions(self) -> int:
        """How many there are now."""
        return self._places.total()

    async def serve(self, line: Line, enter: Enter) -> None:
        """See a client through, whatever it does.

        Args:
            line: to it.
            enter: says whose token it brings.
        """
        session_id, begun = str(uuid4()), time.monotonic()
        try:
            await self._serve(line, enter, session_id)
            ending = Closed(CloseCode.DONE)
        except Closed as closed:
            ending = closed
        except GoneError:
            ending = None
        except Exception as error:
            logger.error("a defect in live session %s: %s", session_id, locate(error))
            logger.debug("its traceback", exc_info=error)
            ending = Closed(CloseCode.DEFECT, "a defect of the server; its log says more")
        if ending is not None:
            await line.close(ending)
        code = "gone" if ending is None else str(int(ending.code))
        seconds = time.monotonic() - begun
        logger.info("live session %s: %s, %.3f s", session_id, code, seconds)
        self._metrics.live_ended(code, seconds, line.received)

    async def _serve(self, line: Line, enter: Enter, session_id: str) -> None:
        opening = await self._first(line)
        owner = _owner(enter, opening.token)
        if not self._is_ready():
            raise Closed(CloseCode.NOT_READY, "the model is being loaded; try again")
        with self._place(owner) as leave:
            live = await self._begin(opening)
            try:
                ready = {
                    "type": "ready",
                    "session": session_id,
                    "seconds": self._limits.duration,
                    "pixels": self._limits.pixels,
                }
                await line.send(text_of(ready))
                session = Session(line, live, opening, self._limits, self._decoders)
                saved = await session.run(leave)
            finally:
                # Its threads are waited for also where this task is cancelled.
                await asyncio.shield(run_in_threadpool(live.__exit__, None, None, None))
        if saved is not None:
            item_id = await run_in_threadpool(self._save, owner, saved)
            await line.send(text_of({"type": "saved", "id": item_id}))

    async def _first(self, line: Line) -> OpenMessage:
        try:
            async with asyncio.timeout(self._limits.opening):
                message = await line.receive()
        except TimeoutError:
            raise Closed(CloseCode.TOO_SLOW, "the first message did not come in time") from None
        if isinstance(message, bytes):
            raise Closed(CloseCode.BROKEN, "the first message is text: 'open'")
        return parse(OpenMessage, message)

    @contextmanager
    def _place(self, owner: str) -> Iterator[Callable[[], None]]:
        """Within it, or until what it gives is called, one session more is open."""
        limits = self._limits
        if self._places[owner] >= limits.each or self.sessions >= limits.sessions:
            raise Closed(
                CloseCode.TOO_MUCH,
                f"{limits.each} sessions of yours or {limits.sessions} of all clients are open; "
                "try again later",
            )
        held = True

        def leave() -> None:
            nonlocal held
            self._places[owner] -= held
            held = False
            self._metrics.live_open(self.sessions)

        self._places[owner] += 1
        self._metrics.live_open(self.sessions)
        try:
            yield leave
        finally:
            leave()

    async def _begin(self, opening: OpenMessage) -> Live:
        # Where this task is cancelled meanwhile, the session is left as soon as it is there.
        beginning = asyncio.ensure_future(run_in_threadpool(self._open_live, opening))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(_abandon)
            raise
        except MissingAssetError as error:
            logger.error("live sessions need what is not on this machine: %s", error)
            raise Closed(
                CloseCode.NOT_READY, "the server lacks weights; tell who runs it"
            ) from None
        except UnusableInputError as error:
            raise Closed(CloseCode.BROKEN, str(error)) from None
        except LdduPipeError as error:
            logger.error("a live session cannot begin: %s", error)
            raise Closed(CloseCode.NOT_READY, "the server's model cannot do this") from None


def _owner(enter: Enter, token: str) -> str:
    try:
        return enter(token)
    except Problem as problem:
        code = CloseCode.NO_TOKEN if problem.status_code == 401 else CloseCode.TOO_MUCH
        raise Closed(code, problem.detail) from None


def _abandon(beginning: asyncio.Future[Live]) -> None:
    if not beginning.cancelled() and beginning.exception() is None:
        leave = beginning.result().__exit__
        asyncio.get_running_loop().run_in_executor(None, leave, None, None, None)
