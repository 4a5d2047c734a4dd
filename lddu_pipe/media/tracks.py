"""The streams of a file: which there are, which decode, and which one is taken."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import cast

import av
from av.stream import Disposition, Stream

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.languages import short_code
from lddu_pipe.media.ffmpeg import COUNTED, shown
from lddu_pipe.media.joins import Clock
from lddu_pipe.types import Tracks

logger = logging.getLogger(__name__)

MOST = 16
"""Streams of a kind that are tried."""

_ASIDE = (
    Disposition.comment
    | Disposition.visual_impaired
    | Disposition.hearing_impaired
    | Disposition.dependent
    | Disposition.timed_thumbnails
)
"""Made to go with the main stream: comments, descriptions, small pictures of each minute."""

_ADTS_RATES = (
    *(96_000, 88_200, 64_000, 48_000, 44_100, 32_000),
    *(24_000, 22_050, 16_000, 12_000, 11_025, 8000, 7350),
)
"""Hz by their number in the header of a packet of AAC."""


@dataclass
class Track:
    """A stream while it is read: its first frame and where it ends."""

    stream: av.VideoStream | av.AudioStream
    number: int
    """Place among the streams of its kind, from 1."""
    demuxer: str = ""
    """ffmpeg's name of the format."""
    frame: av.VideoFrame | av.AudioFrame | None = None
    end: float = -math.inf
    """Time stamp, in seconds, at which the last packet ends."""
    length: float = 0.0
    """Seconds that the packets last together."""
    packets: int = 0
    clock: Clock = field(default_factory=Clock)

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
        seconds = self._seconds(packet)
        self.length += seconds
        if packet.pts is not None:
            self.end = max(self.end, packet.pts * self._tick + seconds)
        if packet.dts is not None:
            self.clock.take(packet.dts * self._tick, packet.pos)

    def _seconds(self, packet: av.Packet[Stream]) -> float:
        """How long a packet lasts."""
        if self.demuxer in COUNTED and (seconds := _seconds_of_adts(memoryview(packet)[:7])):
            return seconds
        ticks = packet.duration or 0
        if self.demuxer == "ogg" and ticks >= 1 << 31:
            # ffmpeg writes what is cut off the last block as 32 bits without a sign.
            ticks -= 1 << 32
        return ticks * self._tick if ticks else self._frame_period

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
        if self.demuxer in COUNTED or math.isinf(self.end):
            return self.length
        return max(0.0, self.end - self.start)

    @property
    def language(self) -> str | None:
        """As the file has it; None where it says none, or "undetermined"."""
        tag = (self.stream.language or "").strip()
        return tag if tag.isprintable() and tag.lower() not in ("", "und") else None

    @property
    def preference(self) -> tuple[bool, bool, bool, int]:
        """The smaller, the rather this stream is meant to be heard or seen."""
        flags = self.stream.disposition
        return (
            bool(flags & _ASIDE),
            self.packets <= 1,
            not flags & Disposition.default,
            self.number,
        )

    def __str__(self) -> str:
        """Number, language, title and codec, as a person would tell it from others."""
        context = cast("av.CodecContext | None", self.stream.codec_context)
        codec = context.name if context is not None else "unknown codec"
        about = [self.language, (self.stream.metadata.get("title") or "")[:40], codec]
        return f"{self.number} ({', '.join(ascii(word)[1:-1] for word in about if word)})"


def _seconds_of_adts(head: memoryview) -> float:
    """What a packet of AAC lasts by its own header; 0.0 where it has none.

    ffmpeg goes by the first packet of a file, so that a change of the rate goes unseen.
    """
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0.0
    rate = head[2] >> 2 & 15
    return 1024 * ((head[6] & 3) + 1) / _ADTS_RATES[rate] if rate < len(_ADTS_RATES) else 0.0


def tracks_of(streams: Sequence[av.AudioStream | av.VideoStream], demuxer: str) -> list[Track]:
    """The streams of a kind, all of them, to be read."""
    return [Track(stream, number, demuxer) for number, stream in enumerate(streams, start=1)]


def candidates(
    tracks: Sequence[Track], wanted: int | str | None, kind: str, path: Path
) -> list[Track]:
    """The tracks of a kind of which one is to be taken.

    Args:
        tracks: all of the kind, in the file's order.
        wanted: a number, from 1, or a language; None for any.
        kind: "sound" or "picture", for messages.
        path: of the file, for messages.

    Raises:
        UnusableInputError: there is none such.
    """
    if wanted is None:
        return list(tracks[:MOST])
    name = str(wanted).strip().casefold()
    chosen = [
        track
        for track in tracks
        if (str(track.number) == name if name.isdecimal() else _speaks(track.language, name))
    ]
    if not chosen:
        there = f"it has {listed(tracks)}" if tracks else "it has none"
        raise UnusableInputError(f"{shown(path)} has no {kind} track {name!r}; {there}")
    return chosen[:MOST]


def listed(tracks: Sequence[Track]) -> str:
    """Some words of each of several tracks."""
    return ", ".join(map(str, tracks[:MOST])) + (" ..." if len(tracks) > MOST else "")


def _speaks(language: str | None, wanted: str) -> bool:
    if language is None:
        return False
    code = short_code(wanted)
    return wanted == language.casefold() or (code is not None and code == short_code(language))


def summary(tracks: Sequence[Track], tried: Sequence[Track]) -> Tracks:
    """What is told of the tracks of a kind once those that were to be tried are read."""
    decoded = [track for track in tried if track.frame is not None]
    usable = sorted(decoded, key=lambda track: track.preference)
    return Tracks(tuple(map(str, tracks[:MOST])), tuple(track.number for track in usable))


def preferred(tracks: Sequence[Track]) -> list[Track]:
    """The one to take of a kind, among those that decode if any does; none where there is none."""
    decoded = [track for track in tracks if track.frame is not None] or tracks
    return sorted(decoded, key=lambda track: track.preference)[:1]
