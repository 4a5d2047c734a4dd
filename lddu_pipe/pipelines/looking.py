"""Looking at faces in a thread of its own, while another listens and reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from lddu_pipe.media import Frame
from lddu_pipe.pipelines.settings import Hook
from lddu_pipe.types import ModalitySequence

STAGE = "look at faces"

Look = Callable[[Iterator[Frame]], ModalitySequence]
"""From frames, in order of time, to their features."""


class Looking:
    """Frames on their way to features, begun on entering the context.

    Leaving the context before the end stops it; the frames are closed either way.
    """

    def __init__(
        self, frames: Iterable[Frame] | None, duration: float, look: Look, tell: Hook
    ) -> None:
        """Begin nothing yet.

        Args:
            frames: of one video or still; None where there is nothing to look at.
            duration: seconds of it.
            look: makes features of the frames.
            tell: told of the share that is done, once somebody waits for the result: until then
                another stage is going on, and a hook is never called from two threads at once.
        """
        self._frames = frames
        self._duration = duration
        self._look = look
        self._tell = tell
        self._stopped = threading.Event()
        self._awaited = threading.Event()
        self._pool = ThreadPoolExecutor(1, "looking")
        self._result: Future[ModalitySequence] | None = None

    def __enter__(self) -> Looking:
        if self._frames is not None:
            self._result = self._pool.submit(self._look, self._shown(self._frames))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._pool.shutdown(wait=True)

    def check(self) -> None:
        """Raise what went wrong so far, so that nobody listens to the end for nothing."""
        if self._result is not None and self._result.done():
            self._result.result()

    def result(self) -> ModalitySequence | None:
        """Wait for the features, and tell how far they are; None where there were no frames.

        Raises:
            UnusableInputError: no picture can be decoded.
            MissingAssetError: the landmarker's weights are not on this machine.
        """
        if self._result is None:
            return None
        self._tell(STAGE, 0.0)
        self._awaited.set()
        return self._result.result()

    def _shown(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        try:
            for frame in frames:
                if self._stopped.is_set():
                    return
                yield frame
                if self._awaited.is_set() and self._duration > 0:
                    self._tell(STAGE, min(1.0, frame.time / self._duration))
        finally:
            close = getattr(frames, "close", None)
            if close is not None:  # of a file: ffmpeg ends with it
                close()
