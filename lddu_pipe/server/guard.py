"""What every request passes before the app: who asks, from where, and how often."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from lddu_pipe.server.exchange import Exchange
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.metrics import Metrics
from lddu_pipe.server.problems import Problem
from lddu_pipe.server.signed_urls import MEDIA_FOLDER

LIVE_PATH = "/v1/live"
"""The one path of WebSockets. Their token comes in their first message."""
OPEN_PATHS = ("/", "/live", "/health", "/ready", "/openapi.json")
OPEN_FOLDERS = ("/annotations/", "/assets/", MEDIA_FOLDER)
"""Paths that need no token: there is no data of anybody. Pages are shells, and media need a signed
URL that cannot be guessed."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens at `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_open(path: str) -> bool:
    """Whether a path, or the template of one, needs no token."""
    return path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)


def fingerprint(token: str) -> str:
    """Stands for the owner of a token, and cannot be turned back into the token."""
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def _host(header: str) -> str:
    """The name or address in a header, without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:  # brackets that are none
        return ""


def _is_foreign(origin: str | None, headers: Headers) -> bool:
    """Whether a request comes from a page of another host than it goes to."""
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def _foreign_page() -> Problem:
    return Problem(403, "pages from elsewhere may not call; see --allow-origin")


async def _deny(problem: Problem, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for a WebSocket with a problem, where the server can."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await problem.response()(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": problem.detail[:120]})


class Guard:
    """An ASGI app around the app.

    It checks the token or, without one, that the request is meant for this machine and comes from
    no foreign page, and it counts requests.
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
        if scope["type"] == "lifespan":  # the server's own start and end: no client
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._admit(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"a kind of request that nobody checks: {scope['type']}")
        exchange = Exchange(scope, receive, send, self._limits, self._origins)
        await exchange.run(self._handle)
        self._metrics.answered(exchange)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on.

        Raises:
            Problem: it is refused.
        """
        address = scope["client"][0] if scope.get("client") else ""
        owner = self._owner(scope, Headers(scope=scope), address)
        scope.setdefault("state", {})["owner"] = owner
        client = owner or address
        if self._active[client] >= self._limits.parallel:
            raise self._too_many_open()
        with self._open(client):
            await self._app(scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a WebSocket through that may ask for a session, or refuse it before it is one."""
        address = scope["client"][0] if scope.get("client") else ""
        sockets = f"sockets of {address}"
        try:
            if scope["path"] != LIVE_PATH:
                raise Problem(404, f"WebSockets are served at {LIVE_PATH} alone")
            self._check_page(scope, Headers(scope=scope))
            self._count(self._requests, address)
            if self._active[sockets] >= self._limits.parallel:
                raise self._too_many_open()
        except Problem as problem:
            await _deny(problem, scope, receive, send)
            return
        scope.setdefault("state", {})["enter"] = partial(self._enter, address)
        with self._open(sockets):
            await self._app(scope, receive, send)

    def _enter(self, address: str, token: str) -> str:
        """The owner of a token that came in a message.

        Raises:
            Problem: it is none of ours, or too many were wrong.
        """
        return self._identify(f"Bearer {token}", address) if self._owners else ""

    def _check_page(self, scope: Scope, headers: Headers) -> None:
        """Refuse the WebSocket of a page from elsewhere.

        Also where there are tokens: before one is opened, a browser asks for no leave (CORS).
        """
        if not self._owners:
            self._check_local(headers, scope["path"])
        origin = headers.get("origin")
        if origin not in self._origins and _is_foreign(origin, headers):
            raise _foreign_page()

    @contextmanager
    def _open(self, client: str) -> Iterator[None]:
        """Within it, `client` has one request more open."""
        self._active[client] += 1
        try:
            yield
        finally:
            self._active[client] -= 1
            if not self._active[client]:
                del self._active[client]

    def _too_many_open(self) -> Problem:
        return Problem(
            429,
            f"{self._limits.parallel} of your requests are open; close some",
            headers={"Retry-After": "5"},
        )

    def _owner(self, scope: Scope, headers: Headers, address: str) -> str:
        """Who asks; "" where there are no tokens, or for paths that need none."""
        if not self._owners:
            self._check_local(headers, scope["path"])
        origin = headers.get("origin")
        preflight = scope["method"] == "OPTIONS" and origin in self._origins
        if not self._owners or is_open(scope["path"]) or preflight:
            self._count(self._requests, address)
            return ""
        return self._identify(headers.get("authorization", ""), address)

    def _identify(self, authorization: str, address: str) -> str:
        """Whose token it is; wrong ones are counted."""
        if not self._rates.test(self._refusals, address):
            raise self._too_many(self._refusals, address)
        owner = self._match(authorization)
        if owner is None:
            self._rates.hit(self._refusals, address)
            raise Problem(
                401,
                "send the header Authorization: Bearer with a token of this server",
                headers={"WWW-Authenticate": "Bearer"},
            )
        self._count(self._requests, owner)
        return owner

    def _check_local(self, headers: Headers, path: str) -> None:
        """Refuse what a page from elsewhere makes a browser on this machine send."""
        # A name that an attacker's DNS points at this machine (rebinding) is none of ours.
        if not is_loopback(_host(headers.get("host", ""))):
            raise Problem(421, "without a token this server answers to localhost only")
        origin = headers.get("origin")
        if origin in self._origins:
            return
        # A form on any page can be sent here, though its page cannot read the answer; nor can one
        # that asks for a picture at an address of ours, for which a browser names no origin.
        foreign = _is_foreign(origin, headers)
        fetched = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if foreign or (fetched and not is_open(path)):
            raise _foreign_page()

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
