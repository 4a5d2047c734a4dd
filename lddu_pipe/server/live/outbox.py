"""What a client is still to be sent, bounded however slowly it takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from lddu_pipe.server.live.closing import CloseCode, Closed


class Outbox:
    """A queue of one event loop. What can be spared is given up first."""

    def __init__(self, most: int) -> None:
        """Hold nothing.

        Args:
            most: messages that wait.
        """
        self._most = most
        self._waiting: deque[tuple[str, bool]] = deque()
        self._changed = asyncio.Event()
        self._ended = False
        self.spared = 0
        """Messages that were given up."""

    def put(self, message: str, *, spare: bool = False) -> None:
        """Queue a message.

        Args:
            message: the text.
            spare: whether the client can do without it once there are newer ones.

        Raises:
            Closed: too many wait that cannot be spared.
        """
        if len(self._waiting) >= self._most:
            oldest = next((at for at, (_, can) in enumerate(self._waiting) if can), None)
            if oldest is None and not spare:
                raise Closed(
                    CloseCode.TOO_SLOW, f"{self._most} results wait for you; take them faster"
                )
            self.spared += 1
            if oldest is None:
                return
            del self._waiting[oldest]
        self._waiting.append((message, spare))
        self._changed.set()

    def end(self) -> None:
        """Say that nothing more comes."""
        self._ended = True
        self._changed.set()

    async def messages(self) -> AsyncIterator[str]:
        """Each message when its turn has come, to the end."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()[0]
            if self._ended:
                return
            self._changed.clear()
            await self._changed.wait()
