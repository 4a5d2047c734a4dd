"""Pictures of a live session, decoded within limits."""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lddu_pipe.server.live.closing import CloseCode, Closed
from lddu_pipe.server.live.wire import FrameKind

_SMALLEST = 16  # pixels of a side
_FORMATS = {FrameKind.JPEG: "JPEG", FrameKind.WEBP: "WEBP"}


def decode(content: bytes, kind: FrameKind, pixels: int) -> NDArray[np.uint8]:
    """Decode a picture; its size is read, and refused, before anything is unpacked.

    Args:
        content: of the file; rotation that it may ask for is not looked at.
        kind: what it is said to be; nothing else is tried.
        pixels: how many it may have.

    Returns:
        (height, width, 3) uint8 RGB.

    Raises:
        Closed: it is too large, or cannot be decoded whole.
    """
    try:
        with Image.open(io.BytesIO(content), formats=(_FORMATS[kind],)) as picture:
            width, height = picture.size
            if width * height > pixels or min(width, height) < _SMALLEST:
                raise Closed(
                    CloseCode.BROKEN,
                    f"a picture of {width} x {height}; the server takes {pixels} pixels, and "
                    f"{_SMALLEST} a side at least",
                )
            if getattr(picture, "n_frames", 1) != 1:
                raise Closed(CloseCode.BROKEN, "a picture that moves")
            return np.asarray(picture.convert("RGB"))
    # What the library raises for files that are none.
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        raise Closed(CloseCode.BROKEN, "a picture that cannot be decoded") from None
