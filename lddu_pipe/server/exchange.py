"""One request and its answer: limits of size and time, headers, and a line of log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lddu_pipe.server.limits import ENVELOPE, Limits
from lddu_pipe.server.problems import Problem, defect

logger = logging.getLogger(__name__)

_UPLOADS = "/v1/jobs"
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


_DRAINED = 1 << 18
"""Bytes of an unwanted body that are read all the same."""

_DRAIN_TIME = 1.0  # s


class Exchange:
    """One request and its answer.

    Bodies are limited in size and time, and headers are added. What is logged is the method, the
    route's template, the status, the time and the job's id.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        limits: Limits,
        origins: Sequence[str],
    ) -> None:
        """Begin it.

        Args:
            scope: of ASGI, as the two that follow.
            receive: gives the body.
            send: takes the answer.
            limits: of the body's size and of the client's slowness.
            origins: of pages elsewhere that may read answers, problems included.
        """
        self._scope = scope
        self._receive_raw = receive
        self._send_raw = send
        self._limits = limits
        self._origins = origins
        self._begun = time.monotonic()
        self.received = 0
        """Bytes of the body that came."""
        self.seconds = 0.0
        """From the request to the end of its answer; 0 until then."""
        headers = Headers(scope=scope)
        # Without either header a request has no body (RFC 9112, section 6.3).
        self._body_ended = not (
            "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        )
        self.status = 0
        """Of HTTP; 0 before the answer, or where its client went away."""
        uploads = scope["method"] == "POST" and scope["path"] == _UPLOADS
        self._most = limits.upload + limits.transcript + ENVELOPE if uploads else limits.body

    async def run(self, app: ASGIApp) -> None:
        """Let `app` answer; a problem or a defect that it raises becomes the answer."""
        try:
            try:
                self._check_length()
                await app(self._scope, self._receive, self._send)
            except Problem as problem:
                # Raised here, before the app, or by `_receive` below it.
                if not self.status:
                    await problem.response()(self._scope, self._receive, self._send)
        except Exception as error:
            answer = defect(error)
            if not self.status:
                await answer.response()(self._scope, self._receive, self._send)
        finally:
            self.seconds = time.monotonic() - self._begun
            logger.info(
                "%s %s %d %.3f s job %s",
                *(self.method, self.route, self.status, self.seconds),
                self._scope.get("state", {}).get("job_id", "-"),
            )

    @property
    def method(self) -> str:
        """Of HTTP; "other" for what is none."""
        method: str = self._scope["method"]
        return method if method in _METHODS else "other"

    @property
    def route(self) -> str:
        """Template of the path, as /v1/jobs/{job_id}; "none" where no endpoint was reached."""
        return getattr(self._scope.get("route"), "path", None) or "none"

    def _check_length(self) -> None:
        length = Headers(scope=self._scope).get("content-length", "0")
        if length.isdecimal() and int(length) > self._most:
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem(413, f"the request is larger than {self._most} bytes")

    async def _receive(self) -> Message:
        if self._body_ended:
            # From now on this waits until the client disconnects, and has no limit.
            return await self._receive_raw()
        left = self._begun + self._limits.time_to_send(self.received) - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(self._limits.stall, left))):
                message = await self._receive_raw()
        except TimeoutError:
            raise Problem(408, "the request came too slowly; send it again") from None
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self._body_ended = not message.get("more_body", False)
            if self.received > self._most:
                raise self._too_large()
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            await self._drain()
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            origin = Headers(scope=self._scope).get("origin")
            if origin in self._origins:
                # The page may read problems, too, also those that are found before the app.
                headers.setdefault("Access-Control-Allow-Origin", str(origin))
                headers.add_vary_header("Origin")
            if not self._body_ended:
                # Or the server would go on reading a body that nobody wants.
                headers["Connection"] = "close"
        await self._send_raw(message)

    async def _drain(self) -> None:
        """Take the rest of a small body that nobody wants.

        A connection that is closed before its client has sent everything is reset, and with it
        goes the answer. What is large is cut off all the same.
        """
        if "expect" in Headers(scope=self._scope):  # waits for 100 Continue, which never comes
            return
        left = _DRAINED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_TIME):
                while not self._body_ended and left > 0:
                    message = await self._receive_raw()
                    left -= len(message.get("body", b""))
                    self._body_ended = not message.get("more_body", False)
