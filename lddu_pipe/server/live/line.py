"""The line to a client: a WebSocket that gives messages, and ends with a code."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.websockets import WebSocket, WebSocketDisconnect

from lddu_pipe.server.live.closing import Closed, GoneError

_FAREWELL = 5.0  # s within which a client has to take what is left for it


class Line:
    """A WebSocket that was accepted."""

    def __init__(self, socket: WebSocket) -> None:
        """Use it.

        Args:
            socket: accepted, and not closed.
        """
        self._socket = socket
        self.received = 0
        """Bytes."""

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            GoneError: there is nobody any more.
        """
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise GoneError
        text: str | None = message.get("text")
        content: str | bytes = message.get("bytes", b"") if text is None else text
        self.received += len(content)
        return content

    async def send(self, text: str) -> None:
        """Send a message; waits while the client takes none.

        Raises:
            GoneError: there is nobody any more.
        """
        try:
            await self._socket.send_text(text)
        except WebSocketDisconnect:
            raise GoneError from None

    async def close(self, closed: Closed) -> None:
        """End it; whoever takes nothing is not waited for."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._socket.close(closed.code, closed.reason)
