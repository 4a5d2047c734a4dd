"""What a media file holds, found by reading it, in the process apart that decodes."""

from __future__ import annotations

import io
import logging
import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import av
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media.ffmpeg import DEMUXERS, STILLS, shown
from lddu_pipe.media.joins import (
    FIRST_FRAME,
    MOST_PARTS,
    RESTARTING,
    Clock,
    counts_frames,
    joins_of,
    links,
)
from lddu_pipe.media.limits import LONGEST, LOWEST_RATE, PIXELS, SPARSEST
from lddu_pipe.media.tracks import Track, candidates, preferred, summary, tracks_of
from lddu_pipe.types import AudioStream, Media, VideoStream

logger = logging.getLogger(__name__)

_STILL_IF_SINGLE = (*STILLS, "gif", "apng", "mjpeg")
"""Demuxers whose single picture without sound is a still and not a short video."""

_LENGTH_UNSTATED = (
    *("aac", "ac3", "eac3", "dts", "amr", "mpegts", "mpeg", "mpegvideo", "m4v", "mjpeg"),
    *("h264", "hevc", "av1", "obu", "dv"),
)
"""Demuxers of formats without a place for their length."""

_UNKNOWN_RIFF_SIZE = 0x7FFF_0000
"""Sizes from here on in a RIFF header stand for one that was not known when it was written."""


def inspect(
    path: Path, *, audio: int | str | None = None, video: int | str | None = None
) -> Media:
    """Read a media file and say what is in it; see `media.probe.probe`.

    Args:
        path: of the file.
        audio: number, from 1, or language of the sound stream to take.
        video: the same of the picture stream.

    Raises:
        UnusableInputError: it is not media, holds nothing that decodes, is beyond the limits, or
            lacks the stream that is asked for.
    """
    with opened(path) as container:
        demuxer = container.format.name.split(",")[0]
        # Where marks tell the parts of a file apart, it need not be read twice.
        starts = links(path, demuxer)[1:]
        if not starts:
            media, clocks = _inspect(container, path, demuxer, audio, video)
            starts = joins_of(path, demuxer, clocks) if demuxer in RESTARTING else []
            if not starts:
                return media
    if len(starts) >= MOST_PARTS:
        raise UnusableInputError(
            f"{shown(path)} holds more than {MOST_PARTS} files one after another; cut it, or "
            "convert it anew"
        )
    parts: list[Media] = []
    for section in pairwise([0, *starts, path.stat().st_size]):
        try:
            with opened(path, section, demuxer) as container:
                media, _ = _inspect(container, path, demuxer, audio, video)
        except UnusableInputError as error:
            logger.warning("some of what was joined to one file is left out: %s", error)
        else:
            parts.append(replace(media, section=section))
    if not parts:
        raise UnusableInputError(
            f"{shown(path)} was joined from several files, none of which can be decoded"
        )
    return _joined(parts)


def _joined(parts: Sequence[Media]) -> Media:
    """A file that holds several, one after another."""
    first = parts[0]
    media = Media(
        first.path,
        sum(part.duration for part in parts),
        next((part.audio for part in parts if part.audio is not None), None),
        next((part.video for part in parts if part.video is not None), None),
        demuxer=first.demuxer,
        sound_tracks=first.sound_tracks,
        picture_tracks=first.picture_tracks,
        parts=tuple(parts),
    )
    _check_duration(media)
    return media


def _inspect(
    container: InputContainer,
    path: Path,
    demuxer: str,
    audio: int | str | None,
    video: int | str | None,
) -> tuple[Media, list[Clock]]:
    """What is in a file, or a part of one, and how the time in it runs."""
    shown_ones = [stream for stream in container.streams.video if not _is_cover_art(stream)]
    every_sound = tracks_of(container.streams.audio, demuxer)
    every_picture = tracks_of(shown_ones, demuxer)
    sounds = candidates(every_sound, audio, "sound", path)
    pictures = _within_limits(candidates(every_picture, video, "picture", path), path)
    tracks = [*sounds, *pictures]
    if not tracks:
        raise UnusableInputError(f"{shown(path)} has neither a sound nor a picture stream")
    _read_all(container, demuxer, tracks, path)
    if demuxer == "wav":
        _compare_with_riff_header(path)
    chosen: list[Track] = []
    for kind, wanted in ((sounds, audio), (pictures, video)):
        for track in preferred(kind):
            if wanted is not None and track.frame is None:
                raise UnusableInputError(f"track {track} of {shown(path)} cannot be decoded")
            chosen.append(track)
    media = _describe(path, demuxer, chosen)
    _check_duration(media)
    _check_density(media, chosen)
    found = replace(
        media,
        sound_tracks=summary(every_sound, sounds),
        picture_tracks=summary(every_picture, pictures),
    )
    return found, [track.clock for track in tracks]


def _within_limits(pictures: list[Track], path: Path) -> list[Track]:
    """Leave out streams of pictures that are too large.

    Raises:
        UnusableInputError: all of them are.
    """
    kept = []
    problem = None
    for track in pictures:
        try:
            _limit(cast(av.VideoStream, track.stream), path)
        except UnusableInputError as error:
            problem = error
        else:
            kept.append(track)
    if problem is not None and not kept:
        raise problem
    return kept


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


def _check_duration(media: Media) -> None:
    """Refuse what would take days to listen to.

    Raises:
        UnusableInputError: it is too long.
    """
    if media.duration > LONGEST:
        raise UnusableInputError(
            f"{shown(media.path)} lasts {media.duration / 3600:.0f} hours, more than "
            f"{LONGEST / 3600:.0f}, or its time stamps are wrong; cut it, or convert it anew"
        )


def _check_density(media: Media, tracks: Sequence[Track]) -> None:
    """Refuse time stamps that would make a few packets into days of silence.

    Raises:
        UnusableInputError: nearly all of a long file is gaps.
    """
    held = max(track.length for track in tracks)
    if media.duration > 3600 and held < SPARSEST * media.duration:
        raise UnusableInputError(
            f"{shown(media.path)} has {held:.0f} s of sound and pictures with time stamps over "
            f"{media.duration:.0f} s; they are wrong, convert it anew"
        )


class _Section(io.RawIOBase):
    """Some bytes of a file, as a file of their own."""

    def __init__(self, file: io.FileIO, first: int, end: int) -> None:
        super().__init__()
        self._file = file
        self._first = first
        self._end = end
        self._file.seek(first)

    def readable(self) -> bool:
        """Whether one may read: yes."""
        return True

    def seekable(self) -> bool:
        """Whether one may seek: yes."""
        return True

    def tell(self) -> int:
        """Return the place, from the section's start."""
        return self._file.tell() - self._first

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, from the section's start; return it."""
        base = (self._first, self._file.tell(), self._end)[whence]
        return self._file.seek(max(self._first, base + offset)) - self._first

    def read(self, size: int = -1) -> bytes:
        """Return bytes, at most `size`; none at the section's end."""
        left = max(0, self._end - self._file.tell())
        return self._file.read(left if size < 0 else min(size, left)) or b""


@contextmanager
def opened(
    path: Path, section: tuple[int, int] | None = None, demuxer: str | None = None
) -> Iterator[InputContainer]:
    """Open a file for PyAV, which gets its bytes and nothing else: no name, no other file.

    Args:
        path: of the file.
        section: its first byte and the one after the last; all of the file by default.
        demuxer: of the section, where that is known.

    Raises:
        UnusableInputError: it cannot be read or is not media.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise UnusableInputError(f"{shown(path)} cannot be read: {error.strerror}") from error
    part = file if section is None else _Section(file, *section)
    with file, _open(part, path, demuxer) as container:
        yield container


def _open(file: io.RawIOBase, path: Path, demuxer: str | None) -> InputContainer:
    # PyAV would hand the name to ffmpeg, where "%d", ".m3u8" and the like steer the format.
    file.name = "media"  # type: ignore[attr-defined]
    # The bytes come from Python, so no protocol at all is needed; "none" matches nothing.
    options = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "none"}
    try:
        return av.open(file, mode="r", format=demuxer, options=options, metadata_errors="replace")
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


def _read_all(
    container: InputContainer, demuxer: str, tracks: Sequence[Track], path: Path
) -> None:
    by_index = {track.stream.index: track for track in tracks}
    others = 0.0
    """Seconds at which streams end that nobody looks at, such as subtitles."""
    try:
        for packet in container.demux():
            if not packet.size:
                continue
            track = by_index.get(packet.stream.index)
            if track is not None:
                track.take(packet)
            elif packet.pts is not None:
                end = packet.pts + (packet.duration or 0)
                others = max(others, float(end * packet.time_base))
    except av.FFmpegError as error:
        logger.warning("%s is damaged, reading stopped early: %s", shown(path), error.strerror)
    for track in tracks:
        track.take(None)
    if not _states_its_length(path, demuxer):
        return
    first = (container.start_time or 0) / av.time_base
    claimed = (container.duration or 0) / av.time_base
    found = max(track.length if math.isinf(track.end) else track.end - first for track in tracks)
    # Half a second or a tenth: less is rounding, or a guess from the bit rate.
    if claimed - max(found, others - first) > max(0.5, claimed / 10):
        logger.warning(
            "%s claims %.1f s and holds %.1f s; it may be cut off", shown(path), claimed, found
        )


def _states_its_length(path: Path, demuxer: str) -> bool:
    """Whether the file itself says how long it is; else ffmpeg guesses, from the bit rate."""
    if demuxer != "mp3":
        return demuxer not in _LENGTH_UNSTATED
    with path.open("rb") as file:
        head = file.read(10)
        # Tags come first: their size has seven bits a byte.
        tags = sum((byte & 127) << 7 * place for place, byte in enumerate(reversed(head[6:])))
        file.seek(tags + 10 if head.startswith(b"ID3") else 0)
        return counts_frames(file.read(FIRST_FRAME))


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


def _describe(path: Path, demuxer: str, tracks: Sequence[Track]) -> Media:
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


def _audio_stream(track: Track, frame: av.AudioFrame, origin: float) -> AudioStream:
    return AudioStream(
        codec=track.stream.codec_context.name,
        sample_rate=frame.sample_rate,
        channels=frame.layout.nb_channels,
        start=track.start - origin,
        duration=track.duration,
        number=track.number,
        language=track.language,
    )


def _video_stream(track: Track, frame: av.VideoFrame, origin: float, still: bool) -> VideoStream:
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
        colour=(frame.color_primaries, frame.color_trc, frame.colorspace),
        number=track.number,
        language=track.language,
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
