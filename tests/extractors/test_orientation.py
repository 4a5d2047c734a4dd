"""Pictures that stand on their head or lie on their side are turned upright."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe import EmotionPipeline
from lddu_pipe.assets import resolve
from lddu_pipe.extractors.orientation import PROBES, Orientation, turned
from lddu_pipe.media import Frame, decode_frames, probe

BLACK = np.zeros((120, 90, 3), np.uint8)


@pytest.fixture(scope="module")
def image(sample_video: Path) -> NDArray[np.uint8]:
    return next(iter(decode_frames(probe(sample_video), 1.0))).image


@pytest.fixture
def orientation() -> Iterator[Orientation]:
    with Orientation(resolve("face-landmarker")) as found:
        yield found


@pytest.mark.parametrize("turns", range(4))
def test_a_face_tells_which_way_is_up(
    orientation: Orientation, image: NDArray[np.uint8], turns: int
) -> None:
    assert orientation.of(turned(image, turns)) == -turns % 4


def test_an_upright_picture_is_left_as_it_is(
    orientation: Orientation, image: NDArray[np.uint8]
) -> None:
    assert orientation.follow([image]) == 0
    assert turned(image, 0) is image


def test_a_video_stays_as_it_is_until_most_pictures_say_otherwise(
    orientation: Orientation, image: NDArray[np.uint8]
) -> None:
    fallen = turned(image, 2)
    assert orientation.of(BLACK) is None
    assert orientation.follow([BLACK] * 5) is None
    assert orientation.follow([BLACK, BLACK, fallen]) is None
    assert orientation.follow([fallen] * PROBES) == 2
    assert orientation.follow([BLACK]) == 2
    assert orientation.follow([image, fallen, fallen]) == 2
    assert orientation.follow([image] * 2) == 0


@pytest.mark.slow
def test_a_turned_clip_says_what_the_upright_one_does(
    pipe: EmotionPipeline, shared_media: Path
) -> None:
    frames = [frame.image for frame in decode_frames(probe(shared_media / "pyfeat_single.mp4"), 5)]
    upright, *others = (
        pipe(frames=([turned(image, turns) for image in frames], 5.0)).utterances
        for turns in range(4)
    )
    assert upright[0].present
    for fallen in others:
        assert [score.label for score in fallen[0].present] == [
            score.label for score in upright[0].present
        ]


@pytest.mark.slow
def test_what_was_seen_before_a_video_is_known_to_be_turned_is_not_believed(
    pipe: EmotionPipeline, image: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([None, 2])
    monkeypatch.setattr(Orientation, "follow", lambda *_: next(told))
    # Two stretches, and a face in each as it was looked at.
    frames = [Frame(index / 10, image) for index in range(24)]
    frames += [Frame(index / 10, turned(image, 2)) for index in range(24, 27)]
    found = pipe.extractors.vision.extract(frames, 2.7)
    assert found.valid.tolist() == [False] * 24 + [True] * 3
    assert not found.values[:24].any()


@pytest.mark.slow
def test_a_turned_picture_is_seen_upright(pipe: EmotionPipeline, image: NDArray[np.uint8]) -> None:
    vision = pipe.extractors.vision
    upright, fallen = vision.extract_stills([image, turned(image, 1)], face_crops=False)
    np.testing.assert_array_equal(fallen.values, upright.values)
