"""What every request passes before and after the app: who asks, how much, how slowly."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import logging
import time
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lddu_pipe.server.limits import ENVELOPE, Limits
from lddu_pipe.server.metrics import Metrics
from lddu_pipe.server.problems import Problem, defect

logger = logging.getLogger(__name__)

OPEN_PATHS = ("/health", "/ready", "/openapi.json")
"""What anybody may ask: nothing of anybody is there."""

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


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens at `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def fingerprint(token: str) -> str:
    """Who has a token, without the token."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def _host(header: str) -> str:
    """The name or address in a header, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:  # brackets that are none
        return ""


class Guard:
    """An ASGI app around the app.

    It checks the token or, without one, that the request is meant for this machine and comes from
    no foreign page; it counts requests, limits bodies in size and time, and adds headers. What it
    logs and counts is the method, the route's template, the status and the time.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Sequence[str],
        origins: Sequence[str],
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        """Guard an app.

        Args:
            app: what is guarded.
            tokens: that are good; empty where only this machine reaches the server.
            origins: of pages elsewhere that may call.
            limits: of requests.
            metrics: told of every answer.
        """
        self._app = app
        self._owners = [
            (hashlib.sha256(token.encode()).digest(), fingerprint(token)) for token in tokens
        ]
        self._origins = origins
        self._limits = limits
        self._metrics = metrics
        self._active: Counter[str] = Counter()
        self._rates = FixedWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(limits.requests, namespace="requests")
        self._refusals = RateLimitItemPerMinute(limits.refusals, namespace="refusals")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await _Exchange(self, scope, receive, send, self._limits, self._metrics).run()

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on.

        Raises:
            Problem: it is refused.
        """
        address = scope["client"][0] if scope.get("client") else ""
        owner = self._owner(scope, Headers(scope=scope), address)
        scope.setdefault("state", {})["owner"] = owner
        client = owner or address
        if self._active[client] >= self._limits.parallel:
            raise Problem(
                429,
                f"{self._limits.parallel} of your requests are open; close some",
                headers={"Retry-After": "5"},
            )
        self._active[client] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._active[client] -= 1
            if not self._active[client]:
                del self._active[client]

    def _owner(self, scope: Scope, headers: Headers, address: str) -> str:
        """Who asks; "" where there are no tokens, or for paths that need none."""
        if not self._owners:
            self._check_local(headers)
        origin = headers.get("origin")
        preflight = scope["method"] == "OPTIONS" and origin in self._origins
        if not self._owners or scope["path"] in OPEN_PATHS or preflight:
            self._count(self._requests, address)
            return ""
        if not self._rates.test(self._refusals, address):
            raise self._too_many(self._refusals, address)
        owner = self._match(headers.get("authorization", ""))
        if owner is None:
            self._rates.hit(self._refusals, address)
            raise Problem(
                401,
                "send the header Authorization: Bearer with a token of this server",
                headers={"WWW-Authenticate": "Bearer"},
            )
        self._count(self._requests, owner)
        return owner

    def _check_local(self, headers: Headers) -> None:
        """Refuse what a page from elsewhere makes a browser on this machine send."""
        # A name that an attacker's DNS points at this machine (rebinding) is none of ours.
        if not is_loopback(_host(headers.get("host", ""))):
            raise Problem(421, "without a token this server answers to localhost only")
        origin = headers.get("origin")
        # A form on any page can be sent here, though its page cannot read the answer.
        if origin is None or origin in self._origins:
            return
        if origin.partition("://")[2] != headers.get("host"):
            raise Problem(403, "pages from elsewhere may not call; see --allow-origin")

    def _match(self, authorization: str) -> str | None:
        scheme, _, token = authorization.partition(" ")
        given = hashlib.sha256(token.strip().encode()).digest()
        found = None
        for digest, owner in self._owners:
            # All are compared, each in constant time.
            if hmac.compare_digest(digest, given):
                found = owner
        return found if scheme.lower() == "bearer" else None

    def _count(self, item: RateLimitItemPerMinute, client: str) -> None:
        if not self._rates.hit(item, client):
            raise self._too_many(item, client)

    def _too_many(self, item: RateLimitItemPerMinute, client: str) -> Problem:
        wait = self._rates.get_window_stats(item, client).reset_time - time.time()
        seconds = str(max(1, round(wait)))
        return Problem(
            429, "too many requests; wait and try again", headers={"Retry-After": seconds}
        )


class _Exchange:
    """One request and its answer."""

    def __init__(
        self,
        guard: Guard,
        scope: Scope,
        receive: Receive,
        send: Send,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._guard = guard
        self._scope = scope
        self._receive_raw = receive
        self._send_raw = send
        self._limits = limits
        self._metrics = metrics
        self._begun = time.monotonic()
        self._received = 0
        headers = Headers(scope=scope)
        # Without either header a request has no body (RFC 9112, section 6.3).
        self._body_ended = not (
            "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        )
        self._status = 0
        uploads = scope["method"] == "POST" and scope["path"] == _UPLOADS
        self._most = limits.upload + limits.transcript + ENVELOPE if uploads else limits.body

    async def run(self) -> None:
        try:
            try:
                self._check_length()
                await self._guard.handle(self._scope, self._receive, self._send)
            except Problem as problem:
                # Raised here, before the app, or by `_receive` below it.
                if not self._status:
                    await problem.response()(self._scope, self._receive, self._send)
        except Exception as error:
            answer = defect(error)
            if not self._status:
                await answer.response()(self._scope, self._receive, self._send)
        finally:
            self._note()

    def _check_length(self) -> None:
        length = Headers(scope=self._scope).get("content-length", "0")
        if length.isdecimal() and int(length) > self._most:
            raise self._too_large()

    def _too_large(self) -> Problem:
        return Problem(413, f"the request is larger than {self._most} bytes")

    async def _receive(self) -> Message:
        if self._body_ended:
            # From now on this waits for the client to go away, which may take it long.
            return await self._receive_raw()
        left = self._begun + self._limits.time_to_send(self._received) - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(self._limits.stall, left))):
                message = await self._receive_raw()
        except TimeoutError:
            raise Problem(408, "the request came too slowly; send it again") from None
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._body_ended = not message.get("more_body", False)
            if self._received > self._most:
                raise self._too_large()
        return message

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            await self._drain()
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            if not self._body_ended:
                # Or the server would go on reading what nobody wants, without an end.
                headers["Connection"] = "close"
        await self._send_raw(message)

    async def _drain(self) -> None:
        """Take the rest of a small body that nobody wants.

        A connection that is closed before its client has sent everything is reset, and with it
        goes the answer. What is large is cut off all the same.
        """
        if "expect" in Headers(scope=self._scope):  # for a word from us, which does not come
            return
        left = _DRAINED
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_TIME):
                while not self._body_ended and left > 0:
                    message = await self._receive_raw()
                    left -= len(message.get("body", b""))
                    self._body_ended = not message.get("more_body", False)

    def _note(self) -> None:
        seconds = time.monotonic() - self._begun
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        route = getattr(self._scope.get("route"), "path", None) or "none"
        job_id = self._scope.get("state", {}).get("job_id", "-")
        self._metrics.answered(method, route, self._status, seconds, self._received)
        logger.info("%s %s %d %.3f s job %s", method, route, self._status, seconds, job_id)
