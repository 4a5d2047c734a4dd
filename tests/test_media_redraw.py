"""Videos written anew: what players would notice if it were lost on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import Planes, probe, redraw, redrawn_size
from tests.recordings import HIGH, LOW, ffmpeg, joined, several_tracks


def keep(planes: Planes) -> None:
    """Draw nothing."""


def test_pictures_are_upright_in_their_colours_and_sound_that_mp4_lacks_is_encoded(
    tmp_path: Path,
) -> None:
    stored, turned = tmp_path / "stored.mp4", tmp_path / "turned.mov"
    # Odd sides, full range, red above blue; and a later start than 0.
    ffmpeg(
        *("-f", "lavfi", "-i", "color=red:s=65x48:d=0.6:r=10"),
        *("-f", "lavfi", "-i", "sine=f=400:d=0.8:r=8000"),
        *("-vf", "drawbox=y=24:color=blue:t=fill", "-pix_fmt", "yuvj444p", "-c:v", "mjpeg"),
        *("-c:a", "pcm_s16le", "-f", "mov", stored),
    )
    ffmpeg("-display_rotation", "90", "-i", stored, "-c", "copy", turned)
    media = probe(turned)
    assert redrawn_size(media) == (48, 64)
    seen: list[float] = []
    redraw(media, tmp_path / "new.mp4", lambda planes: seen.append(planes.time))
    assert seen == pytest.approx([0.1 * number for number in range(6)])
    with av.open(str(tmp_path / "new.mp4")) as new:
        assert [stream.codec_context.name for stream in new.streams] == ["h264", "aac"]
        image = next(new.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    assert image.shape == (64, 48, 3)
    # A quarter turn anticlockwise: what was above is on the left.
    assert image[30, 6] == pytest.approx([254, 0, 0], abs=12)
    assert image[30, 40] == pytest.approx([0, 0, 254], abs=12)


def test_the_tracks_that_were_chosen_are_taken(tmp_path: Path) -> None:
    film = several_tracks(
        tmp_path / "film.mkv",
        {f"sine=f={LOW}:d=1:r=16000": "deu", f"sine=f={HIGH}:d=1:r=16000": "eng"},
        {"color=black:s=32x32:d=1:r=5": "und", "color=white:s=64x32:d=1:r=5": "und"},
    )
    redraw(probe(film, audio_track=2, video_track=2), tmp_path / "new.mp4", keep)
    media = probe(tmp_path / "new.mp4")
    assert media.video is not None
    assert media.video.width == 64
    with av.open(str(tmp_path / "new.mp4")) as new:
        samples = np.concatenate([frame.to_ndarray()[0] for frame in new.decode(audio=0)])
    peak = np.abs(np.fft.rfft(samples)).argmax() * 48_000 / len(samples)
    assert peak == pytest.approx(HIGH, abs=3)


def test_what_is_no_video_is_one_line(tmp_path: Path) -> None:
    sound = joined(tmp_path / "a.mp3", (44100, 1), (44100, 1))
    picture = tmp_path / "a.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=32x32", "-frames:v", "1", picture)
    for path, cause in ((sound, "is sound: there is no picture"), (picture, "is a picture, not")):
        with pytest.raises(UnusableInputError, match=cause):
            redraw(probe(path), tmp_path / "new.mp4", keep)
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:d=0.8:r=10", tmp_path / "one.mp4")
    one = probe(tmp_path / "one.mp4")
    with pytest.raises(UnusableInputError, match="joined from several files"):
        redraw(replace(one, parts=(one, one)), tmp_path / "new.mp4", keep)
    assert not (tmp_path / "new.mp4").exists()


def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x64:d=0.5:r=10", "-c:v", "libx264", video)
    with pytest.raises(OSError, match="No space left on device"):
        redraw(probe(video), Path("/dev/full"), keep)
