"""A video written anew, with something drawn on every frame, and its sound as it was.

Frames go from one ffmpeg, which decodes, through this process to another, which encodes, one after
the other: the memory that this takes does not depend on how long the video is.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, cast

import av
import ffmpeg
import numpy as np
from ffmpeg.nodes import OutputStream
from numpy.typing import NDArray

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.media.decode import judge, scaled, upright
from lddu_pipe.media.ffmpeg import CHOICE, THREADS, Run, running, shown, source
from lddu_pipe.media.limits import largest_copy
from lddu_pipe.types import Media, VideoStream

_CLOCK = 90_000
"""Ticks a second of the times in the file: those of MPEG, finer than any frame rate."""

_COPIED = ("aac", "mp3", "ac3", "eac3", "opus", "alac", "flac")
"""Codecs of sound that an MP4 file takes and players know; other sound is encoded as AAC."""

_LARGEST_SIDE = 1 << 14
_RGB, _BT709 = 0, 1
"""Codes of ITU-T H.273 for a matrix of colours."""


class Planes(NamedTuple):
    """A frame as it will be encoded, upright, to be drawn on in place: YCbCr of limited range."""

    time: float
    """Seconds of the media at which it is shown."""
    luma: NDArray[np.uint8]
    """(height, width), 16 is black and 235 white; sides are even."""
    blue: NDArray[np.uint8]
    """(height / 2, width / 2), Cb; 128 is grey."""
    red: NDArray[np.uint8]
    """(height / 2, width / 2), Cr; 128 is grey."""


def redrawn_size(media: Media) -> tuple[int, int]:
    """Width and height, in pixels, of the frames that `redraw` gives.

    Raises:
        UnusableInputError: the media is no video, or several that were joined to one file.
    """
    return scaled(_video(media), _LARGEST_SIDE)


def redraw(media: Media, target: Path, draw: Callable[[Planes], None]) -> None:
    """Write a video as MP4 (H.264), with the same frames at the same times and the same sound.

    The packets of the sound are copied where an MP4 file can hold them. Start offsets and variable
    frame rates stay; rotated pictures and pixels that are not square are put right.

    Args:
        media: what `probe` found; its chosen streams are taken.
        target: is written in place; see `lddu_pipe.files.made_whole`.
        draw: draws on a frame; called for each, in order of time.

    Raises:
        UnusableInputError: the media is no video, several that were joined to one file, or cannot
            be decoded or encoded. Damage after the first frame ends the frames and is logged.
        MissingAssetError: there is no ffmpeg, or one that knows no H.264.
        OSError: the disk is full.
    """
    video = _video(media)
    limit = largest_copy(media.duration)
    with (
        running(_decoding(media, video), media) as decoder,
        running(_encoding(media, video, target), media, fed=True, file_size=limit) as encoder,
    ):
        # What broke it is for the encoder to say.
        with suppress(BrokenPipeError):
            count = _pass_on(decoder, encoder, media, draw)
            encoder.close_input()
            judge(decoder, media, "picture", nothing=count == 0, partial=False)
        content, complaint = encoder.finish()
    if not content:
        raise _failure(media, complaint, encoder.log)


def _video(media: Media) -> VideoStream:
    if media.video is None:
        raise UnusableInputError(f"{shown(media.path)} is sound: there is no picture to draw on")
    if media.video.still:
        raise UnusableInputError(f"{shown(media.path)} is a picture, not a video to draw on")
    if media.parts:
        raise UnusableInputError(
            f"{shown(media.path)} was joined from several files, which cannot be drawn on as one; "
            "convert it anew with another program"
        )
    return media.video


def _decoding(media: Media, video: VideoStream) -> OutputStream:
    """Return the ffmpeg-python output that writes every frame, with its time stamp."""
    stream = source(media, noautorotate=None)[f"V:{video.number - 1}"]
    scaling = {"out_range": "tv"}
    if video.colour[2] == _RGB:
        scaling["out_color_matrix"] = "bt709"
    width, height = redrawn_size(media)
    stream = upright(stream, video, width, height, **scaling).filter("format", "yuv420p")
    options: dict[str, str | int] = {"enc_time_base": f"1:{_CLOCK}", "map_metadata": -1}
    return stream.output("pipe:", format="nut", vcodec="rawvideo", **options)


def _encoding(media: Media, video: VideoStream, target: Path) -> OutputStream:
    """Return the ffmpeg-python output that reads raw frames, and the sound from the file."""
    frames = ffmpeg.input(
        "pipe:", format="nut", protocol_whitelist="pipe", format_whitelist="nut"
    )["v:0"]
    primaries, transfer, matrix = video.colour
    matrix = _BT709 if matrix == _RGB else matrix
    frames = frames.filter(
        "setparams",
        range="tv",
        color_primaries=primaries,
        color_trc=transfer,
        colorspace=matrix,
    )
    options: dict[str, str | int] = {
        "format": "mp4",
        "vcodec": "libx264",
        "preset": "veryfast",
        "crf": 21,
        "threads": THREADS,
        "fps_mode": "passthrough",
        "enc_time_base": f"1:{_CLOCK}",
        "video_track_timescale": _CLOCK,
        # Players begin before all of it has come.
        "movflags": "+faststart",
        "map_metadata": -1,
        "map_chapters": -1,
    }
    streams = [frames]
    if media.audio is not None:
        # Times of the frames count from the start of the media.
        sound = source(media, itsoffset=f"{-media.origin:.6f}")[f"a:{media.audio.number - 1}"]
        if _codec(media.audio.codec) in _COPIED:
            options["acodec"] = "copy"
        else:
            sound = sound.filter("aresample", 48_000, **{"async": 1})
            options |= {
                "acodec": "aac",
                "audio_bitrate": "160k",
                "ac": min(media.audio.channels, 2),
            }
        streams.append(sound)
    place = os.fsencode(f"file:{target.absolute()}")
    return ffmpeg.output(*streams, place, **options).overwrite_output()


def _codec(decoder: str) -> str:
    """The codec that a decoder of ffmpeg is for: mp3 of "mp3float", opus of "libopus"."""
    return decoder.removeprefix("lib").removesuffix("float")


def _pass_on(decoder: Run, encoder: Run, media: Media, draw: Callable[[Planes], None]) -> int:
    """Take frames from one ffmpeg, draw on each, and give it to the other; return how many."""
    width, height = redrawn_size(media)
    try:
        given = av.open(decoder, mode="r", format="nut", buffer_size=1 << 20)
    except (av.FFmpegError, EOFError):
        return 0  # `judge` says why
    # No index: it would grow with the video.
    options = {"write_index": "0"}
    taken = av.open(encoder, mode="w", format="nut", options=options, buffer_size=1 << 20)
    with given, taken:
        stream = taken.add_stream("rawvideo")
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, _CLOCK)
        last, count = -1, 0
        for packet in given.demux(video=0):
            if packet.pts is None or not packet.size:
                continue
            time = max(0.0, float(packet.pts * packet.time_base) - media.origin)
            ticks = round(time * _CLOCK)
            # Time stamps that step back come from damage, and no file may hold them.
            if ticks <= last:
                continue
            content = bytearray(packet)
            draw(Planes(time, *_planes(content, width, height)))
            frame = av.Packet(cast(bytes, content))  # any buffer will do
            frame.stream, frame.pts, frame.dts, frame.is_keyframe = stream, ticks, ticks, True
            frame.time_base = stream.time_base
            taken.mux(frame)
            last, count = ticks, count + 1
    return count


def _planes(
    content: bytearray, width: int, height: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
    """The three planes of a frame as it lies in memory."""
    values = np.frombuffer(content, np.uint8)
    luma, chroma = width * height, width * height // 4
    blue, red = values[luma : luma + chroma], values[luma + chroma : luma + 2 * chroma]
    half = (height // 2, width // 2)
    return values[:luma].reshape(height, width), blue.reshape(half), red.reshape(half)


def _failure(media: Media, complaint: str, log: str) -> Exception:
    """What to raise where the encoder failed: its last complaint may be of what that led to."""
    if os.strerror(errno.ENOSPC) in log:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if "Unknown encoder" in log:
        return MissingAssetError(
            f"this ffmpeg writes no H.264 ({complaint}); unset {CHOICE}, or let it name one with "
            "libx264"
        )
    return UnusableInputError(f"{shown(media.path)} cannot be written anew: {complaint}")
