"""Faces: which one is followed, how it is cut, and what is said of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.expression import (
    ExpressionConfig,
    ExpressionNetwork,
    standardise_faces,
)
from lddu_pipe.extractors.faces import Face, FaceLandmarker, crop_face, follow_face
from lddu_pipe.extractors.vision import LOG_PROBABILITY_FLOOR, VisionExtractor, VisionSettings
from lddu_pipe.media import Frame, decode_frames, probe


def face(left: float, top: float, size: float) -> Face:
    box = (left, top, left + size, top + size)
    return Face(box, np.zeros(52, np.float32), np.zeros(3, np.float32))


def test_the_largest_face_is_followed_and_kept_while_it_is_there() -> None:
    small, large = face(0, 0, 50), face(200, 0, 80)
    assert follow_face(None, [small, large]) is large
    # The other comes a little nearer, but not by half: no jump.
    nearer, moved = face(0, 0, 90), face(204, 2, 80)
    assert follow_face(large, [nearer, moved]) is moved
    much_nearer = face(0, 0, 120)
    assert follow_face(large, [much_nearer, moved]) is much_nearer
    assert follow_face(large, [small]) is small
    assert follow_face(large, []) is None


def test_overlap_is_intersection_over_union() -> None:
    assert face(0, 0, 10).overlap(face(0, 0, 10)) == pytest.approx(1.0)
    assert face(0, 0, 10).overlap(face(5, 0, 10)) == pytest.approx(50 / 150)
    assert face(0, 0, 10).overlap(face(20, 0, 10)) == 0.0


@pytest.mark.parametrize("size", [30, 48, 200])
def test_a_crop_is_centred_and_framed_whatever_the_size(size: int) -> None:
    picture = np.zeros((400, 600, 3), np.uint8)
    cv2.rectangle(picture, (300, 150), (300 + size, 150 + size), (255, 255, 255), -1)
    crop = crop_face(picture, face(300, 150, size), 48)
    assert crop.shape == (48, 48)
    # The square fills 1 / 1.24 of each side, in the middle.
    assert (crop > 128).mean() == pytest.approx(1 / 1.24**2, abs=0.06)
    rows, columns = np.nonzero(crop > 128)
    assert (rows.mean(), columns.mean()) == pytest.approx((23.5, 23.5), abs=1.0)


def test_a_face_at_the_edge_is_cut_without_black_bars() -> None:
    picture = np.full((100, 100, 3), 200, np.uint8)
    assert crop_face(picture, face(-20, -20, 60), 48).min() == 200


def test_brightness_and_contrast_do_not_matter_and_a_flat_face_is_zero() -> None:
    faces = torch.rand(3, 48, 48)
    torch.testing.assert_close(
        standardise_faces(faces * 90 + 20), standardise_faces(faces), atol=1e-3, rtol=0
    )
    assert not standardise_faces(torch.full((1, 48, 48), 9)).any()


def test_the_expression_network_is_saved_whole_in_half_precision(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = ExpressionNetwork(
        ExpressionConfig(stem_channels=8, stage_channels=(8, 16), stage_blocks=(1, 1))
    ).eval()
    network.save(tmp_path)
    faces = standardise_faces(torch.rand(2, 48, 48))
    with torch.inference_mode():
        first, again = network(faces), ExpressionNetwork.load(tmp_path)(faces)
    # Half precision on disk, single in memory.
    torch.testing.assert_close(first.logits, again.logits, atol=2e-3, rtol=2e-3)
    assert again.logits.dtype == torch.float32
    assert first.embedding.shape == (2, 96)


EXPRESSION_FEATURES = 96 + 7  # the embedding and the log-probabilities


@pytest.fixture(scope="module")
def extractor() -> VisionExtractor:
    torch.manual_seed(0)
    network = ExpressionNetwork(ExpressionConfig(stem_channels=8, stage_channels=(8, 8, 8)))
    return VisionExtractor(resolve("face-landmarker"), network, VisionSettings(), {})


@pytest.fixture(scope="module")
def sample_frames(sample_video: Path) -> list[Frame]:
    return list(decode_frames(probe(sample_video), 2.0))


def test_a_video_of_a_face_gives_a_row_a_frame(
    extractor: VisionExtractor, sample_frames: list[Frame]
) -> None:
    sequence = extractor.extract(iter(sample_frames), duration=sample_frames[-1].time + 0.5)
    assert sequence.values.shape == (len(sample_frames), extractor.spec.size)
    assert sequence.valid.mean() > 0.9
    names = sequence.feature_names
    blendshapes = sequence.values[:, names.index("jaw_open")]
    assert blendshapes.min() >= 0
    assert blendshapes.max() <= 1
    assert sequence.values[sequence.valid, names.index("landmarks")].min() == 1.0
    # The astronaut looks into the camera.
    assert abs(np.median(sequence.values[sequence.valid, names.index("yaw")])) < 0.6


def test_frames_without_a_face_are_not_valid(
    extractor: VisionExtractor, sample_frames: list[Frame]
) -> None:
    black = np.zeros_like(sample_frames[0].image)
    frames = [Frame(0.0, black), Frame(0.5, sample_frames[1].image), Frame(1.0, black)]
    found = extractor.extract(frames, 1.5)
    assert found.valid.tolist() == [False, True, False]
    assert not found.values[~found.valid].any()
    assert found.values[1].any()
    assert not extractor.extract([Frame(0.0, black)], 0.1).present
    assert len(extractor.extract([], 0.0)) == 0


def test_a_gap_between_frames_is_a_gap_in_time(extractor: VisionExtractor) -> None:
    black = np.zeros((64, 64, 3), np.uint8)
    spans = extractor.extract([Frame(0.0, black), Frame(0.2, black), Frame(5.0, black)], 5.1).spans
    assert spans.tolist() == [[0.0, 0.2], [0.2, 0.7], [5.0, 5.1]]


def test_stills_and_crops_are_one_step_each(
    extractor: VisionExtractor, sample_frames: list[Frame]
) -> None:
    image = sample_frames[0].image
    noise = np.random.default_rng(0).integers(0, 255, (48, 48, 3), dtype=np.uint8)
    whole = extractor.extract_stills([image, np.zeros_like(image)], face_crops=False)
    assert [sequence.present for sequence in whole] == [True, False]
    # A crop in which no landmark is found still goes to the expression network.
    crops = extractor.extract_stills([noise], face_crops=True)
    assert crops[0].present
    assert crops[0].values[0, -1] == 0.0
    assert crops[0].values[0, :96].any()
    assert extractor.extract_stills([], face_crops=True) == []


def test_faces_have_a_height_in_pixels_of_the_picture(
    extractor: VisionExtractor, sample_frames: list[Frame]
) -> None:
    image = sample_frames[0].image
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    large, small, none = (
        sequence.heights
        for sequence in extractor.extract_stills(
            [image, half, np.zeros_like(image)], face_crops=False
        )
    )
    assert 150 < large[0] < 250
    assert small[0] == pytest.approx(large[0] / 2, rel=0.1)
    assert none[0] == 0
    followed = extractor.extract(sample_frames[:1], 0.5)
    assert followed.heights[0] == pytest.approx(large[0], rel=0.1)
    # Of a crop, what is framed as in FER+.
    (crop,) = extractor.extract_stills([image[:31, :31]], face_crops=True)
    assert crop.heights[0] == pytest.approx(31 / 1.24)


def test_half_precision_moves_features_little(
    extractor: VisionExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(2)
    crops: list[NDArray[np.uint8]] = [
        cv2.GaussianBlur(random.integers(0, 255, (48, 48), dtype=np.uint8), (0, 0), 4)
        for _ in range(8)
    ]
    rows = []
    for half in (False, True):
        monkeypatch.setattr(extractor, "_half", half)
        rows.append(extractor.describe_faces(crops, [None] * len(crops)))
    assert rows[1].dtype == np.float32
    assert not np.array_equal(*rows)
    np.testing.assert_allclose(rows[1], rows[0], atol=0.03)


def test_a_crop_is_the_same_alone_and_among_others(extractor: VisionExtractor) -> None:
    random = np.random.default_rng(1)
    images: list[NDArray[np.uint8]] = [
        random.integers(0, 255, (48, 48, 3), dtype=np.uint8) for _ in range(5)
    ]
    together = extractor.extract_stills(images, face_crops=True)
    alone = extractor.extract_stills(images[3:4], face_crops=True)[0]
    np.testing.assert_allclose(together[3].values, alone.values, atol=1e-4)


def test_a_still_is_looked_at_in_a_mirror_too(sample_frames: list[Frame]) -> None:
    network = Companions.load().expression
    assert network is not None
    extractor = VisionExtractor(resolve("face-landmarker"), network, VisionSettings(), {})
    crop = cv2.cvtColor(sample_frames[0].image, cv2.COLOR_RGB2GRAY)[40:200, 60:220]
    face = cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA)
    turned = np.ascontiguousarray(face[:, ::-1])
    once = extractor.describe_faces([face, turned], [None, None])[:, :EXPRESSION_FEATURES]
    assert np.abs(once[0] - once[1]).max() > 0.1
    seen, seen_turned = (
        sequence.values[0, :EXPRESSION_FEATURES]
        for sequence in extractor.extract_stills(
            [np.stack([image] * 3, axis=-1) for image in (face, turned)], face_crops=True
        )
    )
    np.testing.assert_allclose(seen_turned, seen, atol=0.03)
    # Probabilities are averaged, not their logarithms.
    mean = np.log(np.exp(once[:, 96:]).mean(axis=0))
    np.testing.assert_allclose(seen[96:], np.maximum(mean, LOG_PROBABILITY_FLOOR), atol=0.05)
    np.testing.assert_allclose(seen[:96], once[:, :96].mean(axis=0), atol=0.03)


def test_loading_the_landmarker_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with FaceLandmarker(resolve("face-landmarker"), video=True) as landmarker:
        assert landmarker.detect(np.zeros((64, 64, 3), np.uint8), 0.0) == []
    assert capfd.readouterr() == ("", "")


def test_the_landmarker_is_the_published_one() -> None:
    content = resolve("face-landmarker").read_bytes()
    assert hashlib.sha256(content).hexdigest().startswith("64184e229b26")
