"""Sound and pictures out of a media file."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from typing import NamedTuple

import av
import numpy as np
from ffmpeg.nodes import OutputStream
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media.ffmpeg import Run, running, shown, source
from lddu_pipe.media.isolation import ask
from lddu_pipe.media.limits import OVERHANG
from lddu_pipe.media.waveform import Waveform
from lddu_pipe.types import AudioStream, Media, TimeSpan, VideoStream

logger = logging.getLogger(__name__)

_SURROUND = "mono|c0<FC+0.7*FL+0.7*FR+0.5*BL+0.5*BR+0.5*SL+0.5*SR+0.5*BC"
"""Downmix for ffmpeg's `pan`: speech sits in the middle, the subwoofer carries none.

"<" scales the weights of the channels that are there to a sum of 1, so nothing can clip.
"""

_UPRIGHT: dict[int, tuple[tuple[str, ...], ...]] = {
    0: (),
    90: (("transpose", "clock"),),
    180: (("hflip",), ("vflip",)),
    270: (("transpose", "cclock"),),
}

_EARLY = 0.2
"""A frame this part of its period early counts for a step: time stamps are rounded and jitter."""


class Frame(NamedTuple):
    """One picture of a video."""

    time: float
    """Seconds of the media at which the frame is shown: its own time stamp, not a grid's."""
    image: NDArray[np.uint8]
    """(height, width, 3) uint8 RGB, upright."""


def decode_audio(
    media: Media, sample_rate: int = 16_000, span: TimeSpan | None = None
) -> NDArray[np.float32]:
    """Decode the sound of a media file to one channel.

    Sample `i` sounds at second `i / sample_rate` of the media (of the span, where one is given):
    sound that starts later, stops earlier or has gaps is filled with silence.

    Args:
        media: What `probe` found.
        sample_rate: Hz of the result.
        span: Decode only this part; all of the media when None.

    Returns:
        (samples,) float32 in -1..1, all finite: at least the media's duration long, or exactly
        the span's length.

    Raises:
        UnusableInputError: the media has no sound, or none of it can be decoded.
        MissingAssetError: there is no ffmpeg.
    """
    audio = _audio_of(media, sample_rate)
    count = round((span or media.span).duration * sample_rate)
    try:
        # Pages of zeros take no memory until something is written there: silence is free.
        samples = np.zeros(count + round(OVERHANG * sample_rate), np.float32)
    except MemoryError as error:
        raise UnusableInputError(
            f"the sound of {shown(media.path)} takes {count * 4 / 1e9:.1f} GB of memory, "
            "more than there is; cut it into parts"
        ) from error
    found = 0
    for part in _sound(media, audio, sample_rate, span):
        if part.any():
            samples[found : found + len(part)] = part
        found += len(part)
    return samples[: max(found, count)]


def decode_waveform(media: Media, sample_rate: int = 16_000) -> Waveform:
    """Decode all the sound of a media file as `decode_audio` does, without holding it in memory.

    Raises:
        UnusableInputError: the media has no sound, none of it can be decoded, or there is no room
            for it in the temporary folder.
        MissingAssetError: there is no ffmpeg.
    """
    audio = _audio_of(media, sample_rate)
    return Waveform(
        _sound(media, audio, sample_rate, None), at_least=round(media.duration * sample_rate)
    )


def _audio_of(media: Media, sample_rate: int) -> AudioStream:
    if media.audio is None:
        raise UnusableInputError(f"{shown(media.path)} has no sound")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is above 0 Hz, got {sample_rate}")
    return media.audio


def _sound(
    media: Media, audio: AudioStream, sample_rate: int, span: TimeSpan | None
) -> Generator[NDArray[np.float32]]:
    """Yield the samples of a media file, or a span of it, in parts, finite in -1..1."""
    wanted = span or media.span
    most = round(wanted.duration * sample_rate)
    stream = source(media, wanted.start)["a:0"]
    stream = stream.filter("asetpts", f"round(PTS-({media.origin + wanted.start:.9f})/TB)")
    stream = stream.filter("pan", _downmix(audio.channels))
    # async fills gaps by time stamps; first_pts=0 pads or cuts so that the first sample is time 0.
    stream = stream.filter("aresample", sample_rate, first_pts=0, **{"async": 1})
    if span is None:
        # Beyond what was found there is nothing but a codec's last block, or nonsense.
        most += round(OVERHANG * sample_rate)
    stream = stream.filter("atrim", end_sample=most)
    with running(stream.output("pipe:", format="f32le", acodec="pcm_f32le"), media) as run:
        found, rest = 0, b""
        while (data := rest + run.read(1 << 20)) != rest and found < most:
            whole = len(data) // 4 * 4
            rest = data[whole:]
            part = np.frombuffer(data[:whole], dtype="<f4")[: most - found]
            found += len(part)
            # Floating-point files may hold anything, NaN included.
            yield np.clip(np.nan_to_num(part, nan=0.0, posinf=1.0, neginf=-1.0), -1.0, 1.0)
        _judge(run, media, "sound", nothing=not found, partial=span is not None)


def decode_frames(
    media: Media, fps: float, max_side: int = 960, span: TimeSpan | None = None
) -> Generator[Frame]:
    """Decode the pictures of a video one after another, holding one at a time.

    At most `fps` frames a second come out, fewer where the video has fewer, none twice. Closing
    the generator early, or dropping it, ends ffmpeg. With a span exactly those frames come that
    the whole video would give within it.

    Args:
        media: What `probe` found.
        fps: The most frames a second.
        max_side: The most pixels of the longer side. Larger pictures are scaled down, smaller
            ones are left; sides come out even.
        span: Only frames shown in this part. A still gives its one frame, at time 0, whatever
            the span.

    Raises:
        UnusableInputError: the media has no pictures, or, on the first `next`, none of them can
            be decoded. Damage after the first frame ends the frames and is logged as a warning.
        MissingAssetError: there is no ffmpeg.
    """
    if media.video is None:
        raise UnusableInputError(f"{shown(media.path)} has no pictures")
    if fps <= 0 or max_side < 2:
        raise ValueError(f"fps is above 0 and max_side at least 2, got {fps} and {max_side}")
    return _frames(media, media.video, fps, max_side, None if media.video.still else span)


def _frames(
    media: Media, video: VideoStream, fps: float, max_side: int, span: TimeSpan | None
) -> Generator[Frame]:
    if video.still:
        yield Frame(0.0, _still(media, video, max_side))
        return
    last = -1.0
    with running(_frame_command(media, video, fps, max_side, span), media) as run:
        for stamp, image in _pictures(run):
            time = max(0.0, stamp - media.origin)
            if time >= (media.duration + OVERHANG if span is None else span.end):
                return
            # Time stamps that step back come from damage, and no reader of frames expects them.
            if time > last and (span is None or time >= span.start):
                last = time
                yield Frame(time, image)
        _judge(run, media, "picture", nothing=last < 0, partial=span is not None)


def _still(media: Media, video: VideoStream, max_side: int) -> NDArray[np.uint8]:
    """Decode a picture file, (height, width, 3) uint8 RGB, upright.

    Not with ffmpeg: starting a program takes fifty times as long as decoding a small picture.
    """
    width, height = _scaled(video, max_side)
    if video.rotation in (90, 270):
        width, height = height, width
    size = height * width * 3
    request = {"task": "picture", "width": width, "height": height}
    stored = ask(
        media.path,
        request,
        lambda _, content: np.frombuffer(content, np.uint8).reshape(height, width, 3),
        size,
    )
    return np.ascontiguousarray(np.rot90(stored, -video.rotation // 90))


def _frame_command(
    media: Media, video: VideoStream, fps: float, max_side: int, span: TimeSpan | None
) -> OutputStream:
    """Return the ffmpeg-python output that writes upright raw frames with their time stamps."""
    first = 0.0 if span is None else span.start
    stream = source(media, first, noautorotate=None)["V:0"]
    stream = stream.filter("select", _selection(media, video, fps, span))
    for name, *arguments in _UPRIGHT[video.rotation]:
        stream = stream.filter(name, *arguments)
    stream = stream.filter("scale", *_scaled(video, max_side)).filter("format", "rgb24")
    # NUT keeps time stamps beside raw frames; microseconds keep them true at any frame rate.
    options: dict[str, str | int] = {"enc_time_base": "1:1000000", "map_metadata": -1}
    return stream.output("pipe:", format="nut", vcodec="rawvideo", **options)


def _selection(media: Media, video: VideoStream, fps: float, span: TimeSpan | None) -> str:
    """Return the `select` expression that keeps the first frame of each step of 1 / fps."""
    start = media.origin + video.start - _EARLY / max(fps, video.fps or fps)

    def step(time: str) -> str:
        return f"floor(({time}-({start:.6f}))*{fps:.9g})"

    chosen = f"if(isnan(prev_selected_t),1,gt({step('t')},{step('prev_selected_t')}))"
    if span is None:
        return chosen
    # One step of run-in, so that a step which begins before the span is judged as a whole.
    return f"gte(t,{media.origin + span.start - 1 / fps:.6f})*{chosen}"


def _scaled(video: VideoStream, max_side: int) -> tuple[int, int]:
    """Return the even width and height that fit `max_side` and are not larger than the video."""
    scale = min(1.0, max_side / max(video.width, video.height))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (video.width, video.height))
    return width, height


def _pictures(run: Run) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield the time stamp in seconds and the (H, W, 3) image of each frame that ffmpeg writes."""
    try:
        container = av.open(run, mode="r", format="nut", buffer_size=1 << 20)
    except (av.FFmpegError, EOFError):
        # ffmpeg wrote nothing; `_judge` says why.
        return
    with container:
        for frame in container.decode(video=0):
            if frame.pts is not None and frame.time_base is not None:
                image = frame.to_ndarray(format="rgb24")
                yield float(frame.pts * frame.time_base), image.astype(np.uint8, copy=False)


def _downmix(channels: int) -> str:
    if channels <= 8:
        return _SURROUND
    # More channels than any named layout of speakers: microphones, all worth the same.
    return "mono|c0<" + "+".join(f"c{channel}" for channel in range(channels))


def _judge(run: Run, media: Media, what: str, *, nothing: bool, partial: bool) -> None:
    """Raise when nothing came out; warn when something did, and ffmpeg complained."""
    content, complaint = run.finish()
    if nothing and not (partial and content):
        reason = complaint or "ffmpeg found none"
        raise UnusableInputError(
            f"no {what} of {shown(media.path)} can be decoded: {reason}; "
            "check the file in a player or copy it again"
        )
    if complaint:
        logger.warning("%s is damaged, some %s is lost: %s", shown(media.path), what, complaint)
