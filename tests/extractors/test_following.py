"""Everybody is found, followed, and told apart from pictures on the wall."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.cuts import CutDetector
from lddu_pipe.extractors.detector import Detection, FaceDetector, merge
from lddu_pipe.extractors.faces import Face, FaceLandmarker, crop_face
from lddu_pipe.extractors.following import Stretch, decided, follow_faces
from lddu_pipe.extractors.landmarks import SURE, LandmarkReader, Region
from lddu_pipe.extractors.pyramid import Pyramid
from lddu_pipe.extractors.readable import LOWEST, crop_near, is_readable, is_sharp
from lddu_pipe.extractors.stillness import FirstLook
from lddu_pipe.extractors.tflite import read_bundle
from lddu_pipe.media import Frame, decode_frames, probe

MODEL = resolve("face-landmarker")


@pytest.fixture(scope="module")
def pictures(sample_video: Path) -> list[NDArray[np.uint8]]:
    return [frame.image for frame in decode_frames(probe(sample_video), 10.0)][:14]


@pytest.fixture(scope="module")
def head(pictures: list[NDArray[np.uint8]]) -> tuple[NDArray[np.uint8], Face]:
    """The first face with what is around it, and the face in that."""
    with FaceLandmarker(MODEL, video=False) as landmarker:
        (face,) = landmarker.detect(pictures[0])
        left, top, right, bottom = face.box
        size = bottom - top
        y, x = int(max(0, top - 0.6 * size)), int(max(0, left - 0.6 * size))
        part = pictures[0][y : int(bottom + 0.5 * size), x : int(right + 0.6 * size)].copy()
        (inside,) = landmarker.detect(part)
    return part, inside


def scene(
    head: tuple[NDArray[np.uint8], Face], heights: dict[int, tuple[int, int]]
) -> NDArray[np.uint8]:
    """A grey picture, 640 x 360, with faces of some heights at some places."""
    part, face = head
    random = np.random.default_rng(0)
    rough = random.integers(60, 200, (9, 16, 3)).astype(np.uint8)
    image = np.asarray(cv2.resize(rough, (640, 360), interpolation=cv2.INTER_CUBIC), np.uint8)
    for height, (x, y) in heights.items():
        scale = height / (face.box[3] - face.box[1])
        small = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image[y : y + small.shape[0], x : x + small.shape[1]] = small
    return image


@pytest.mark.slow
def test_faces_from_24_pixels_on_are_found_in_all_frames_by_any_number_of_threads(
    head: tuple[NDArray[np.uint8], Face],
) -> None:
    image = scene(head, {26: (30, 30), 48: (160, 200), 110: (380, 60)})
    frames = [
        Frame(index / 10, np.ascontiguousarray(np.roll(image, index, axis=1)))
        for index in range(13)
    ]
    alone, two = (
        list(follow_faces(MODEL, iter(frames), people=6, threads=threads)) for threads in (1, 2)
    )
    assert [len(stretch.times) for stretch in alone] == [10, 3]
    for one, other in zip(alone, two, strict=True):
        assert all(set(found) == {0, 1, 2} for found in one.seen)
        for found, again in zip(one.seen, other.seen, strict=True):
            assert {k: v.sighting.box for k, v in found.items()} == {
                k: v.sighting.box for k, v in again.items()
            }
    heights = sorted(item.sighting.height for item in alone[0].seen[0].values())
    np.testing.assert_allclose(heights, [26, 48, 110], rtol=0.12)
    # Two at a time: the largest.
    (first, _) = follow_faces(MODEL, iter(frames), people=2)
    assert min(item.sighting.height for item in first.seen[0].values()) > 40


def test_landmarks_in_a_crop_are_those_of_the_landmarker(
    pictures: list[NDArray[np.uint8]],
) -> None:
    bundle = read_bundle(MODEL)
    reader, detector = LandmarkReader(bundle), FaceDetector(bundle)
    image = pictures[0]
    with FaceLandmarker(MODEL, video=False) as landmarker:
        (expected,) = landmarker.detect(image)
    side = float(max(image.shape))
    (found, *_) = detector.look(image, np.array(image.shape[1::-1]) / 2, side, 0.5)
    landmarks = reader.read(image, found.region)
    face = reader.describe(landmarks, image.shape[:2])
    assert landmarks.presence > SURE
    size = expected.box[3] - expected.box[1]
    np.testing.assert_allclose(face.box, expected.box, atol=0.02 * size)
    np.testing.assert_allclose(face.blendshapes, expected.blendshapes, atol=0.1)
    np.testing.assert_allclose(face.head_pose, expected.head_pose, atol=0.02)
    assert face.points is not None
    np.testing.assert_allclose(face.points, expected.points, atol=0.02 * size)
    # Where it was is enough to read it again.
    again = reader.read(image, landmarks.region)
    np.testing.assert_allclose(again.box, landmarks.box, atol=0.03 * size)
    corner = Region(10.0, 10.0, 40.0, 0.0)
    assert reader.read(np.zeros_like(image), corner).presence < SURE


def test_a_scene_is_searched_whole_once_and_then_where_something_changes(
    head: tuple[NDArray[np.uint8], Face],
) -> None:
    image = scene(head, {})
    pyramid = Pyramid((360, 640))
    everything = pyramid.due(image)
    assert {square.level for square in everything} == set(range(len(pyramid.levels)))
    assert pyramid.due(image) == []
    changed = pyramid.due(scene(head, {40: (500, 200)}))
    assert 0 < len(changed) < len(everything) / 2
    # The smallest picture has a square, too.
    assert len(Pyramid((20, 20)).due(np.zeros((20, 20, 3), np.uint8))) == 1


def test_a_flash_is_no_cut(head: tuple[NDArray[np.uint8], Face]) -> None:
    image = scene(head, {110: (380, 60)})
    bright = np.clip(image.astype(int) + 60, 0, 255).astype(np.uint8)
    other = np.ascontiguousarray(image[::-1, ::-1])
    cuts = CutDetector()
    assert [cuts.cuts(item) for item in (image, bright, image, other, other)] == [
        *(False, False, False),
        *(True, False),
    ]


def test_only_a_picture_stays_as_it_was(head: tuple[NDArray[np.uint8], Face]) -> None:
    image = scene(head, {80: (100, 100)})
    box = (130.0, 140.0, 200.0, 230.0)
    first = FirstLook(image, box)
    noise = np.random.default_rng(1).normal(0, 2, image.shape)
    noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
    assert first.is_all(noisy, box)
    panned = np.ascontiguousarray(np.roll(noisy, 7, axis=1))
    assert first.is_all(panned, (137.0, 140.0, 207.0, 230.0))
    mouth = noisy.copy()
    mouth[195:215, 150:180] = 20
    assert not first.is_all(mouth, box)


def test_what_is_too_small_or_turned_away_is_not_read(
    head: tuple[NDArray[np.uint8], Face],
) -> None:
    image, face = head
    assert is_readable(face)
    assert not is_readable(replace(face, box=(5.0, 5.0, 20.0, 5.0 + LOWEST - 1)))
    assert not is_readable(replace(face, head_pose=np.array([1.4, 0.0, 0.0], np.float32)))
    crop = crop_near(image, face)
    assert is_sharp(crop)
    assert not is_sharp(np.asarray(cv2.GaussianBlur(crop, (0, 0), 4.0), np.uint8))
    # What is far from it hardly matters: by half a pixel at most its picture lies elsewhere.
    wide = np.asarray(cv2.copyMakeBorder(image, 300, 0, 400, 0, cv2.BORDER_REPLICATE), np.uint8)
    left, top, right, bottom = face.box
    moved = replace(face, box=(left + 400, top + 300, right + 400, bottom + 300))
    near = crop_near(wide, moved).astype(float)
    assert np.abs(near - crop_face(wide, moved, 48)).mean() < 6


def test_what_was_seen_before_it_is_known_which_way_is_up_is_left_out() -> None:
    def stretch(time: float, turns: int | None) -> Stretch:
        seen: list[dict] = [{0: object()}]
        return Stretch([time], seen, (9, 9), turns, cut=False, still=frozenset())

    def given() -> Iterator[Stretch]:
        yield from (stretch(0.0, None), stretch(1.0, None), stretch(2.0, 2), stretch(3.0, 2))

    assert [len(item.seen[0]) for item in decided(given(), 20.0)] == [0, 0, 1, 1]
    upright = [stretch(float(second), None) for second in range(4)]
    assert list(decided(iter(upright), 20.0)) == upright


def test_boxes_that_overlap_are_one_face() -> None:
    def detection(score: float, left: float) -> Detection:
        return Detection(score, np.array([left, 0, left + 10, 10]), np.zeros((2, 2)))

    merged = merge([detection(0.5, 1.0), detection(0.9, 0.0), detection(0.6, 30.0)])
    assert [round(item.score, 1) for item in merged] == [0.9, 0.6]
    assert merged[0].box[0] == pytest.approx(0.5 / 1.4)
