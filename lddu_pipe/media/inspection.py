"""What a media file holds, found by reading it, in the process apart that decodes."""

from __future__ import annotations

import io
import logging
import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition, Stream

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media.ffmpeg import DEMUXERS, STILLS, shown
from lddu_pipe.media.limits import LONGEST, LOWEST_RATE, PIXELS, SPARSEST
from lddu_pipe.types import AudioStream, Media, VideoStream

logger = logging.getLogger(__name__)

_STILL_IF_SINGLE = (*STILLS, "gif", "apng", "mjpeg")
"""Demuxers whose single picture without sound is a still and not a short video."""

_UNKNOWN_RIFF_SIZE = 0x7FFF_0000
"""Sizes from here on in a RIFF header stand for one that was not known when it was written."""


def inspect(path: Path) -> Media:
    """Read a media file and say what is in it; see `media.probe.probe`.

    Raises:
        UnusableInputError: it is not media, holds nothing that decodes, or is beyond the limits.
    """
    with opened(path) as container:
        demuxer = container.format.name.split(",")[0]
        pictures = [stream for stream in container.streams.video if not _is_cover_art(stream)]
        tracks = [_Track(stream) for stream in container.streams.audio[:1]]
        tracks += [_Track(stream) for stream in pictures[:1]]
        if not tracks:
            raise UnusableInputError(f"{shown(path)} has neither a sound nor a picture stream")
        for stream in pictures[:1]:
            _limit(stream, path)
        _read_all(container, tracks, path)
        if demuxer == "wav":
            _compare_with_riff_header(path)
        media = _describe(path, demuxer, tracks)
        _check_length(media, tracks)
        return media


def picture(path: Path, width: int, height: int) -> bytes:
    """Decode a picture file, or the first picture of a file, as stored.

    Args:
        path: of the file.
        width: pixels of the result.
        height: pixels of the result.

    Returns:
        height * width * 3 bytes of RGB, row by row.

    Raises:
        UnusableInputError: nothing in it can be decoded.
    """
    frame = None
    try:
        with opened(path) as container:
            pictures = [stream for stream in container.streams.video if not _is_cover_art(stream)]
            if pictures:
                _limit(pictures[0], path)
                frame = next(container.decode(pictures[0]), None)
    except (av.FFmpegError, OSError) as error:
        reason = str(error.strerror)
    else:
        reason = "nothing in it decodes"
    if frame is None:
        raise UnusableInputError(
            f"no picture of {shown(path)} can be decoded: {reason}; "
            "check the file in a viewer or copy it again"
        )
    small = frame.reformat(width, height, format="rgb24", interpolation="BICUBIC")
    return small.to_ndarray().tobytes()


def _limit(stream: av.VideoStream, path: Path) -> None:
    """Refuse pictures larger than any camera's, whether the header or the picture says so."""
    # An unknown codec has none.
    context = cast("av.VideoCodecContext | None", stream.codec_context)
    if context is None:
        return
    if context.width * context.height > PIXELS:
        raise UnusableInputError(
            f"{shown(path)} has pictures of {context.width} x {context.height}, more than "
            f"{PIXELS / 1e6:.0f} megapixels; scale it down with another program"
        )
    context.options = {"max_pixels": str(PIXELS)}
    # Only the first picture is decoded, and each thread would hold one.
    context.thread_count = 1


def _check_length(media: Media, tracks: list[_Track]) -> None:
    """Refuse time stamps that would make a few packets into days of silence.

    Raises:
        UnusableInputError: the media is too long, or nearly all of a long one is gaps.
    """
    if media.duration > LONGEST:
        raise UnusableInputError(
            f"{shown(media.path)} lasts {media.duration / 3600:.0f} hours, more than "
            f"{LONGEST / 3600:.0f}, or its time stamps are wrong; cut it, or convert it anew"
        )
    held = max(track.length for track in tracks)
    if media.duration > 3600 and held < SPARSEST * media.duration:
        raise UnusableInputError(
            f"{shown(media.path)} has {held:.0f} s of sound and pictures with time stamps over "
            f"{media.duration:.0f} s; they are wrong, convert it anew"
        )


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a file for PyAV, which gets its bytes and nothing else: no name, no other file.

    Raises:
        UnusableInputError: it cannot be read or is not media.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise UnusableInputError(f"{shown(path)} cannot be read: {error.strerror}") from error
    with file, _open(file, path) as container:
        yield container


def _open(file: io.FileIO, path: Path) -> InputContainer:
    # PyAV would hand the name to ffmpeg, where "%d", ".m3u8" and the like steer the format.
    file.name = "media"
    # The bytes come from Python, so no protocol at all is needed; "none" matches nothing.
    options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "none"}
    try:
        return av.open(file, mode="r", options=options, metadata_errors="replace")
    except av.ArgumentError as error:
        raise UnusableInputError(
            f"{shown(path)} is a playlist, a subtitle or another format that is not read as "
            "media; name the video or sound file itself"
        ) from error
    except (av.FFmpegError, OSError) as error:
        raise UnusableInputError(
            f"{shown(path)} is not a media file (a playlist is none), or is cut off or damaged "
            "at its header; check it in a player or copy it again"
        ) from error


def _is_cover_art(stream: av.VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


@dataclass
class _Track:
    """A stream while it is read: its first frame and where it ends."""

    stream: av.VideoStream | av.AudioStream
    frame: av.VideoFrame | av.AudioFrame | None = None
    end: float = -math.inf
    """Time stamp, in seconds, at which the last packet ends."""
    length: float = 0.0
    """Seconds that the packets last together."""
    packets: int = 0

    def take(self, packet: av.Packet[Stream] | None) -> None:
        """Take the next packet, or None at the end; decode only until a frame comes out."""
        # An unknown codec has no context.
        if self.frame is None and self.stream.codec_context is not None:
            try:
                frames: Sequence[av.VideoFrame | av.AudioFrame] = self.stream.decode(packet)
                self.frame = frames[0] if frames else None
            except av.FFmpegError as error:
                logger.debug("%s packet %d: %s", self.stream.type, self.packets, error)
        if packet is None or packet.is_discard:
            return
        self.packets += 1
        seconds = packet.duration * self._tick if packet.duration else self._frame_period
        self.length += seconds
        if packet.pts is not None:
            self.end = max(self.end, packet.pts * self._tick + seconds)

    @cached_property
    def _tick(self) -> float:
        """Seconds a unit of the stream's time stamps; a float, for it meets every packet."""
        return float(self.stream.time_base or Fraction(1, 1000))

    @cached_property
    def _frame_period(self) -> float:
        rate = self.stream.average_rate if isinstance(self.stream, av.VideoStream) else None
        return float(1 / rate) if rate else 0.0

    @property
    def start(self) -> float:
        """Time stamp of the first frame, in seconds; 0.0 where the format has none."""
        if self.frame is None or self.frame.pts is None:
            return 0.0
        return self.frame.pts * float(self.frame.time_base or self._tick)

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last packet."""
        if math.isinf(self.end):
            return self.length
        return max(0.0, self.end - self.start)


def _read_all(container: InputContainer, tracks: list[_Track], path: Path) -> None:
    by_index = {track.stream.index: track for track in tracks}
    try:
        for packet in container.demux(*(track.stream for track in tracks)):
            if packet.size:
                by_index[packet.stream.index].take(packet)
    except av.FFmpegError as error:
        logger.warning("%s is damaged, reading stopped early: %s", shown(path), error.strerror)
    for track in tracks:
        track.take(None)
    claimed = (container.duration or 0) / av.time_base
    found = max(track.duration for track in tracks)
    # Half a second or a tenth: less is rounding, or a guess from the bit rate.
    if claimed - found > max(0.5, claimed / 10):
        logger.warning(
            "%s claims %.1f s and holds %.1f s; it may be cut off", shown(path), claimed, found
        )


def _compare_with_riff_header(path: Path) -> None:
    """Warn of a WAV file that is cut off; ffmpeg goes by the length of the file alone."""
    with path.open("rb") as file:
        head = file.read(8)
    size = path.stat().st_size
    claimed = int.from_bytes(head[4:], "little") + 8
    # Programs that write to a pipe do not know the size, and put a huge one.
    if head[:4] == b"RIFF" and size < claimed < _UNKNOWN_RIFF_SIZE:
        logger.warning(
            "%s claims %d bytes and holds %d; it may be cut off", shown(path), claimed, size
        )


def _describe(path: Path, demuxer: str, tracks: list[_Track]) -> Media:
    decoded = [track for track in tracks if track.frame is not None]
    if not decoded:
        raise UnusableInputError(
            f"{shown(path)} holds no sound and no picture that can be decoded; "
            "it may be cut off, encrypted, or in a codec that ffmpeg does not know"
        )
    for track in tracks:
        if track.frame is None:
            kind = track.stream.type
            logger.warning(
                "%s: its %s stream is left out, nothing in it decodes", shown(path), kind
            )
    origin = min(track.start for track in decoded)
    audio: AudioStream | None = None
    video: VideoStream | None = None
    for track in decoded:
        if isinstance(track.frame, av.AudioFrame):
            if track.frame.sample_rate < LOWEST_RATE:
                raise UnusableInputError(
                    f"{shown(path)} has {track.frame.sample_rate} samples a second, which is no "
                    f"sound: {LOWEST_RATE} are the least; convert it anew"
                )
            audio = _audio_stream(track, track.frame, origin)
        elif isinstance(track.frame, av.VideoFrame):
            still = demuxer in STILLS or (
                len(tracks) == 1 and track.packets == 1 and demuxer in _STILL_IF_SINGLE
            )
            video = _video_stream(track, track.frame, origin, still)
    end = max(track.start + track.duration for track in decoded)
    duration = 0.0 if video is not None and video.still else end - origin
    return Media(path, duration, audio, video, demuxer=demuxer, origin=origin)


def _audio_stream(track: _Track, frame: av.AudioFrame, origin: float) -> AudioStream:
    return AudioStream(
        codec=track.stream.codec_context.name,
        sample_rate=frame.sample_rate,
        channels=frame.layout.nb_channels,
        start=track.start - origin,
        duration=track.duration,
    )


def _video_stream(track: _Track, frame: av.VideoFrame, origin: float, still: bool) -> VideoStream:
    rotation = _rotation(frame)
    width, height = _size_shown(frame, getattr(track.stream, "sample_aspect_ratio", None))
    if rotation in (90, 270):
        width, height = height, width
    return VideoStream(
        codec=track.stream.codec_context.name,
        width=width,
        height=height,
        fps=None if still or not track.duration else track.packets / track.duration,
        rotation=rotation,
        start=0.0 if still else track.start - origin,
        duration=None if still else track.duration,
        still=still,
    )


def _size_shown(frame: av.VideoFrame, pixel_aspect: Fraction | None) -> tuple[int, int]:
    """Return width and height in square pixels: stored ones may be wider than high (DVD)."""
    # A ratio beyond 1:4 is a mistake of the file.
    if not pixel_aspect or not Fraction(1, 4) <= pixel_aspect <= 4:
        return frame.width, frame.height
    return max(1, round(frame.width * pixel_aspect)), frame.height


def _rotation(frame: av.VideoFrame) -> int:
    """Return the degrees clockwise, a multiple of 90, that bring a stored frame upright."""
    try:
        every = cast(SideDataContainer, frame.side_data)
    except ValueError:
        # PyAV does not know the EXIF side data of a photograph. Its own figure, counterclockwise,
        # is right but for mirrored photographs, which cameras do not make.
        return round(-frame.rotation / 90) * 90 % 360
    found = [data for data in every if data.type is SideDataType.DISPLAYMATRIX]
    if not found:
        return 0
    # The matrix (libavutil/display.h) maps "down" (0, 1) to its second row. Where that row points
    # says what is upright also for mirrored pictures, which stay mirrored.
    _, _, _, x, y, *_ = struct.unpack("=9i", bytes(found[0])[:36])
    return round(math.degrees(math.atan2(-x, y)) / 90) * 90 % 360
