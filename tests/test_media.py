from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lddu_pipe.errors import LdduPipeError, MissingAssetError, UnusableInputError
from lddu_pipe.media import Frame, decode_audio, decode_frames, find_ffmpeg, probe
from lddu_pipe.types import Media, TimeSpan

RATE = 16_000
Helper = Callable[..., Any]


def grey(level: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, dtype=np.uint8)


def burst(seconds: float, at: float) -> NDArray[np.float32]:
    """Silence with a 10 ms burst of 1 kHz that starts at second `at`."""
    sound = np.zeros(round(seconds * RATE), dtype=np.float32)
    first, wave = round(at * RATE), np.arange(RATE // 100)
    sound[first : first + len(wave)] = 0.8 * np.sin(2 * np.pi * 1000 * wave / RATE)
    return sound


def onset(sound: NDArray[np.float32]) -> float:
    """The second at which the burst's middle sounds, less its half length."""
    loud = np.flatnonzero(np.abs(sound) > 0.3)
    return float((loud[0] + loud[-1]) / 2 / RATE) - 0.005


def refusal(path: Path) -> str:
    with pytest.raises(UnusableInputError) as caught:
        probe(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


# --- what is refused ---------------------------------------------------------------------


def test_missing_folder_and_empty_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    assert "does not exist" in refusal(tmp_path / "none.mp4")
    assert "is an address" in refusal(Path("https://somewhere/a.mp4"))
    assert "folder" in refusal(tmp_path)
    assert "empty;" in refusal(tmp_path / "empty.mp4")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.mp4")
    assert "not a regular file" in refusal(tmp_path / "fifo.mp4")


@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary,\nnothing here is media.\n",
        np.random.default_rng(0).bytes(200_000),
        b"\0" * 5000,
        b"1\n00:00:00,000 --> 00:00:01,000\nHello\n\n",
    ],
    ids=["prose", "noise", "zeros", "subtitle"],
)
def test_what_is_not_media_is_refused_whatever_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    assert "media" in refusal(path)


def test_media_cut_off_before_its_index_is_refused(
    tmp_path: Path, clip: Path, run_ffmpeg: Helper
) -> None:
    index_last = tmp_path / "last.mp4"
    run_ffmpeg("-i", clip, "-c", "copy", index_last)
    data = index_last.read_bytes()
    index_last.write_bytes(data[: len(data) // 2])
    assert "cut off" in refusal(index_last)


def test_a_name_that_no_system_takes_is_one_line(tmp_path: Path) -> None:
    assert "too long" in refusal(tmp_path / ("a" * 5000 + ".mp4"))


def test_samples_too_few_for_sound_are_refused(tmp_path: Path, write_wav: Helper) -> None:
    path = write_wav(tmp_path / "slow.wav", np.zeros(4000, np.float32), 1)
    assert "1 samples a second" in refusal(path)
    assert probe(write_wav(path, np.zeros(4000, np.float32), 1000)).duration == 4.0


def test_subtitles_alone_are_neither_sound_nor_picture(tmp_path: Path, run_ffmpeg: Helper) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n")
    run_ffmpeg("-i", tmp_path / "a.srt", tmp_path / "a.mkv")
    assert "neither" in refusal(tmp_path / "a.mkv")


PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=audio {port} RTP/AVP 0\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><AdaptationSet><Representation><BaseURL>{target}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
}


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", ["own", ".mp4"])
@pytest.mark.parametrize("remote", [False, True])
def test_playlists_are_refused_and_what_they_name_is_not_opened(
    tmp_path: Path, clip: Path, kind: str, suffix: str, remote: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        port = server.getsockname()[1]
        if not remote:
            shutil.copy(clip, tmp_path / "other.mp4")
        target = f"http://127.0.0.1:{port}/a.mp4" if remote else "other.mp4"
        path = tmp_path / f"list{f'.{kind}' if suffix == 'own' else suffix}"
        path.write_text(PLAYLISTS[kind].format(target=target, port=port))
        assert "playlist" in refusal(path)
        # The same must hold for ffmpeg itself, were someone to get past `probe`.
        media = replace(probe(clip), path=path, demuxer=None)
        with pytest.raises(UnusableInputError):
            decode_audio(media)
        with pytest.raises(UnusableInputError):
            next(decode_frames(media, 5))
        with pytest.raises(TimeoutError):
            server.accept()


# --- what is in a file -------------------------------------------------------------------


def test_probe_describes_a_clip(clip: Path) -> None:
    media = probe(clip)
    assert media.path == clip
    assert media.duration == pytest.approx(2.0, abs=0.05)
    assert media.audio is not None
    assert (media.audio.codec, media.audio.sample_rate, media.audio.channels) == ("aac", 44100, 1)
    assert media.video is not None
    assert (media.video.codec, media.video.width, media.video.height) == ("h264", 64, 48)
    assert media.video.fps == pytest.approx(25.0)
    assert (media.video.rotation, media.video.still) == (0, False)


def test_content_decides_and_not_the_name(tmp_path: Path, write_wav: Helper) -> None:
    sound = burst(1.5, 0.7)
    wav = write_wav(tmp_path / "sound.wav", sound)
    media = probe(wav.rename(tmp_path / "film.mp4"))
    assert media.video is None
    assert media.duration == pytest.approx(1.5)
    np.testing.assert_allclose(decode_audio(media), sound, atol=1e-4)


def test_cover_art_is_not_video(tmp_path: Path, run_ffmpeg: Helper) -> None:
    run_ffmpeg("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1", tmp_path / "c.png")
    run_ffmpeg(
        *("-f", "lavfi", "-i", "sine=d=1", "-i", tmp_path / "c.png", "-map", "0", "-map", "1"),
        *("-disposition:v", "attached_pic", tmp_path / "song.mp3"),
    )
    media = probe(tmp_path / "song.mp3")
    assert media.video is None
    assert media.audio is not None
    assert media.duration == pytest.approx(1.0, abs=0.1)
    with pytest.raises(UnusableInputError, match="no pictures"):
        decode_frames(media, 5)


def test_a_video_without_sound_says_so(tmp_path: Path, write_video: Helper) -> None:
    media = probe(write_video(tmp_path / "silent.mkv", [grey(10), grey(90)], [0.0, 0.5]))
    assert media.audio is None
    with pytest.raises(UnusableInputError, match=r"silent\.mkv has no sound"):
        decode_audio(media)


@pytest.mark.parametrize("channel", ["audio", "video"])
def test_a_stream_in_which_nothing_decodes_is_absent(
    tmp_path: Path, clip: Path, run_ffmpeg: Helper, caplog: pytest.LogCaptureFixture, channel: str
) -> None:
    broken = tmp_path / "broken.mkv"
    # The bitstream filter replaces every byte of the packets of one stream.
    run_ffmpeg("-i", clip, "-c", "copy", f"-bsf:{channel[0]}", "noise=amount=1", broken)
    media = probe(broken)
    assert getattr(media, channel) is None
    assert media.audio or media.video
    assert f"its {channel} stream is left out" in caplog.text


def test_a_short_clip_is_whole(tmp_path: Path, run_ffmpeg: Helper) -> None:
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=64x48:d=0.1:r=30"),
        *("-f", "lavfi", "-i", "sine=d=0.1", tmp_path / "short.mp4"),
    )
    media = probe(tmp_path / "short.mp4")
    assert media.duration == pytest.approx(0.1, abs=0.03)
    assert len(decode_audio(media)) == pytest.approx(0.1 * RATE, abs=0.03 * RATE)
    assert [frame.time for frame in decode_frames(media, 30)] == pytest.approx(
        [0, 1 / 30, 2 / 30], abs=1e-5
    )


def test_raw_streams_have_a_duration(tmp_path: Path, clip: Path, run_ffmpeg: Helper) -> None:
    run_ffmpeg("-i", clip, "-c", "copy", tmp_path / "raw.h264")
    run_ffmpeg("-i", clip, "-c", "copy", tmp_path / "raw.aac")
    assert probe(tmp_path / "raw.h264").duration == pytest.approx(2.0, abs=0.05)
    assert probe(tmp_path / "raw.aac").duration == pytest.approx(2.0, abs=0.1)
    times = [frame.time for frame in decode_frames(probe(tmp_path / "raw.h264"), 5)]
    assert times == pytest.approx(np.arange(0, 2, 0.2))


# --- sound -------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts", ".webm"])
@pytest.mark.parametrize("delayed", ["audio", "video"])
def test_streams_that_start_late_keep_their_place(
    tmp_path: Path, write_wav: Helper, write_video: Helper, run_ffmpeg: Helper, suffix: str,
    delayed: str,
) -> None:  # fmt: skip
    wav = write_wav(tmp_path / "click.wav", burst(2.0, 0.5))
    levels = [grey(40 if index < 10 else 200) for index in range(40)]
    codec = "libvpx" if suffix == ".webm" else "libx264"
    pictures = write_video(tmp_path / "v.mkv", levels, np.arange(40) * 0.05, codec)
    late = ("-itsoffset", "0.7")
    path = tmp_path / f"late{suffix}"
    # The sound clicks and the picture turns bright both at 0.5 s of their own time.
    run_ffmpeg(
        *(late if delayed == "video" else ()), *("-i", pictures),
        *(late if delayed == "audio" else ()), *("-i", wav, "-c:v", "copy", path),
    )  # fmt: skip
    media = probe(path)
    assert media.audio is not None
    assert media.video is not None
    shift = {"audio": 0.0, "video": 0.0, delayed: 0.7}
    # Encoders may put some silence before the first sample: AAC 1024 or 2048 at 16 kHz in .ts.
    assert media.audio.start == pytest.approx(shift["audio"], abs=0.15)
    assert media.video.start == pytest.approx(shift["video"], abs=0.15)
    assert min(media.audio.start, media.video.start) == 0.0
    sound = decode_audio(media)
    # A codec's last block may reach beyond the end.
    assert -2 <= len(sound) - media.duration * RATE < 0.1 * RATE
    bright = next(f.time for f in decode_frames(media, 20) if f.image.mean() > 120)
    assert onset(sound) - bright == pytest.approx(shift["audio"] - shift["video"], abs=0.004)
    if delayed == "audio":
        assert np.abs(sound[: int(0.6 * RATE)]).max() < 1e-3


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8, 10])
@pytest.mark.parametrize("speaking", ["first", "all"])
def test_any_number_of_channels_becomes_one(
    tmp_path: Path, write_wav: Helper, channels: int, speaking: str
) -> None:
    one = burst(1.0, 0.4)
    sound = np.zeros((len(one), channels), dtype=np.float32)
    sound[:, : 1 if speaking == "first" else channels] = one[:, None] / 0.8
    decoded = decode_audio(probe(write_wav(tmp_path / "many.wav", sound)))
    assert decoded.shape == one.shape
    assert decoded.dtype == np.float32
    assert np.abs(decoded).max() <= 1.0
    if speaking == "all":
        # The same everywhere comes out at its own level: nothing clips, nothing fades.
        assert np.abs(decoded).max() == pytest.approx(1.0, abs=0.02)
    else:
        assert np.abs(decoded).max() > 0.08
    np.testing.assert_allclose(decoded / np.abs(decoded).max(), one / 0.8, atol=0.02)


@pytest.mark.parametrize("codec", ["aac", "ac3", "flac"])
def test_speech_in_the_middle_of_surround_is_heard(
    tmp_path: Path, run_ffmpeg: Helper, codec: str
) -> None:
    path = tmp_path / "surround.mkv"
    centre = "aevalsrc=0|0|0.5*sin(880*PI*t)|0|0|0:c=5.1:d=1:s=48000"
    run_ffmpeg("-f", "lavfi", "-i", centre, "-c:a", codec, path)
    media = probe(path)
    assert media.audio is not None
    assert media.audio.channels == 6
    sound = decode_audio(media)[RATE // 4 : RATE // 2]
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.argmax(spectrum) * RATE / len(sound) == pytest.approx(440)
    assert np.abs(sound).max() > 0.1


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 44_100])
def test_the_rate_is_the_one_asked_for(clip: Path, sample_rate: int) -> None:
    sound = decode_audio(probe(clip), sample_rate)
    assert len(sound) == pytest.approx(2.0 * sample_rate, abs=0.05 * sample_rate)
    middle = sound[sample_rate // 2 : sample_rate // 2 * 3]
    assert np.argmax(np.abs(np.fft.rfft(middle))) == pytest.approx(440, abs=1)


@pytest.mark.parametrize("suffix", [".wav", ".mp4", ".mkv", ".mp3", ".ogg", ".ts"])
def test_a_span_of_sound_is_that_part_of_the_whole(
    tmp_path: Path, write_wav: Helper, run_ffmpeg: Helper, suffix: str
) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 6 * RATE).astype(np.float32)
    path = tmp_path / f"noise{suffix}"
    wav = write_wav(tmp_path / "noise_as_made.wav", noise)
    run_ffmpeg(
        "-i", wav, "-b:a", "96k", *(("-c:a", "pcm_s16le") if suffix == ".wav" else ()), path
    )
    media = probe(path)
    whole = decode_audio(media)
    for start, end in [(0.0, 1.0), (2.3, 4.0), (3.51, 3.6)]:
        part = decode_audio(media, span=TimeSpan(start, end))
        assert len(part) == round((end - start) * RATE)
        # A resampler or codec that starts elsewhere differs a little at the edge.
        expected = whole[round(start * RATE) :][: len(part)]
        inner = slice(200, -200)
        assert np.corrcoef(part[inner], expected[inner])[0, 1] > 0.999
    after = decode_audio(media, span=TimeSpan(5.5, 7.0))
    assert len(after) == 1.5 * RATE
    assert not after[-RATE // 2 :].any()


def test_not_a_number_in_a_file_stays_there(tmp_path: Path, write_wav: Helper) -> None:
    sound = burst(1.0, 0.5)
    sound[100], sound[200], sound[300] = np.nan, np.inf, 40.0
    decoded = decode_audio(probe(write_wav(tmp_path / "nan.wav", sound)))
    assert np.isfinite(decoded).all()
    assert np.abs(decoded).max() <= 1.0


# --- pictures ----------------------------------------------------------------------------


def timeline(frames: list[Frame]) -> list[tuple[float, int]]:
    return [(round(frame.time, 3), round(float(frame.image.mean()))) for frame in frames]


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "ffv1"), (".mp4", "libx264")])
def test_variable_frame_rate_gives_true_times(
    tmp_path: Path, write_video: Helper, suffix: str, codec: str
) -> None:
    times = [0.0, 0.04, 0.08, 0.5, 0.52, 0.54, 0.9, 1.7, 1.71, 1.72, 1.73, 2.6]
    levels = [20 + 18 * index for index in range(len(times))]
    path = write_video(tmp_path / f"vfr{suffix}", [grey(v) for v in levels], times, codec)
    truth = dict(zip(times, levels, strict=True))
    media = probe(path)

    every = timeline(list(decode_frames(media, 100)))
    assert [time for time, _ in every] == times
    few = timeline(list(decode_frames(media, 5)))
    assert [time for time, _ in few] == [0.0, 0.5, 0.9, 1.7, 2.6]
    for time, level in every + few:
        assert level == pytest.approx(truth[time], abs=3)


@settings(max_examples=12, deadline=None)
@given(
    gaps=st.lists(st.integers(5, 400), min_size=1, max_size=20),
    fps=st.sampled_from([1.0, 5.0, 12.5, 30.0]),
    cut=st.tuples(st.floats(0, 3), st.floats(0, 3)).map(sorted),
)
def test_frames_are_true_sparse_and_the_same_in_any_span(
    write_video: Helper, gaps: list[int], fps: float, cut: list[float]
) -> None:
    times = np.concatenate([[0], np.cumsum(gaps)]) / 1000
    levels = [10 + 11 * index for index in range(len(times))]
    with tempfile.TemporaryDirectory() as folder:
        path = write_video(Path(folder) / "vfr.mkv", [grey(v, 8, 8) for v in levels], times)
        media = probe(path)
        found = timeline(list(decode_frames(media, fps)))
        part = timeline(list(decode_frames(media, fps, span=TimeSpan(*cut))))
    truth = {(round(float(t), 3), v) for t, v in zip(times, levels, strict=True)}
    assert set(found) <= truth
    assert found[0] == (0.0, 10)
    assert [time for time, _ in found] == sorted({time for time, _ in found})
    # At most `fps` a second: never more frames in a window than steps that it touches.
    for first, (time, _) in enumerate(found):
        assert sum(t < time + 1 for t, _ in found[first:]) <= fps + 1
    # And no fewer than there are: each stored frame has a chosen one within a step before it.
    for time, _ in truth:
        assert any(-1e-6 <= time - t < 1 / fps + 1e-3 for t, _ in found)
    assert part == [frame for frame in found if cut[0] <= frame[0] < cut[1]]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_span_far_into_a_film_gives_the_same_frames(
    tmp_path: Path, run_ffmpeg: Helper, suffix: str
) -> None:
    path = tmp_path / f"film{suffix}"
    # The level rises with the frame number; key frames are 2 s apart.
    source = "color=black:s=64x48:r=25:d=8,geq=lum='16+N':cb=128:cr=128"
    run_ffmpeg("-f", "lavfi", "-i", source, "-c:v", "libx264", "-g", "50", "-qp", "4", path)
    media = probe(path)
    whole = timeline(list(decode_frames(media, 10)))
    assert len(whole) == pytest.approx(80, abs=1)
    for span in (TimeSpan(5.0, 6.5), TimeSpan(3.97, 4.41), TimeSpan(7.9, 99.0)):
        part = timeline(list(decode_frames(media, 10, span=span)))
        assert part == [frame for frame in whole if span.start <= frame[0] < span.end]
        assert part


@pytest.mark.parametrize(
    ("source_fps", "fps", "count"), [(30, 30, 60), (30, 10, 20), (60, 30, 60), (25, 30, 50)]
)
def test_constant_rates_come_out_even(
    tmp_path: Path, run_ffmpeg: Helper, source_fps: int, fps: int, count: int
) -> None:
    path = tmp_path / "even.mkv"  # Its clock ticks in milliseconds, so frames jitter.
    run_ffmpeg("-f", "lavfi", "-i", f"testsrc=s=64x48:d=2:r={source_fps}", path)
    times = [frame.time for frame in decode_frames(probe(path), fps)]
    assert len(times) == count
    np.testing.assert_allclose(np.diff(times), 1 / min(fps, source_fps), atol=0.0011)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotated_video_comes_upright(
    tmp_path: Path, write_video: Helper, run_ffmpeg: Helper, rotation: int
) -> None:
    upright = grey(60, 96, 48)  # Portrait; the top left corner is red.
    upright[:24, :24] = (250, 0, 0)
    stored = np.ascontiguousarray(np.rot90(upright, rotation // 90))
    plain = write_video(tmp_path / "plain.mp4", [stored] * 3, [0, 0.1, 0.2], "libx264")
    path = tmp_path / "phone.mp4"
    run_ffmpeg("-display_rotation", str(-rotation), "-i", plain, "-c", "copy", path)
    media = probe(path)
    assert media.video is not None
    assert (media.video.rotation, media.video.width, media.video.height) == (rotation, 48, 96)
    (image, *_) = [frame.image for frame in decode_frames(media, 5)]
    assert image.shape == (96, 48, 3)
    np.testing.assert_allclose(image.astype(int), upright, atol=60)
    np.testing.assert_allclose(image[:20, :20].mean((0, 1)), (250, 0, 0), atol=12)


def test_a_mirrored_video_is_not_turned_upside_down(
    tmp_path: Path, write_video: Helper, run_ffmpeg: Helper
) -> None:
    picture = grey(60, 96, 48)
    picture[:24] = 250
    plain = write_video(tmp_path / "plain.mp4", [picture] * 3, [0, 0.1, 0.2], "libx264")
    run_ffmpeg("-display_hflip", "-i", plain, "-c", "copy", tmp_path / "selfie.mp4")
    media = probe(tmp_path / "selfie.mp4")
    image = next(decode_frames(media, 5)).image
    assert image[:20].mean() > 240
    assert image[40:].mean() < 80


@pytest.mark.parametrize(
    ("size", "max_side", "shape"),
    [
        ((640, 360), 320, (180, 320)),
        ((360, 640), 320, (320, 180)),
        ((64, 48), 960, (48, 64)),
        ((101, 77), 960, (76, 100)),
        ((3840, 2160), 960, (540, 960)),
        ((400, 2), 100, (2, 100)),
    ],
)
def test_pictures_are_scaled_down_only(
    tmp_path: Path,
    run_ffmpeg: Helper,
    size: tuple[int, int],
    max_side: int,
    shape: tuple[int, int],
) -> None:
    path = tmp_path / "size.mkv"
    source = f"color=gray:s={size[0]}x{size[1]}:r=5:d=0.4"
    run_ffmpeg("-f", "lavfi", "-i", source, "-c:v", "mjpeg", "-pix_fmt", "yuvj444p", path)
    images = [frame.image for frame in decode_frames(probe(path), 5, max_side)]
    assert [image.shape for image in images] == [(*shape, 3)] * 2
    assert images[0].dtype == np.uint8


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path, run_ffmpeg: Helper) -> None:
    path = tmp_path / "dvd.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "color=gray:s=64x48:d=1:r=5,setsar=2", "-c:v", "ffv1", path)
    media = probe(path)
    assert media.video is not None
    assert (media.video.width, media.video.height) == (128, 48)
    assert next(decode_frames(media, 5)).image.shape == (48, 128, 3)


@pytest.mark.parametrize(
    "pixels", ["yuv420p10le", "yuva444p", "gray", "gray16le", "yuv411p", "bgra", "gbrp"]
)
def test_odd_pixel_formats_become_rgb(tmp_path: Path, run_ffmpeg: Helper, pixels: str) -> None:
    path = tmp_path / "odd.mkv"
    source = "color=0x6E6E6E:s=64x48:d=0.4:r=5"
    run_ffmpeg("-f", "lavfi", "-i", source, "-pix_fmt", pixels, "-c:v", "ffv1", path)
    images = [frame.image for frame in decode_frames(probe(path), 5)]
    assert len(images) == 2
    np.testing.assert_allclose(images[0].astype(int), 0x6E, atol=4)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tiff"])
def test_a_still_has_one_frame_and_no_time(
    tmp_path: Path, run_ffmpeg: Helper, suffix: str
) -> None:
    path = tmp_path / f"still.{suffix}"
    run_ffmpeg("-f", "lavfi", "-i", "color=0x40A0E0:s=64x48", "-frames:v", "1", path)
    media = probe(path)
    assert media.video is not None
    assert (media.video.still, media.duration, media.audio) == (True, 0.0, None)
    assert (media.video.fps, media.video.duration) == (None, None)
    for span in (None, TimeSpan(3, 4)):
        frames = list(decode_frames(media, 10, span=span))
        assert [frame.time for frame in frames] == [0.0]
        np.testing.assert_allclose(frames[0].image.mean((0, 1)), (0x40, 0xA0, 0xE0), atol=6)


def test_a_photograph_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    image_module = pytest.importorskip("PIL.Image")
    upright = grey(60, 96, 48)
    upright[:48, :24] = (250, 0, 0)
    photograph = image_module.fromarray(np.ascontiguousarray(np.rot90(upright)))
    exif = photograph.getexif()
    exif[0x0112] = 6  # "Rotate 90 clockwise to view."
    photograph.save(tmp_path / "photo.jpg", exif=exif, quality=95, subsampling=0)
    media = probe(tmp_path / "photo.jpg")
    assert media.video is not None
    assert (media.video.rotation, media.video.width, media.video.height) == (90, 48, 96)
    (frame,) = decode_frames(media, 1)
    np.testing.assert_allclose(frame.image[:40, :20].mean((0, 1)), (250, 0, 0), atol=8)
    np.testing.assert_allclose(frame.image[56:].mean((0, 1)), (60, 60, 60), atol=8)


# --- damage, names, processes ------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_truncated_file_gives_what_it_still_holds(
    tmp_path: Path, clip: Path, run_ffmpeg: Helper, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    path = tmp_path / f"cut{suffix}"
    run_ffmpeg("-i", clip, "-c", "copy", "-movflags", "+faststart", path)
    whole = len(list(decode_frames(probe(path), 25)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    media = probe(path)
    assert 0.3 < media.duration < 1.9
    frames = list(decode_frames(media, 25))
    assert 5 < len(frames) < whole
    assert len(decode_audio(media)) == pytest.approx(media.duration * RATE, abs=2)
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings
    assert all(str(path) in text and "\n" not in text for text in warnings)


@pytest.mark.parametrize(
    ("claimed", "warned"), [(None, False), (0xFFFF_FFFF, False), (40_000, True)]
)
def test_a_wav_that_is_cut_off_says_so(
    tmp_path: Path,
    write_wav: Helper,
    caplog: pytest.LogCaptureFixture,
    claimed: int | None,
    warned: bool,
) -> None:
    path = write_wav(tmp_path / "s.wav", np.zeros(4000, np.float32))
    content = bytearray(path.read_bytes())
    if claimed is not None:
        content[4:8] = claimed.to_bytes(4, "little")
    path.write_bytes(content)
    assert probe(path).duration == pytest.approx(0.25)
    assert ("may be cut off" in caplog.text) == warned


def test_nothing_left_to_decode_is_one_line(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "gone.mp4"
    shutil.copy(clip, path)
    media = probe(path)
    path.write_bytes(b"\0" * 4000)
    for decode in (lambda: decode_audio(media), lambda: list(decode_frames(media, 5))):
        with pytest.raises(UnusableInputError) as caught:
            decode()
        assert "\n" not in str(caught.value)
        assert "Invalid data" in str(caught.value)


NAMES = [
    "-i.mp4", "--help", "a'b\"c.mp4", "line\nbreak.mp4", "time 12:30.mp4", "http:x.mp4",
    "shot%d.mp4", "%03d.png", "[*?{a,b}].png", "🙂 smile.mp4", "pipe:0", "a.m3u8", "$(id);&.mp4",
    os.fsdecode(b"latin\xe9.mp4"),
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_works(
    tmp_path: Path, clip: Path, run_ffmpeg: Helper, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if name.endswith(".png"):
        run_ffmpeg("-i", clip, "-frames:v", "1", "still.png")
        Path("still.png").rename(name)
    else:
        shutil.copy(clip, f"./{name}")
    media = probe(Path(name))
    assert len(list(decode_frames(media, 1))) == (1 if name.endswith(".png") else 2)
    if media.audio is not None:
        assert np.abs(decode_audio(media)).max() > 0.05
    Path(name).write_bytes(b"no longer media")
    with pytest.raises(UnusableInputError) as caught:
        probe(Path(name))
    assert str(caught.value).isprintable()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Every process that is started from here on."""
    processes: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    return processes


@pytest.mark.parametrize("how", ["close", "drop", "raise", "end", "span"])
def test_ffmpeg_ends_with_the_generator(
    tmp_path: Path, run_ffmpeg: Helper, started: list[subprocess.Popen[bytes]], how: str
) -> None:
    # Far more pixels than a pipe holds, so that ffmpeg waits for its reader.
    path = tmp_path / "long.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=320x240:d=4:r=25", "-c:v", "mpeg4", path)
    media = probe(path)
    started.clear()
    frames = decode_frames(media, 25, span=TimeSpan(0, 0.2) if how == "span" else None)
    assert started == []
    next(frames)
    (process,) = started
    assert process.returncode is None
    if how == "close":
        frames.close()
    elif how == "drop":
        del frames
    elif how == "raise":
        with pytest.raises(KeyboardInterrupt):
            frames.throw(KeyboardInterrupt)
    else:
        assert len(list(frames)) == (99 if how == "end" else 4)
    # A return code means that it ended and was waited for: no zombie.
    assert process.returncode is not None
    assert process.stdout is not None
    assert process.stdout.closed


def test_a_flood_of_complaints_does_not_block(
    tmp_path: Path, run_ffmpeg: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "noisy.mkv"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=320x240:d=40:r=25", "-c:v", "mpeg4"),
        *("-q:v", "2", "-bsf:v", "noise=amount=500", path),
    )
    with caplog.at_level(logging.WARNING):
        frames = sum(1 for _ in decode_frames(probe(path), 5, 64))
    assert frames > 100
    assert "some picture is lost" in caplog.text


# --- the program -------------------------------------------------------------------------


def test_the_packages_ffmpeg_is_taken_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.delenv("LDDU_PIPE_FFMPEG", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == imageio_ffmpeg.get_ffmpeg_exe()
    monkeypatch.setenv("LDDU_PIPE_FFMPEG", str(program))
    assert find_ffmpeg() == str(program)
    monkeypatch.setenv("LDDU_PIPE_FFMPEG", "no-such-program")
    with pytest.raises(MissingAssetError, match="LDDU_PIPE_FFMPEG names no-such-program"):
        find_ffmpeg()
    monkeypatch.delenv("LDDU_PIPE_FFMPEG")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert find_ffmpeg() == str(program)


def test_no_ffmpeg_names_the_cures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("LDDU_PIPE_FFMPEG", raising=False)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(MissingAssetError, match=r"pip install imageio-ffmpeg.*apt install ffmpeg"):
        find_ffmpeg()


def test_a_broken_ffmpeg_is_no_fault_of_the_file_and_one_that_dies_is_one_line(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media = probe(clip)
    program = tmp_path / "ffmpeg"
    program.write_text("no program")
    program.chmod(0o755)
    monkeypatch.setenv("LDDU_PIPE_FFMPEG", str(program))
    with pytest.raises(MissingAssetError, match="does not start"):
        decode_audio(media)
    program.write_text("#!/bin/sh\necho libavdevice.so.60: no such file >&2\nexit 127\n")
    for decode in (decode_audio, lambda media: list(decode_frames(media, 5))):
        with pytest.raises(MissingAssetError, match=r"does not start \(libavdevice.*unset LDDU_"):
            decode(media)
    runs = '#!/bin/sh\n[ "$1" = -version ] && echo "ffmpeg version 1" && exit\n'
    program = program.rename(tmp_path / "another")
    monkeypatch.setenv("LDDU_PIPE_FFMPEG", str(program))
    program.write_text(f"{runs}echo first >&2\necho '[aac @ 0x1] the last words' >&2\nexit 1\n")
    with pytest.raises(UnusableInputError, match="decoded: the last words;"):
        decode_audio(media)
    program.write_text(f"{runs}kill -9 $$\n")
    with pytest.raises(UnusableInputError, match="exit code -9"):
        list(decode_frames(media, 5))


# --- real clips --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "duration", "has_audio", "size"),
    [
        ("rishi_audio_happy.mp4", 2.368, True, None),
        ("two_cities.wav", 44.374, True, None),
        ("sadtalker_KH.mp4", 8.0, True, (512, 512)),
        ("pyfeat_pexels.mp4", 19.69, True, (640, 360)),
        ("facerec_hamilton.mp4", 10.02, True, (640, 360)),
    ],
)
def test_real_clips(
    shared_media: Path, name: str, duration: float, has_audio: bool, size: tuple[int, int] | None
) -> None:
    media: Media = probe(shared_media / name)
    assert media.duration == pytest.approx(duration, abs=0.02)
    assert (media.audio is not None) == has_audio
    assert len(decode_audio(media)) == pytest.approx(duration * RATE, abs=0.02 * RATE)
    found = None if media.video is None else (media.video.width, media.video.height)
    assert found == size
    if media.video is not None and media.video.duration is not None:
        times = np.array([frame.time for frame in decode_frames(media, 5)])
        assert times[0] == pytest.approx(media.video.start, abs=1e-3)
        assert len(times) == pytest.approx(media.video.duration * 5, abs=1.5)
        assert np.diff(times).min() > 0.1


def test_the_sample_ships_whole(sample_video: Path) -> None:
    media = probe(sample_video)
    assert sample_video.stat().st_size < 400_000
    assert 6 <= media.duration <= 9
    assert media.video is not None
    assert (media.video.width, media.video.height) == (640, 480)
    # Speech, and not a tone or silence: loud and quiet stretches follow one another.
    sound = decode_audio(media)
    loudness = np.sqrt(np.square(sound[: len(sound) // 800 * 800].reshape(-1, 800)).mean(1))
    assert loudness.max() > 0.05
    assert (loudness < 0.005).mean() > 0.05


def test_errors_are_for_people() -> None:
    assert issubclass(UnusableInputError, LdduPipeError)
    assert issubclass(MissingAssetError, LdduPipeError)
