"""Links to media for elements of a page, which cannot send a token."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MEDIA_FOLDER = "/v1/media/"
"""Where links to media lead; a ticket is all that they need."""

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
    stamp: tuple[int, int]
    """Of the file: size in bytes and time of change in ns; another is of another file."""

    @classmethod
    def of(cls, path: Path, media_type: str) -> Shown:
        """A file as it is now.

        Raises:
            OSError: it is not there.
        """
        return cls(path, media_type, _stamp(path))

    @property
    def same(self) -> bool:
        """Whether the file is there and still the one that the ticket is for."""
        try:
            return _stamp(self.path) == self.stamp
        except OSError:
            return False


class Tickets:
    """Of one server; they are in memory alone, and so end with it. Any thread may use it."""

    def __init__(self, lifetime: float = LIFETIME) -> None:
        """None is out yet; each will be good for `lifetime` seconds."""
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Shown]] = OrderedDict()

    def issue(self, shown: Shown) -> Ticket:
        """Return a new ticket for a file."""
        secret = secrets.token_urlsafe(24)
        with self._lock:
            self._known[secret] = (time.monotonic() + self._lifetime, shown)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        expires = datetime.fromtimestamp(time.time() + self._lifetime, UTC)
        return Ticket(secret, expires.isoformat(timespec="seconds"))

    def redeem(self, secret: str) -> Shown | None:
        """Return the file of a ticket.

        None where there is no such ticket, it has expired, or the file is another by now.
        """
        with self._lock:
            until, shown = self._known.get(secret, (0.0, None))
            if shown is not None and until < time.monotonic():
                del self._known[secret]
                return None
        return shown if shown is not None and shown.same else None


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
