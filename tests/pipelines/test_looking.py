"""Looking while listening: in order, stopped in time, and loud about what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import Frame
from lddu_pipe.pipelines.looking import STAGE, Looking
from lddu_pipe.types import ModalitySequence

IMAGE = np.zeros((2, 2, 3), np.uint8)


def features(frames: Iterator[Frame]) -> ModalitySequence:
    times = [frame.time for frame in frames]
    return ModalitySequence(
        modality="vision",
        values=np.zeros((len(times), 1), np.float32),
        spans=np.array([(time, time + 1) for time in times]).reshape(-1, 2),
        valid=np.ones(len(times), np.bool_),
        feature_names=("nothing",),
        fingerprint="none",
    )


class Film:
    """Frames without end, or so many, that know whether they were closed."""

    def __init__(self, count: int | None = None) -> None:
        self.count, self.shown, self.closed = count, 0, False
        self.begun = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        while self.count is None or self.shown < self.count:
            self.shown += 1
            self.begun.set()
            yield Frame(float(self.shown - 1), IMAGE)

    def close(self) -> None:
        self.closed = True


def test_all_frames_arrive_and_the_share_is_told_once_it_is_waited_for() -> None:
    film, told = Film(50), []
    with Looking(film, 50.0, features, lambda *news: told.append(news)) as looking:
        found = looking.result()
    assert found is not None
    assert len(found) == 50
    assert film.closed
    assert told[0] == (STAGE, 0.0)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert max(shares) <= 1.0


def test_leaving_early_stops_an_endless_film() -> None:
    film = Film()

    def leave_with_an_error() -> None:
        with Looking(film, 1.0, features, lambda *news: None):
            assert film.begun.wait(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave_with_an_error()
    assert film.closed


def test_what_goes_wrong_is_told_before_the_end_of_listening() -> None:
    def fail(frames: Iterator[Frame]) -> ModalitySequence:
        raise UnusableInputError(f"no picture after {next(frames).time:g} s")

    film = Film()
    with Looking(film, 1.0, fail, lambda *news: None) as looking:
        with pytest.raises(UnusableInputError, match="no picture after 0 s"):
            looking.result()
        with pytest.raises(UnusableInputError):
            looking.check()
    with Looking(Film(1), 1.0, features, lambda *news: None) as looking:
        looking.check()


def test_nothing_to_look_at_is_nothing() -> None:
    with Looking(None, 0.0, features, lambda *news: None) as looking:
        looking.check()
        assert looking.result() is None
