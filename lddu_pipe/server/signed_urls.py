"""Signed URLs of media: elements of a page, such as a video, cannot send a token."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

MEDIA_FOLDER = "/v1/media/"
"""Where signed URLs of media lead; what follows it is their signature."""

LIFETIME = 4 * 3600.0
"""Seconds for which a URL is good."""

_MOST = 10_000
"""URLs that are known at once; the oldest are forgotten for new ones."""


@dataclass(frozen=True)
class SignedUrl:
    """Whoever has it may fetch one file, until it expires."""

    signature: str
    """Random and kept by the server, so that nothing about the file can be read from it."""
    expires: str
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class Shown:
    """The file that a signed URL is for."""

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
        """Whether the file is there and still the one that was signed for."""
        try:
            return _stamp(self.path) == self.stamp
        except OSError:
            return False


class SignedUrls:
    """All of one server, in memory alone, so that they end with it. Threads may share it."""

    def __init__(self, lifetime: float = LIFETIME) -> None:
        """Begin without any; each will be good for `lifetime` seconds."""
        self._lifetime = lifetime
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Shown]] = OrderedDict()

    def issue(self, shown: Shown) -> SignedUrl:
        """Return a new URL for a file."""
        signature = secrets.token_urlsafe(24)
        with self._lock:
            self._known[signature] = (time.monotonic() + self._lifetime, shown)
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        expires = datetime.fromtimestamp(time.time() + self._lifetime, UTC)
        return SignedUrl(signature, expires.isoformat(timespec="seconds"))

    def redeem(self, signature: str) -> Shown | None:
        """Return the file that a signature is for.

        None where there is no such signature, it has expired, or the file is another by now.
        """
        with self._lock:
            until, shown = self._known.get(signature, (0.0, None))
            if shown is not None and until < time.monotonic():
                del self._known[signature]
                return None
        return shown if shown is not None and shown.same else None


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
