"""A video in stretches, at whose first frames faces are searched for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lddu_pipe.extractors.cuts import CutDetector
from lddu_pipe.media import Frame

SEARCH_EVERY = 1.0
"""Seconds of a stretch, at whose first frame faces are searched for."""
MOST_FRAMES = 24
"""Frames of a stretch, at most; all of them are in memory at once."""
PROMPT = 0.2
"""Seconds of a part of a stretch, where what is seen is to be known soon."""


def stretches(
    frames: Iterable[Frame], longest: float, *, prompt: bool
) -> Iterator[tuple[list[Frame], bool]]:
    """Stretches of frames, and whether a scene begins with each.

    Args:
        frames: in order of time.
        longest: seconds of a stretch.
        prompt: a stretch ends with the frame after which the next would be too much, if frames go
            on as they came.
    """
    cuts = CutDetector()
    part: list[Frame] = []
    begins = False
    for frame in frames:
        cut = cuts.cuts(frame.image)
        full = bool(part) and (
            frame.time - part[0].time >= longest - 1e-3 or len(part) == MOST_FRAMES
        )
        if part and (cut or full):
            yield part, begins
            part, begins = [], cut
        part.append(frame)
        apart = frame.time - part[0].time
        if prompt and len(part) > 1 and apart * len(part) / (len(part) - 1) >= longest - 0.02:
            yield part, begins
            part, begins = [], False
    if part:
        yield part, begins
