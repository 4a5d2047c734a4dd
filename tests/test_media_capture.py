from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import psutil
import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import capture, decode_audio, decode_frames, probe
from lddu_pipe.media.capture import SAMPLE_RATE, Sound, capture_device, capture_stream
from lddu_pipe.media.devices import Device
from tests.recordings import ffmpeg

CONTAINERS = {
    "mkv": ("-c", "copy"),
    "ts": ("-c", "copy"),
    "webm": ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"),
    "mp4": ("-c", "copy", "-movflags", "frag_keyframe+empty_moov"),
    "wav": (),
}


@contextmanager
def piped(content: bytes, fps=10.0, max_side=1280, **wanted):
    """What a container gives that comes through a pipe."""
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with capture_stream(reader, fps, max_side, **wanted) as stream:
            yield stream
    finally:
        os.close(reader)
        thread.join()


def sorted_out(pieces):
    sounds, frames = [], []
    for piece in pieces:
        (sounds if isinstance(piece, Sound) else frames).append(piece)
    return sounds, frames


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_containers_give_what_files_give(suffix, clip, tmp_path):
    path = tmp_path / f"clip.{suffix}"
    ffmpeg("-i", clip, *CONTAINERS[suffix], path)
    media = probe(path)
    with piped(path.read_bytes()) as stream:
        assert (stream.has_sound, stream.has_pictures) == (True, suffix != "wav")
        sounds, frames = sorted_out(stream)
    heard = np.concatenate([sound.samples for sound in sounds])
    assert abs(len(heard) / SAMPLE_RATE - 2) < 0.05
    for sound in sounds[1:-1]:
        assert abs(sound.samples.std() - sounds[1].samples.std()) < 0.05
    if suffix == "wav":
        assert np.abs(heard - decode_audio(media)[: len(heard)]).max() < 1e-4
        return
    known = list(decode_frames(media, 10.0))
    assert [frame.time for frame in frames] == pytest.approx(
        [frame.time for frame in known], abs=0.002
    )
    for frame, same in zip(frames, known, strict=True):
        assert np.array_equal(frame.image, same.image)


def test_large_pictures_are_scaled_and_few_are_taken(clip):
    with piped(clip.read_bytes(), fps=2.0, max_side=32, sound=False) as stream:
        assert not stream.has_sound
        frames = list(stream)
    assert {frame.image.shape for frame in frames} == {(24, 32, 3)}
    assert [round(frame.time, 2) for frame in frames] == [0.0, 0.52, 1.0, 1.52]


def test_pieces_come_while_the_stream_goes_on(clip, tmp_path):
    path = tmp_path / "clip.mkv"
    ffmpeg("-i", clip, "-c", "copy", "-cluster_time_limit", "100", path)
    content = path.read_bytes()
    reader, writer = os.pipe()
    os.write(writer, content[: len(content) // 2])
    try:
        with capture_stream(reader, 10.0, 1280) as stream:
            pieces = iter(stream)
            sounds, frames = sorted_out(next(pieces) for _ in range(20))
            assert sounds
            assert frames
            os.write(writer, content[len(content) // 2 :])
            os.close(writer)
            more = sorted_out(pieces)
    finally:
        os.close(reader)
    assert more[1][-1].time > 1.8


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "standard input is no stream of media"),
        (b"Dear all, this is no video.\n" * 500, "is no stream of media .*; give Matroska"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n", "is no stream of media"),
    ],
)
def test_what_is_no_media_is_said_in_a_line(content, message):
    with pytest.raises(UnusableInputError, match=message), piped(content):
        pass


def test_an_mp4_that_cannot_be_read_as_it_comes_says_what_to_do(tmp_path):
    path = tmp_path / "late.mp4"
    noise = "testsrc=s=640x480:d=0.2,noise=alls=100:allf=t"
    # Without faststart its table comes last, behind more than is held.
    ffmpeg("-f", "lavfi", "-i", noise, "-c:v", "mpeg4", "-q:v", "1", path)
    with pytest.raises(UnusableInputError, match="frag_keyframe"), piped(path.read_bytes()):
        pass


def test_only_what_is_wanted_and_nothing_else_is_there(clip, tmp_path):
    path = tmp_path / "tone.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.5", path)
    with (
        pytest.raises(UnusableInputError, match="neither sound nor pictures"),
        piped(path.read_bytes(), sound=False),
    ):
        pass


def test_a_stream_that_breaks_off_gives_what_came_with_a_warning(clip, tmp_path, caplog):
    path = tmp_path / "clip.mkv"
    ffmpeg("-i", clip, "-c", "copy", path)
    content = path.read_bytes()
    with caplog.at_level(logging.WARNING), piped(content[: len(content) * 2 // 3]) as stream:
        sounds, frames = sorted_out(stream)
    assert sounds
    assert frames[-1].time > 0.5


def test_times_that_jump_go_on(clip, tmp_path, caplog):
    path = tmp_path / "jump.mkv"
    jump = "setpts='PTS+gte(T,1)*5000/TB'"
    beep = "asetpts='PTS+gte(T,1)*5000/TB'"
    ffmpeg("-i", clip, "-vf", jump, "-af", beep, "-fps_mode", "passthrough", path)
    with caplog.at_level(logging.WARNING), piped(path.read_bytes()) as stream:
        sounds, frames = sorted_out(stream)
    for pieces in (frames, sounds):
        times = [piece.time for piece in pieces]
        # Which of both jumps first may set the other back by a moment, which is jitter.
        assert all(after - before > -0.03 for before, after in pairwise(times))
        assert 1.7 < times[-1] < 2.2
    assert caplog.text.count("jump by +5000 s") == 1


def lavfi(role, graph):
    return Device(role, "lavfi", graph)


def test_devices_share_this_machines_clock():
    microphone = lavfi("microphone", "sine=d=0.6")
    camera = lavfi("camera", "testsrc2=s=64x48:r=30:d=0.6")
    for device in (microphone, camera):
        before, pieces = time.time(), []
        ended = pytest.raises(UnusableInputError, match=f"the {device.role} lavfi:.* ended")
        with capture_device(device, 10.0, 1280) as stream, ended:
            pieces.extend(stream)
        assert before <= pieces[0].time <= time.time()
        assert pieces[-1].time - pieces[0].time > 0.4


def test_a_device_that_is_stopped_ends_without_an_error():
    with capture_device(lavfi("microphone", "sine"), 10.0, 1280) as stream:
        for number, _ in enumerate(stream):
            if number == 3:
                stream.stop()
    assert number >= 3


def test_a_device_that_does_not_open(tmp_path):
    absent = Device("camera", "v4l2", "/dev/no_such_video")
    with (
        pytest.raises(UnusableInputError, match=r"the camera v4l2:.* does not open: there is no"),
        capture_device(absent, 10.0, 1280),
    ):
        pass


@pytest.mark.parametrize(
    ("log", "meaning"),
    [
        ("ioctl(VIDIOC_STREAMON): Device or resource busy", "another program uses it"),
        ("Cannot open video device /dev/video0: Permission denied", "you may not use it"),
        ("Error opening input: No such process", "no sound server answers"),
        (
            "Could not run graph (sometimes caused by a device already in use by other app)",
            "another program uses it",
        ),
        ("Could not find video device with name [x]", "there is no such device"),
        ("Something else", "Something else"),
    ],
)
def test_why_a_device_does_not_open(log, meaning, tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text(f'#!/bin/sh\necho "[v4l2 @ 0x55] {log}" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("LDDU_PIPE_FFMPEG", str(program))
    with (
        pytest.raises(UnusableInputError, match=f"the camera v4l2:x does not open: {meaning}"),
        capture_device(Device("camera", "v4l2", "x"), 10.0, 1280),
    ):
        pass


def test_a_device_that_gives_nothing_is_given_up(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\nexec sleep 20\n")
    program.chmod(0o755)
    monkeypatch.setenv("LDDU_PIPE_FFMPEG", str(program))
    monkeypatch.setattr(capture, "_DEVICE_STALL", 0.1)
    with (
        pytest.raises(UnusableInputError, match="does not open: nothing came for 0 s"),
        capture_device(Device("camera", "v4l2", "x"), 10.0, 1280),
    ):
        pass


def test_no_ffmpeg_stays(clip):
    with piped(clip.read_bytes()) as stream:
        next(iter(stream))
        assert _running()
    assert not _running()


def _running():
    return [child for child in psutil.Process().children() if "ffmpeg" in child.name()]
