"""A live session, as its user sees it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import Event
from lddu_pipe.pipelines.live.studio import Studio


class Events(Protocol):
    """What a session tells, for a loop of threads (``for``) or of asyncio (``async for``)."""

    def __iter__(self) -> Iterator[Event]:
        """Wait for each event, and stop after `StreamEnded`."""
        ...

    def __aiter__(self) -> AsyncIterator[Event]:
        """The same, without blocking the event loop."""
        ...


class Live:
    """What a microphone and a camera give, annotated while they give it.

    Made by `EmotionPipeline.live`. All methods may be called from any thread.

    Example:
        >>> with pipe.live(audio_rate=48_000) as live:  # doctest: +SKIP
        ...     live.hear(samples, at=clock())
        ...     live.see(picture, at=clock())
        ...     live.close()
        ...     for event in live.events():
        ...         print(event)
    """

    def __init__(self, studio: Studio) -> None:
        """Begin in a studio, which has not begun."""
        self._alone = threading.Lock()
        self._closed = False
        self._studio = studio
        studio.start()

    def hear(self, samples: ArrayLike, at: float | None = None) -> None:
        """Give what the microphone gave next; never waits.

        Sound is in order: where `at` is later than the end of what came before, the time between
        is silent; what lies before that end, or before the session began, is left out. Differences
        of up to 60 ms, as clocks have them, are none. Sound that comes more than three seconds
        later than a picture of the same moment is too late, too.

        Args:
            samples: (n,) or (n, channels), float in -1..1 or int16, of any length, at the
                session's rate. It is copied.
            at: seconds of the caller's clock at the first sample; None: right behind what came
                before.

        Raises:
            UnusableInputError: another shape or type, NaN or infinity, a time that is none, a
                session without a microphone, or one that was closed.
        """
        with self._alone:
            self._check_open()
            if self._studio.microphone is None:
                raise UnusableInputError("this session has no microphone: give it an audio_rate")
            self._studio.microphone.hear(samples, at)

    def see(self, image: NDArray[np.uint8], at: float) -> None:
        """Give a picture of the camera; never waits.

        More pictures than are looked at (`PipelineSettings.fps`) cost nothing. Where the machine
        is too slow, pictures are left out; see `dropped`. So is one that is older than the one
        before it.

        Args:
            image: (height, width, 3) uint8 RGB, any size. It is copied.
            at: seconds of the caller's clock.

        Raises:
            UnusableInputError: another shape or type, a time that is none, a session without a
                camera, or one that was closed.
        """
        with self._alone:
            self._check_open()
            if self._studio.camera is None:
                raise UnusableInputError("this session has no camera: make it with camera=True")
            self._studio.camera.see(image, at)
            self._studio.expect_sound()

    def events(self) -> Events:
        """What is found, as it is found; there is one row of events, whoever takes them.

        `StreamOpened` comes first, `StreamEnded` last, after `close`. Times are seconds since the
        first `at` that was given. A consumer that stops taking events holds nothing up: of what is
        seen and heard, and of running results, the oldest are then left out.

        Raises:
            LdduPipeError: while they are taken: what went wrong in the session.
        """
        return self._studio.outbox

    def close(self) -> None:
        """Say that nothing more comes; what is open is judged, and `events` goes to its end.

        It does not wait, and may be called again.
        """
        with self._alone:
            self._closed = True
            self._studio.close()

    @property
    def dropped(self) -> float:
        """Share of the pictures to be looked at that were not, because of haste, 0..1."""
        return self._studio.camera.dropped if self._studio.camera else 0.0

    @property
    def delay(self) -> float:
        """Seconds by which results are behind what was given, now."""
        return self._studio.delay

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, and wait until the session's threads have ended."""
        self.close()
        self._studio.join()

    def _check_open(self) -> None:
        if self._closed:
            raise UnusableInputError("the session was closed, and takes nothing more")
