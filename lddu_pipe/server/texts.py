"""Short texts of several clients, annotated together while they wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lddu_pipe.errors import LdduPipeError
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.problems import Problem

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation

MOST_AT_ONCE = 32
"""Texts of one pass: as many as the encoder reads in one batch."""

Read = Callable[[Sequence[str]], "list[Annotation | LdduPipeError]"]


class TextDesk:
    """Gathers the texts that come while others are read, and reads them in one pass."""

    def __init__(self, read: Read, limits: Limits) -> None:
        """Wait for texts.

        Args:
            read: annotates many texts; called in a thread, one call at a time.
            limits: how many texts may wait, and for how long.
        """
        self._read = read
        self._limits = limits
        self._waiting: deque[tuple[str, asyncio.Future[Annotation | LdduPipeError]]] = deque()
        self._reading: asyncio.Task[None] | None = None

    async def annotate(self, text: str) -> Annotation:
        """Annotate one text.

        Raises:
            LdduPipeError: the text cannot be used.
            Problem: 503, too many wait, or this one waited too long.
        """
        if len(self._waiting) >= self._limits.texts:
            raise _busy()
        answer: asyncio.Future[Annotation | LdduPipeError]
        answer = asyncio.get_running_loop().create_future()
        self._waiting.append((text, answer))
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._empty())
        try:
            found = await asyncio.wait_for(answer, self._limits.text_wait)
        except TimeoutError:
            raise _busy() from None
        if isinstance(found, LdduPipeError):
            raise found
        return found

    async def _empty(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
            # Clients that left or waited too long need no answer.
            wanted = [(text, answer) for text, answer in taken if not answer.done()]
            if not wanted:
                continue
            try:
                found = await asyncio.to_thread(self._read, [text for text, _ in wanted])
            except Exception as error:
                for _, answer in wanted:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for (_, answer), item in zip(wanted, found, strict=True):
                if not answer.done():
                    answer.set_result(item)


def _busy() -> Problem:
    return Problem(
        503, "too many texts at once; try again in a moment", headers={"Retry-After": "5"}
    )
