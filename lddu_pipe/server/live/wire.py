"""What a client sends in binary: a header of 16 bytes, then sound or a picture."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.server.live.closing import CloseCode, Closed

HEADER = struct.Struct("<BB6xd")
"""Kind, channels, six bytes of 0, and the time in seconds; little-endian, as all that follows."""

MOST_CHANNELS = 8


class FrameKind(IntEnum):
    """What follows the header."""

    INT16 = 1
    """Sound, 16-bit integers."""
    FLOAT32 = 2
    """Sound, 32-bit floats in -1..1."""
    JPEG = 3
    """A picture."""
    WEBP = 4
    """A picture."""


@dataclass(frozen=True)
class SoundFrame:
    """A piece of sound."""

    at: float
    """Seconds of the client's clock at the first sample."""
    samples: NDArray[Any]
    """(n, channels) int16, or float32 in -1..1."""


@dataclass(frozen=True)
class PictureFrame:
    """A picture, not decoded."""

    at: float
    """Seconds of the client's clock."""
    kind: FrameKind
    content: bytes


def read_frame(message: bytes) -> SoundFrame | PictureFrame:
    """Read a binary message.

    Raises:
        Closed: it is not laid out as `HEADER` says.
    """
    if len(message) <= HEADER.size:
        raise _broken(f"a binary message has a header of {HEADER.size} bytes and something after")
    number, channels, at = HEADER.unpack_from(message)
    if any(message[2:8]):
        raise _broken("bytes 2 to 7 of a header are 0")
    if not math.isfinite(at):
        raise _broken("the time of a header is not a number")
    if number not in FrameKind.__members__.values():
        raise _broken(f"there is no binary message of kind {number}")
    kind = FrameKind(number)
    if kind in (FrameKind.JPEG, FrameKind.WEBP):
        if channels:
            raise _broken("a picture has 0 channels")
        return PictureFrame(at, kind, message[HEADER.size :])
    if not 1 <= channels <= MOST_CHANNELS:
        raise _broken(f"sound has 1 to {MOST_CHANNELS} channels, not {channels}")
    unit = np.dtype("<i2" if kind is FrameKind.INT16 else "<f4")
    if (len(message) - HEADER.size) % (channels * unit.itemsize):
        raise _broken("a piece of sound ends within a sample")
    return SoundFrame(at, np.frombuffer(message, unit, offset=HEADER.size).reshape(-1, channels))


def _broken(reason: str) -> Closed:
    return Closed(CloseCode.BROKEN, reason)
