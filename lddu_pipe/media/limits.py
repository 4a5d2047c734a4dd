"""How much of this machine a media file may take, whatever is in it."""

from __future__ import annotations

import contextlib
import sys

ADDRESS_SPACE = 4 << 30
"""Bytes that a process which decodes may address; 8K video with four threads takes half of it."""

PIXELS = 1 << 27
"""Pixels of the largest picture: 8K has a quarter of it, a camera of 100 megapixels fits."""

LOWEST_RATE = 1000
"""Hz of the coarsest sound: a few bytes at 1 Hz would become hours to listen to."""

LONGEST = 24 * 3600.0
"""Seconds of the longest media: a day of sound is 5.5 GB of samples."""

SPARSEST = 0.1
"""The part of media longer than an hour that has to hold sound or pictures."""

OVERHANG = 1.0
"""Seconds that decoded sound and pictures may reach beyond the duration that was found."""

STALL = 60.0
"""Seconds without a sign of life after which a decoder hangs."""

COMPLAINTS = 1 << 30
"""Bytes of log, and so of any file, that a decoder may write."""


def time_to_read(size: int) -> float:
    """Return how many seconds a file of `size` bytes may take to be read: a slow network's."""
    return STALL + size / 2e6


def time_to_decode(duration: float) -> float:
    """Return how many seconds may be spent waiting for `duration` seconds of media to decode."""
    return 10 * STALL + 60 * duration


def largest_copy(duration: float) -> int:
    """Return how many bytes `duration` seconds of video may take when they are written anew."""
    return COMPLAINTS + round(25e6 * duration)


def confine(process_id: int, file_size: int, computing: float | None = None) -> None:
    """Limit what a process may take, 0 for this one; no crash of it dumps its core.

    Linux alone can do this to another process; elsewhere nothing is limited.

    Args:
        process_id: of a process of this user.
        file_size: bytes of the largest file it may write.
        computing: seconds of processor time, which end it also where nobody is left to do so.
    """
    if sys.platform != "linux":
        return
    import resource

    # It may have ended already, and stricter limits than these may stand.
    with contextlib.suppress(ProcessLookupError, PermissionError, ValueError):
        for kind, limit in (
            (resource.RLIMIT_AS, ADDRESS_SPACE),
            (resource.RLIMIT_FSIZE, file_size),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_CPU, None if computing is None else round(computing)),
        ):
            if limit is None:
                continue
            _, hard = resource.prlimit(process_id, kind)
            most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.prlimit(process_id, kind, (most, most))
