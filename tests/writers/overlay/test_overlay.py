"""The video with what was found drawn on it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import md5

import av
import numpy as np
import psutil
import pytest

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.files import sha256_of_file
from lddu_pipe.media import find_ffmpeg
from lddu_pipe.writers import overlay
from lddu_pipe.writers.formats import FORMATS
from tests.recordings import ffmpeg

WRITER = FORMATS["mp4"]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Grey, with frames of different lengths; its sound begins before its pictures."""
    path = tmp_path_factory.mktemp("overlay") / "talk.mp4"
    pictures = "color=gray:s=640x360:d=2.2:r=25"
    ffmpeg(
        *("-itsoffset", "0.4", "-f", "lavfi", "-i", pictures),
        *("-f", "lavfi", "-i", "sine=f=400:d=3:r=22050"),
        *("-vf", "select='not(eq(mod(n,4),1))'", "-fps_mode", "vfr"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", path),
    )
    return path


@pytest.fixture
def talk(three_people, video) -> Annotation:
    media = replace(
        three_people.media, path=str(video), duration=3.0, sha256=sha256_of_file(video)
    )
    return replace(three_people, media=media)


def frames(path):
    with av.open(str(path)) as container:
        return [
            (float(frame.pts * frame.time_base), frame.to_ndarray(format="gray"))
            for frame in container.decode(video=0)
        ]


def sound(path):
    with av.open(str(path)) as container:
        return [
            (md5(bytes(packet)).hexdigest(), float(packet.pts * packet.time_base))
            for packet in container.demux(audio=0)
            if packet.size
        ]


def children():
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.slow
def test_frames_times_and_sound_are_those_of_the_video(talk, video, tmp_path):
    shares = []
    path = WRITER.save(talk, tmp_path / "talk.overlay.mp4", progress=shares.append)
    before, after = frames(video), frames(path)
    times = [[time for time, _ in found] for found in (before, after)]
    assert times[1] == pytest.approx(times[0], abs=2e-5)
    assert len({round(b - a, 3) for a, b in zip(times[0], times[0][1:], strict=False)}) > 1
    assert sound(path) == sound(video)
    with av.open(str(path)) as new, av.open(str(video)) as old:
        assert new.duration == pytest.approx(old.duration, abs=5e4)
        assert new.streams.video[0].codec_context.name == "h264"
    image = dict(after)[times[1][20]].astype(int)
    moved = np.abs(image - 128) > 30
    assert moved[72:180, 180:330].any()  # Ana's box and panel
    assert not moved[:, :150].any() or not moved[:60, :150].any()
    assert shares == sorted(shares)
    assert 0.8 < shares[-1] <= 1
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_drawing_leaves_neither_file_nor_process(talk, tmp_path):
    running = children()

    def interrupt(share):
        if share > 0.3:
            raise KeyboardInterrupt

    kept = tmp_path / "talk.overlay.mp4"
    kept.write_bytes(b"older")
    with pytest.raises(KeyboardInterrupt):
        WRITER.save(talk, kept, progress=interrupt)
    assert kept.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [kept]
    left = {pid for pid in children() - running if "ffmpeg" in psutil.Process(pid).name()}
    assert not left


def test_an_encoder_that_ends_early_is_one_line(talk, tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text(
        "#!/bin/sh\n"
        'case "$*" in *libx264*) echo "Unknown encoder libx264" >&2; exit 1;; esac\n'
        f'exec "{find_ffmpeg()}" "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("LDDU_PIPE_FFMPEG", str(program))
    with pytest.raises(
        MissingAssetError, match=r"this ffmpeg writes no H\.264 .*LDDU_PIPE_FFMPEG"
    ) as caught:
        WRITER.save(talk, tmp_path / "a.overlay.mp4")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [program]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"has_video": False}, r"has no picture to draw on; mp4 is for videos"),
        ({"duration": 0.0}, r"is a picture; mp4 is for videos"),
        ({"path": ""}, r"data in memory is in no file"),
        ({"path": "/gone/talk.mp4"}, r"/gone/talk\.mp4, which was annotated, is not there"),
        ({"sha256": "0" * 64}, r"talk\.mp4 has changed since it was annotated"),
    ],
)
def test_what_cannot_be_drawn_on_is_one_line(talk, tmp_path, changes, cause):
    other = replace(talk, media=replace(talk.media, **changes))
    with pytest.raises(UnusableInputError, match=cause) as caught:
        WRITER.save(other, tmp_path / "a.overlay.mp4")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_the_video_itself_is_never_written_over(talk, video):
    before = video.read_bytes()
    with pytest.raises(UnusableInputError, match="is to be read and written"):
        overlay.save(talk, video)
    assert video.read_bytes() == before
    with pytest.raises(ValueError, match="only written to files"):
        WRITER.render(talk)
