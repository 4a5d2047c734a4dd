"""Faces are found by several at once as by one alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.faces import Face, FaceLandmarker
from lddu_pipe.extractors.search import STRETCH, Seen, find_faces
from lddu_pipe.media import Frame, decode_frames, probe


def show(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def cut(image: NDArray[np.uint8], face: Face | None) -> NDArray[np.uint8]:
    return np.full((1, 1), 0 if face is None else 1, np.uint8)


@pytest.fixture(scope="module")
def frames(sample_video: Path) -> list[Frame]:
    """Three stretches and a bit, faces and none."""
    real = list(decode_frames(probe(sample_video), 12.0))[: 3 * STRETCH + 5]
    black = np.zeros_like(real[0].image)
    return [
        Frame(frame.time, black if index % 17 == 3 else frame.image)
        for index, frame in enumerate(real)
    ]


def same(one: Seen, other: Seen) -> bool:
    return (
        one.time == other.time
        and len(one.faces) == len(other.faces)
        and all(
            a.box == b.box and np.array_equal(a.blendshapes, b.blendshapes)
            for a, b in zip(one.faces, other.faces, strict=True)
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_nothing(frames: list[Frame], threads: int) -> None:
    model = resolve("face-landmarker")
    alone = list(find_faces(model, frames, show, cut, threads=1))
    several = list(find_faces(model, frames, show, cut, threads=threads))
    assert [seen.time for seen in several] == [frame.time for frame in frames]
    assert all(same(one, other) for one, other in zip(alone, several, strict=True))
    assert all(
        [crop.item() for crop in seen.crops] == ([1] * len(seen.faces) or [0]) for seen in alone
    )
    assert sum(bool(seen.faces) for seen in alone) > len(frames) / 2


def test_what_was_seen_before_is_forgotten(frames: list[Frame]) -> None:
    with FaceLandmarker(resolve("face-landmarker"), video=True) as landmarker:
        landmarker.forget()
        first = [landmarker.detect(frame.image, frame.time) for frame in frames[:3]]
        landmarker.detect(np.ascontiguousarray(frames[-1].image[::-1]), 99.0)
        landmarker.forget()
        again = [landmarker.detect(frame.image, frame.time) for frame in frames[:3]]
    assert [[face.box for face in faces] for faces in first] == [
        [face.box for face in faces] for faces in again
    ]


def test_closing_early_ends_the_threads_and_takes_few_frames() -> None:
    taken = 0

    def endless() -> Iterator[Frame]:
        nonlocal taken
        while True:
            taken += 1
            yield Frame(taken / 10, np.zeros((32, 32, 3), np.uint8))

    before = set(threading.enumerate())
    found = find_faces(resolve("face-landmarker"), endless(), show, cut, threads=2)
    assert next(found).faces == ()
    found.close()
    assert set(threading.enumerate()) <= before  # those of other tests may have ended
    assert taken <= 5 * STRETCH


def test_no_frames_load_no_landmarker() -> None:
    assert list(find_faces(Path("nowhere"), [], show, cut)) == []
