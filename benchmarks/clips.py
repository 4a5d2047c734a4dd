"""Videos of any length for the benchmarks, made of one that shows a face and a sound file."""

from __future__ import annotations

from pathlib import Path

import ffmpeg

from lddu_pipe.media import find_ffmpeg

WIDTH, HEIGHT, FPS = 640, 360, 30


def make_clip(video: Path, sound: Path, seconds: float, target: Path) -> Path:
    """Repeat pictures and sound, each by itself, for so many seconds of 640 x 360 at 30 fps."""
    looks = ffmpeg.input(str(video), stream_loop=-1)["v:0"]
    looks = looks.filter("scale", WIDTH, HEIGHT, force_original_aspect_ratio="decrease")
    looks = looks.filter("pad", WIDTH, HEIGHT, "(ow-iw)/2", "(oh-ih)/2")
    sounds = ffmpeg.input(str(sound), stream_loop=-1)["a:0"]
    (
        ffmpeg.output(looks, sounds, str(target), t=seconds, r=FPS, ar=44100, preset="veryfast")
        .global_args("-v", "error")
        .run(cmd=find_ffmpeg(), overwrite_output=True)
    )
    return target


def repeat_clip(clip: Path, times: int, target: Path) -> Path:
    """Put a clip behind itself without encoding it anew."""
    (
        ffmpeg.input(str(clip), stream_loop=times - 1)
        .output(str(target), c="copy")
        .global_args("-v", "error")
        .run(cmd=find_ffmpeg(), overwrite_output=True)
    )
    return target
