"""The mailbox of pictures: the latest few; those are left out that nobody has time for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import Frame
from lddu_pipe.pipelines.live.clock import Clock
from lddu_pipe.pipelines.sources import scaled

MOST_WAITING = 3
"""Pictures that wait, at most, before the oldest is left out."""


class Camera:
    """Takes pictures from the caller's threads, and gives some of them to one other thread."""

    def __init__(self, fps: float, side: int, clock: Clock) -> None:
        """Nothing was seen yet.

        Args:
            fps: pictures a second that are looked at, at most.
            side: pixels of the longer side, at most, in which they are looked at.
            clock: of the session.
        """
        self._fps = fps
        self._side = side
        self._clock = clock
        self._waiting: deque[Frame] = deque()
        self._news = threading.Condition()
        self._closed = False
        self._due = 0
        self._left_out = 0
        self._step = -1
        self.seen = 0.0
        """Seconds of the session at which the latest picture was shown."""

    @property
    def dropped(self) -> float:
        """Share of the pictures to be looked at that were left out, 0..1."""
        return self._left_out / self._due if self._due else 0.0

    def see(self, image: NDArray[np.uint8], at: float) -> None:
        """Take a picture; see `Live.see`."""
        picture = np.asarray(image)
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise UnusableInputError(
                f"a picture is (height, width, 3) uint8 RGB, got {picture.shape} {picture.dtype}"
            )
        if not picture.size:
            raise UnusableInputError(f"a picture of {picture.shape} shows nothing")
        time = self._clock.seconds(at)
        with self._news:
            if time < self.seen or time < 0:
                return
            self.seen = time
            # The first picture of each step; 1e-6 is for rounding of the caller's clock.
            step = int(time * self._fps + 1e-6)
            if step == self._step:
                return
            self._step = step
            self._due += 1
            if len(self._waiting) == MOST_WAITING:
                self._waiting.popleft()
                self._left_out += 1
            self._waiting.append(Frame(time, picture.copy()))
            self._news.notify_all()

    def close(self) -> None:
        """Nothing more comes."""
        with self._news:
            self._closed = True
            self._news.notify_all()

    def frames(self) -> Generator[Frame]:
        """The pictures that are looked at, as they come, until it is closed."""
        while True:
            with self._news:
                while not self._waiting and not self._closed:
                    self._news.wait()
                if not self._waiting:
                    return
                frame = self._waiting.popleft()
            yield Frame(frame.time, scaled(frame.image, self._side))
