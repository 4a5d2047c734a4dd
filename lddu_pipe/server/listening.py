"""A socket, and uvicorn that serves the app on it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.review.folder import AnnotatedFolder
from lddu_pipe.server.annotator import Annotator
from lddu_pipe.server.app import Access, create_app
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.guard import is_loopback
from lddu_pipe.server.limits import Limits

SHORTEST_TOKEN = 16
"""Characters: too many to guess at the rate that is allowed."""

_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_FAREWELL = 5  # s in which answers may end once the server is told to stop


class StuckInterrupt(KeyboardInterrupt):
    """An interrupt while the runner is in a step that cannot be left.

    All jobs and files are safe, but the interpreter must not shut down as usual: native code in a
    thread that it stops may abort the process.
    """


class _Patience(asyncio.Protocol):
    """An end to clients that take nothing, before a protocol of uvicorn's.

    They are cut off: a close would wait until they have taken what is left for them.
    """

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    def __init__(self, *args: Any, patience: float, **options: Any) -> None:
        """As uvicorn makes it; `patience` is how many seconds a client may take nothing."""
        super().__init__(*args, **options)
        self._patience = patience
        self._taking_timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_wait()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._taking_timer = self.loop.call_later(self._patience, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_wait()

    def _end_wait(self) -> None:
        if self._taking_timer is not None:
            self._taking_timer.cancel()


class _Protocol(_Patience, H11Protocol):
    """uvicorn's, with an end to clients that send no headers, or take no answer."""

    def __init__(self, *args: Any, patience: float, **options: Any) -> None:
        """As uvicorn makes it; `patience` is the seconds of either wait."""
        super().__init__(*args, patience=patience, **options)
        self._headers_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_headers()

    def handle_websocket_upgrade(self, event: Any) -> None:  # noqa: ANN401 - of h11
        # From here on the connection is that of the class below.
        if self._headers_timer is not None:
            self._headers_timer.cancel()
        most = self.limit_concurrency
        if most is not None and len(self.connections) > most:
            self.transport.write(_TOO_MANY)
            self.transport.close()
            return
        super().handle_websocket_upgrade(event)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Bytes of the next request that are there already were read by the call above.
        if not self.transport.is_closing():
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
        self._headers_timer = self.loop.call_later(self._patience, self._check_headers)

    def _check_headers(self) -> None:
        # A cycle is made when headers are complete, and stays until the next ones are. uvicorn
        # says that there always is one.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.abort()


class _LiveProtocol(_Patience, WebSocketsSansIOProtocol):
    """uvicorn's, with an end to clients that take nothing."""

    def __init__(self, *args: Any, patience: float, **options: Any) -> None:
        """As uvicorn makes it, with the patience of its base."""
        super().__init__(*args, patience=patience, **options)
        # Its lines hold addresses and query strings; ours are those of the sessions.
        self.logger = logging.Logger("nobody's", logging.CRITICAL + 1)
        self.close_timeout = min(self.close_timeout, patience)

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            # Whoever asks on without taking answers would fill the memory with them.
            self.conn.data_to_send()


def serve(
    annotator: Annotator,
    data: Path,
    *,
    host: str,
    port: int,
    limits: Limits,
    access: Access,
    reviewed: Path | None = None,
    listening: Callable[[str], None],
) -> None:
    """Serve until a signal stops it.

    Args:
        annotator: the one model.
        data: the folder of jobs.
        host: name or address to listen at.
        port: to listen at; 0 takes a free one.
        limits: of clients.
        access: who may call.
        reviewed: output folder of a batch, to be looked through beside the jobs.
        listening: told the address once clients can connect.

    Raises:
        UnusableInputError: others could reach it without a token, a token is too short, the
            address or the folder cannot be used.
        LdduPipeError: the model cannot be loaded.
        StuckInterrupt: a signal came while the runner was in a long step.
    """
    check_access(host, access)
    problem: list[Exception] = []

    def fail(error: Exception) -> None:
        problem.append(error)
        server.should_exit = True

    folder = DataFolder(data)
    with ExitStack() as stack:
        stack.enter_context(folder.reserved())
        listener = stack.enter_context(listen(host, port))
        repository = None if reviewed is None else stack.enter_context(AnnotatedFolder(reviewed))
        app = create_app(
            annotator, folder, limits=limits, access=access, reviewed=repository, failed=fail
        )
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                # uvicorn wants a class and only ever calls it.
                http=partial(_Protocol, patience=limits.stall),  # type: ignore[arg-type]
                ws=partial(_LiveProtocol, patience=limits.stall),  # type: ignore[arg-type]
                ws_max_size=limits.live.message,
                # What comes is compressed already, and what goes is small.
                ws_per_message_deflate=False,
                ws_ping_timeout=limits.stall,
                # Our own lines leave out addresses and query strings.
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=limits.connections,
                backlog=limits.connections,
                timeout_graceful_shutdown=_FAREWELL,
            )
        )
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        listening(f"http://{shown}:{bound}")
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            if app.state.service.runner.stuck:
                raise StuckInterrupt from None
            raise
    if problem:
        raise problem[0]


def check_access(host: str, access: Access) -> None:
    """Refuse to be open to everybody.

    Raises:
        UnusableInputError: there is no token and others could reach `host`, or a token is short.
    """
    if not access.tokens and not is_loopback(host):
        raise UnusableInputError(
            f"{host} can be reached by others; give a --token, or listen at 127.0.0.1"
        )
    if any(len(token) < SHORTEST_TOKEN for token in access.tokens):
        raise UnusableInputError(
            f"a token has at least {SHORTEST_TOKEN} characters; "
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )


def listen(host: str, port: int) -> socket.socket:
    """A socket whose connections send each part of an answer at once.

    asyncio sees to that only on sockets that it made itself. Otherwise the body of an answer waits
    until its head is acknowledged, 40 ms for a client that keeps its connection.

    Raises:
        UnusableInputError: the address is not free, or not of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        return listener
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnusableInputError(
            f"cannot listen at {host}, port {port}: {reason}; give another --host or --port"
        ) from None
