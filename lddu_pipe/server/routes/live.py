"""Live sessions: results while somebody speaks and is seen."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, WebSocket

from lddu_pipe.server.guard import LIVE_PATH
from lddu_pipe.server.live.desk import Enter
from lddu_pipe.server.live.line import Line
from lddu_pipe.server.service import Service

router = APIRouter()


@router.websocket(LIVE_PATH)
async def live(socket: WebSocket) -> None:
    """Take a client that the guard let by; its token comes in its first message."""
    service = cast(Service, socket.app.state.service)
    enter = cast(Enter, socket.state.enter)
    await socket.accept()
    await service.live.serve(Line(socket), enter)
