"""Pipes from and to processes that decode and encode: wide, and never waited on for ever."""

from __future__ import annotations

import contextlib
import fcntl
import select

_WIDTH = 1 << 20
"""Bytes; the most that Linux gives an ordinary user, and more than a frame."""


def readable(descriptor: int, seconds: float) -> bool:
    """Wait until a pipe has bytes or has ended; False where `seconds` pass before."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def writable(descriptor: int, seconds: float) -> bool:
    """Wait until a pipe takes bytes or nobody reads it any more; False where it takes longer."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def widen(descriptor: int) -> None:
    """Let a pipe hold more, where the system allows, so that both sides wait less often."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _WIDTH)
