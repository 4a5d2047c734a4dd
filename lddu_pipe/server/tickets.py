"""Links to media for elements of a page, which cannot send a token."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

LIFETIME = 4 * 3600.0
"""Seconds for which a ticket is good."""

_MOST = 10_000
"""Tickets that are known at once; the oldest are forgotten for new ones."""


@dataclass(frozen=True)
class Ticket:
    """Whoever has it may fetch one file, until it expires."""

    secret: str
    expires: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class Shown:
    """What a ticket is for."""

    path: Path
    media_type: str


class Tickets:
    """Of one server; they are in memory alone, and so end with it. Any thread may use it."""

    def __init__(self, lifetime: float = LIFETIME) -> None:
        """None is out yet; each will be good for `lifetime` seconds."""
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Shown]] = OrderedDict()

    def issue(self, path: Path, media_type: str) -> Ticket:
        """Return a new ticket for a file of a media type."""
        secret = secrets.token_urlsafe(24)
        with self._lock:
            self._known[secret] = (time.monotonic() + self._lifetime, Shown(path, media_type))
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        expires = datetime.fromtimestamp(time.time() + self._lifetime, UTC)
        return Ticket(secret, expires.isoformat(timespec="seconds"))

    def redeem(self, secret: str) -> Shown | None:
        """Return the file of a ticket; None where there is none, or it has expired."""
        with self._lock:
            until, shown = self._known.get(secret, (0.0, None))
            if shown is not None and until < time.monotonic():
                del self._known[secret]
                return None
        return shown
