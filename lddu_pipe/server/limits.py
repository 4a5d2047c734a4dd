"""How much of this machine a client of the server may take."""

from __future__ import annotations

from dataclasses import dataclass

TEXT_FIELD = 64
"""Bytes of a form's field that is no file."""

NAME = 200
"""Characters of a file's name that are kept."""

ENVELOPE = 64 * 1024
"""Bytes of a form beside its files: boundaries, headers and fields."""

PIECE = 1 << 20
"""Bytes of an upload that are held in memory before they go to the disk."""


@dataclass(frozen=True)
class Limits:
    """What whoever runs the server may choose; the defaults suit a laptop."""

    upload: int = 1 << 30
    """Bytes of a media file."""
    transcript: int = 8 << 20
    """Bytes of a transcript."""
    duration: float = 2 * 3600.0
    """Seconds of media."""
    text: int = 10_000
    """Characters of a text that is annotated while its client waits."""
    body: int = 1 << 20
    """Bytes of a request that brings no files."""
    waiting: int = 100
    """Jobs of a client that wait or run; more are refused."""
    requests: int = 600
    """Requests of a client in a minute."""
    parallel: int = 64
    """Requests of a client at once, those among them that watch a job."""
    refusals: int = 20
    """Requests of an address in a minute with a token that is wrong or missing."""
    connections: int = 256
    """Open at once, of all clients together."""
    stall: float = 30.0
    """Seconds in which a client has to send or take something."""
    slowest: float = 4096.0
    """Bytes a second, on average, of the slowest client that is not given up."""
    text_wait: float = 30.0
    """Seconds for which a client waits for a text."""
    texts: int = 256
    """Texts that wait at once, of all clients together."""
    attempts: int = 3
    """Starts of a job; one under which the server dies so often is not tried again."""
    keep_media: float = 3600.0
    """Seconds for which uploads are kept once their job has ended."""

    def time_to_send(self, size: int) -> float:
        """Return the seconds within which `size` bytes must have come."""
        return self.stall + size / self.slowest
