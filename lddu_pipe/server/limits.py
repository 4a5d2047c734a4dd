"""How much of this machine a client of the server may take."""

from __future__ import annotations

from dataclasses import dataclass, field

TEXT_FIELD = 64
"""Bytes of a form's field that is no file."""

NAME = 200
"""Characters of a file's name that are kept."""

ENVELOPE = 64 * 1024
"""Bytes of a form beside its files: boundaries, headers and fields."""

PIECE = 1 << 20
"""Bytes of an upload that are held in memory before they go to the disk."""


@dataclass(frozen=True)
class LiveLimits:
    """Of live sessions."""

    sessions: int = 4
    """At once, of all clients together; 0: there are none."""
    each: int = 2
    """At once, of one token; where there are no tokens, of all."""
    duration: float = 3600.0
    """Seconds of a session; then it is ended as if its client had."""
    opening: float = 10.0
    """Seconds within which the first message must have come."""
    idle: float = 60.0
    """Seconds without sound or pictures after which a session is ended."""
    message: int = 1 << 20
    """Bytes of a message."""
    messages: int = 100
    """Messages in a second, on average over `lead`."""
    bandwidth: int = 2 << 20
    """Bytes in a second, likewise."""
    pixels: int = 1920 * 1088
    """Of a picture."""
    lead: float = 10.0
    """Seconds by which times that are sent may be ahead of the clock, and of sending that may be
    made up for after the network stood still."""
    waiting: int = 256
    """Results that wait for a client to take them; running ones are given up first."""
    finishing: float = 30.0
    """Seconds for the end: what is open is judged."""
    keeping: float = 600.0
    """Seconds for which a session that has ended can be saved, if its client asked for that."""


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
    live: LiveLimits = field(default_factory=LiveLimits)
    """Of live sessions."""

    def time_to_send(self, size: int) -> float:
        """Return the seconds within which `size` bytes must have come."""
        return self.stall + size / self.slowest
