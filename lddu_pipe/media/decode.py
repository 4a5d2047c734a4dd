"""Sound and pictures out of a media file."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import NamedTuple

import av
import numpy as np
from ffmpeg.nodes import FilterableStream, OutputStream
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media.ffmpeg import COUNTED, Run, find_ffmpeg, running, shown, source, version_of
from lddu_pipe.media.isolation import ask
from lddu_pipe.media.limits import OVERHANG
from lddu_pipe.media.mixing import mixed
from lddu_pipe.media.waveform import Waveform
from lddu_pipe.types import AudioStream, Media, TimeSpan, VideoStream

logger = logging.getLogger(__name__)

SURROUND = "mono|c0<FC+0.7*FL+0.7*FR+0.5*BL+0.5*BR+0.5*SL+0.5*SR+0.5*BC"
"""Downmix for ffmpeg's `pan`: speech sits in the middle, the subwoofer carries none.

"<" scales the weights of the channels that are there to a sum of 1, so nothing can clip.
"""

_UPRIGHT: dict[int, tuple[tuple[str, ...], ...]] = {
    0: (),
    90: (("transpose", "clock"),),
    180: (("hflip",), ("vflip",)),
    270: (("transpose", "cclock"),),
}

_RUN_IN = 1.0
"""Seconds before a wanted moment from which the resampler is fed."""

_TOLERANCE = 0.1
"""Seconds by which times may be off what the samples before them last: ffmpeg's own bound."""

_SILENCE = 1 << 20
"""Samples of silence that are held at once."""

_EARLY = 0.2
"""A frame this part of its period early counts for a step: time stamps are rounded and jitter."""


class Frame(NamedTuple):
    """One picture of a video."""

    time: float
    """Seconds of the media at which the frame is shown: its own time stamp, not a grid's."""
    image: NDArray[np.uint8]
    """(height, width, 3) uint8 RGB, upright."""


def decode_audio(
    media: Media,
    sample_rate: int = 16_000,
    span: TimeSpan | None = None,
    *,
    channel: int | None = None,
) -> NDArray[np.float32]:
    """Decode the sound of a media file to one channel.

    Sample `i` sounds at second `i / sample_rate` of the media (of the span, where one is given):
    sound that starts later, stops earlier or has gaps is filled with silence. Rate and channels
    may change on the way. Two channels that cancel each other out are not added: see
    `mixing.mixed`.

    Args:
        media: What `probe` found.
        sample_rate: Hz of the result.
        span: Decode only this part; all of the media when None.
        channel: Only this one, from 0; all of them together when None.

    Returns:
        (samples,) float32 in -1..1, all finite: at least the media's duration long, or exactly
        the span's length.

    Raises:
        UnusableInputError: the media has no sound, or none of it can be decoded.
        MissingAssetError: there is no ffmpeg.
    """
    _check_sound(media, sample_rate)
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
    for part in _sound(media, sample_rate, span, channel):
        if part.any():
            samples[found : found + len(part)] = part
        found += len(part)
    return samples[: max(found, count)]


def decode_waveform(
    media: Media, sample_rate: int = 16_000, *, channel: int | None = None
) -> Waveform:
    """Decode the sound of a media file as `decode_audio` does, without holding it in memory.

    It is decoded as far as it is read, and only then one knows what cannot be decoded.

    Raises:
        UnusableInputError: the media has no sound. Reading raises it where none can be decoded, or
            where there is no room for it in the temporary folder.
    """
    _check_sound(media, sample_rate)
    return Waveform(
        _sound(media, sample_rate, None, channel), at_least=round(media.duration * sample_rate)
    )


def _check_sound(media: Media, sample_rate: int) -> None:
    if media.audio is None:
        raise UnusableInputError(f"{shown(media.path)} has no sound")
    if sample_rate <= 0:
        raise ValueError(f"sample_rate is above 0 Hz, got {sample_rate}")


def _sound(
    media: Media, sample_rate: int, span: TimeSpan | None, channel: int | None
) -> Generator[NDArray[np.float32]]:
    """Yield the samples of a media file, or a span of it, in parts, finite in -1..1."""
    if not media.parts:
        yield from _mixed_sound(media, sample_rate, span, channel)
        return
    wanted = span or media.span
    done, start = 0, 0.0
    for part in media.parts:
        inside = part.span.shift(start).clip(wanted)
        # Places of the whole, rounded once, so that many parts do not add up many roundings.
        count = round((inside.end - wanted.start) * sample_rate) - done
        if count > 0 and part.audio is not None:
            for samples in _mixed_sound(part, sample_rate, inside.shift(-start), channel):
                yield samples[:count]
                done += len(samples[:count])
                count -= len(samples[:count])
        if count > 0:
            yield np.zeros(count, np.float32)
            done += count
        start += part.duration


def _mixed_sound(
    media: Media, sample_rate: int, span: TimeSpan | None, channel: int | None
) -> Generator[NDArray[np.float32]]:
    """As `_sound`, for a file that was not joined from several."""
    if media.audio is None:
        raise ValueError("there is no sound")
    wanted = span or media.span
    # Beyond what was found there is nothing but a codec's last block, or nonsense.
    most = round((wanted.duration + (OVERHANG if span is None else 0.0)) * sample_rate)
    command = _sound_command(media, media.audio, sample_rate, wanted, channel, whole=span is None)
    with running(command, media) as run:
        # Of a counted format everything before the span comes, too; nothing comes three times.
        run.allow(round((wanted.end + OVERHANG + _RUN_IN) * sample_rate) * 3 * 4 * 2)
        heard = _Heard(run)
        yield from mixed(_placed(heard, media, sample_rate, wanted.start, most), sample_rate)
        # One that writes more than is wanted need not be waited for.
        if heard.ended:
            judge(run, media, "sound", nothing=not heard.any, partial=span is not None)


def _sound_command(
    media: Media,
    audio: AudioStream,
    sample_rate: int,
    wanted: TimeSpan,
    channel: int | None,
    *,
    whole: bool,
) -> OutputStream:
    """Return the ffmpeg-python output that writes samples with their times.

    Time 0 is `_RUN_IN` before what is wanted, as no time may be below 0. For `COUNTED` formats
    times mean nothing.
    """
    lasts = wanted.duration + (OVERHANG if whole else 0.0)
    stream = source(media, wanted.start)[f"a:{audio.number - 1}"]
    if media.demuxer in COUNTED:
        stream = stream.filter("asetpts", "N/SR/TB")
    else:
        origin = media.origin + wanted.start - _RUN_IN
        stream = stream.filter("asetpts", f"round(PTS-({origin:.9f})/TB)")
        stream = stream.filter("atrim", start=0, end=_RUN_IN + lasts)
    stream = stream.filter("pan", _downmix(audio.channels, channel))
    # async fills gaps by time stamps.
    stream = stream.filter("aresample", sample_rate, **{"async": 1})
    # NUT keeps the times beside the samples: where rate or channels change, ffmpeg makes its
    # filters anew, and only the time of their first sample says where that belongs.
    return stream.output("pipe:", format="nut", acodec="pcm_f32le", map_metadata=-1)


class _Heard:
    """What ffmpeg writes: times in seconds, and the (samples, channels) that begin there."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.any = False
        """Whether there was something."""
        self.ended = False
        """Whether all of it was taken."""

    def __iter__(self) -> Iterator[tuple[float, NDArray[np.float32]]]:
        try:
            container = av.open(self._run, mode="r", format="nut", buffer_size=1 << 20)
        except (av.FFmpegError, EOFError):
            # ffmpeg wrote nothing; `judge` says why.
            self.ended = True
            return
        with container:
            for frame in container.decode(audio=0):
                if frame.pts is not None and frame.time_base is not None:
                    self.any = True
                    samples = frame.to_ndarray().astype(np.float32, copy=False)
                    yield (
                        float(frame.pts * frame.time_base),
                        samples.reshape(-1, frame.layout.nb_channels),
                    )
        self.ended = True


def _placed(
    heard: Iterable[tuple[float, NDArray[np.float32]]],
    media: Media,
    sample_rate: int,
    start: float,
    most: int,
) -> Generator[NDArray[np.float32]]:
    """Put samples where they belong: fill gaps, leave out what comes twice or too early.

    Args:
        heard: times and (samples, channels).
        media: whose they are.
        sample_rate: Hz.
        start: seconds of the media at which the first sample that is wanted sounds.
        most: samples that are wanted.

    Yields:
        (samples, channels), finite.
    """
    counted = media.demuxer in COUNTED
    found = -round(start * sample_rate) if counted else 0
    begun = counted
    for time, samples in heard:
        if found >= most:
            return
        early = 0
        gap = round((time - _RUN_IN) * sample_rate) - found
        if not counted and (not begun or abs(gap) > _TOLERANCE * sample_rate):
            if gap > 0:
                silence = min(gap, most - found)
                yield from _silence(silence, samples.shape[1])
                found += silence
            else:
                early = -gap
        begun = begun or early < len(samples)
        new = samples[early:]
        kept = new[max(0, -found) : max(0, most - found)]
        found += len(new)
        if len(kept):
            # Floating-point files may hold anything, NaN included.
            yield np.nan_to_num(kept, nan=0.0, posinf=1.0, neginf=-1.0)


def _silence(count: int, channels: int) -> Iterator[NDArray[np.float32]]:
    for first in range(0, count, _SILENCE):
        yield np.zeros((min(_SILENCE, count - first), channels), np.float32)


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
    if media.parts:
        yield from _frames_of_parts(media.parts, fps, max_side, span or media.span)
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
        judge(run, media, "picture", nothing=last < 0, partial=span is not None)


def _frames_of_parts(
    parts: Sequence[Media], fps: float, max_side: int, span: TimeSpan
) -> Generator[Frame]:
    start = 0.0
    for part in parts:
        inside = part.span.shift(start).clip(span)
        if part.video is not None and inside.duration > 0:
            for frame in _frames(part, part.video, fps, max_side, inside.shift(-start)):
                yield Frame(frame.time + start, frame.image)
        start += part.duration


def _still(media: Media, video: VideoStream, max_side: int) -> NDArray[np.uint8]:
    """Decode a picture file, (height, width, 3) uint8 RGB, upright.

    Not with ffmpeg: starting a program takes fifty times as long as decoding a small picture.
    """
    width, height = scaled(video, max_side)
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
    stream = source(media, first, noautorotate=None)[f"V:{video.number - 1}"]
    stream = stream.filter("select", _selection(media, video, fps, span))
    stream = upright(stream, video, *scaled(video, max_side)).filter("format", "rgb24")
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


def upright(
    stream: FilterableStream, video: VideoStream, width: int, height: int, **scaling: str
) -> FilterableStream:
    """Turn the pictures of an ffmpeg-python stream upright and scale them.

    Args:
        stream: pictures as stored.
        video: says how they are stored.
        width: pixels of the result.
        height: pixels of the result.
        **scaling: more options of ffmpeg's filter `scale`.
    """
    for name, *arguments in _UPRIGHT[video.rotation]:
        stream = stream.filter(name, *arguments)
    return stream.filter("scale", width, height, **scaling)


def scaled(video: VideoStream, max_side: int) -> tuple[int, int]:
    """Return the even width and height that fit `max_side` and are not larger than the video."""
    scale = min(1.0, max_side / max(video.width, video.height))
    width, height = (max(2, int(side * scale) // 2 * 2) for side in (video.width, video.height))
    return width, height


def _pictures(run: Run) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield the time stamp in seconds and the (H, W, 3) image of each frame that ffmpeg writes."""
    try:
        container = av.open(run, mode="r", format="nut", buffer_size=1 << 20)
    except (av.FFmpegError, EOFError):
        # ffmpeg wrote nothing; `judge` says why.
        return
    with container:
        for frame in container.decode(video=0):
            if frame.pts is not None and frame.time_base is not None:
                image = frame.to_ndarray(format="rgb24")
                yield float(frame.pts * frame.time_base), image.astype(np.uint8, copy=False)


def _downmix(channels: int, only: int | None) -> str:
    """Return what `pan` makes of so many channels.

    Of several it gives their sum and the two in front, so that `mixed` can see whether these
    cancel each other out.
    """
    if only is not None:
        # By name where it has one: a channel that is not there later on is silent, not an error.
        names = ("FC",) if channels == 1 else ("FL", "FR") if channels == 2 else ()
        return f"mono|c0<{names[only] if only < len(names) else f'c{only}'}"
    if channels == 1:
        return SURROUND
    if channels <= 8:
        return f"2.1|{SURROUND.removeprefix('mono|')}|c1<FL|c2<FR"
    # More channels than any named layout of speakers: microphones, all worth the same.
    return "mono|c0<" + "+".join(f"c{channel}" for channel in range(channels))


def judge(run: Run, media: Media, what: str, *, nothing: bool, partial: bool) -> None:
    """Raise when nothing came out; warn when something did, and ffmpeg complained."""
    content, complaint = run.finish()
    if nothing and not (partial and content):
        # Where it does not even say its version, that is no fault of the file.
        version_of(find_ffmpeg())
        reason = complaint or "ffmpeg found none"
        raise UnusableInputError(
            f"no {what} of {shown(media.path)} can be decoded: {reason}; "
            "check the file in a player or copy it again"
        )
    if complaint:
        logger.warning("%s is damaged, some %s is lost: %s", shown(media.path), what, complaint)
