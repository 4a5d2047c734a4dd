"""The faces of a video, looked for in several stretches of it at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.faces import Face, FaceLandmarker
from lddu_pipe.extractors.orientation import Orientation, turned
from lddu_pipe.media import Frame

STRETCH = 24
"""Frames that one landmarker sees one after the other. It forgets what it saw before each stretch,
so that results depend neither on who looked at the stretch before nor on how many look at once."""

PROMPT = 2
"""The same, where what is seen is to be known soon; then it does not forget."""

Show = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
"""From the picture of a frame to the picture in which faces are looked for."""
Cut = Callable[[NDArray[np.uint8], Face | None], NDArray[np.uint8]]
"""From the picture of a frame and a face in it (None where there is none) to the face's crop."""


class Seen(NamedTuple):
    """What was found in one frame."""

    time: float
    """Seconds."""
    faces: tuple[Face, ...]
    crops: tuple[NDArray[np.uint8], ...]
    """Of each face; of a frame without any, the one that `Cut` makes of no face."""
    size: tuple[int, int]
    """Height and width of the picture in which they were looked for, in pixels."""
    turns: int | None
    """Quarter turns against the clock that were made before looking; None: it was looked at as it
    is, since nothing had told yet which way is up."""

    def crop_of(self, face: Face | None) -> NDArray[np.uint8]:
        """The crop of one of `faces`, or of none where there are none."""
        faces: tuple[Face | None, ...] = self.faces or (None,)
        return next(crop for item, crop in zip(faces, self.crops, strict=True) if item is face)


def find_faces(
    model: Path,
    frames: Iterable[Frame],
    show: Show,
    cut: Cut,
    threads: int = 1,
    *,
    upright: bool = False,
    prompt: bool = False,
) -> Generator[Seen]:
    """Look for the faces of one video; pictures are cut and let go as soon as they were seen.

    Frames are taken a few stretches ahead of what is asked for. If the generator is closed,
    threads finish their stretch and end.

    Args:
        model: the ``face_landmarker.task`` file.
        frames: in order of time.
        show: applied to each picture before faces are looked for.
        cut: applied to each face.
        threads: landmarkers at work at once; the result does not depend on it.
        upright: the frames are known to stand upright; else a stretch in which faces do not is
            turned first.
        prompt: frames come as they are shown, and what is seen is to be known soon.

    Yields:
        One item a frame, in order.
    """
    remaining, length = iter(frames), STRETCH
    if prompt:
        threads, length = 1, PROMPT
    stretch = list(islice(remaining, length))
    if not stretch:
        return
    with ExitStack() as stack, ThreadPoolExecutor(threads, "faces") as pool:
        idle: SimpleQueue[FaceLandmarker] = SimpleQueue()
        for _ in range(threads):
            landmarker = FaceLandmarker(model, video=True)
            stack.callback(landmarker.close)
            idle.put(landmarker)

        def look(stretch: list[Frame], turns: int | None) -> list[Seen]:
            landmarker = idle.get()
            try:
                if not prompt:
                    landmarker.forget()
                return [_look(landmarker, frame, show, cut, turns) for frame in stretch]
            finally:
                idle.put(landmarker)

        orientation = None if upright else stack.enter_context(Orientation(model))
        ahead: deque[Future[list[Seen]]] = deque()
        while stretch or ahead:
            if stretch:
                turns = (
                    orientation.follow([frame.image for frame in stretch]) if orientation else 0
                )
                ahead.append(pool.submit(look, stretch, turns))
                if prompt:
                    yield from ahead.popleft().result()
                stretch = list(islice(remaining, length))
            if ahead and (len(ahead) > threads or not stretch):
                yield from ahead.popleft().result()


def _look(
    landmarker: FaceLandmarker, frame: Frame, show: Show, cut: Cut, turns: int | None
) -> Seen:
    image = turned(frame.image, turns or 0)
    faces = tuple(landmarker.detect(show(image), frame.time))
    crops = tuple(cut(image, face) for face in faces or (None,))
    return Seen(frame.time, faces, crops, image.shape[:2], turns)
