"""Sound and pictures while they come: of a microphone, a camera, or a stream on a pipe."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, cast

import av
import ffmpeg
import numpy as np
from ffmpeg.nodes import OutputStream
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media.decode import SURROUND, Frame
from lddu_pipe.media.devices import Device, Role
from lddu_pipe.media.ffmpeg import DEMUXERS, Run, started
from lddu_pipe.media.limits import LONGEST, PIXELS

logger = logging.getLogger(__name__)

SAMPLE_RATE = 16_000
"""Hz of the sound that a capture gives."""

_DEVICE_STALL = 10.0
"""Seconds without anything after which a device is given up."""

_LONGEST_GAP = 60.0
"""Seconds without a piece that are time; more are a clock that was set, or nonsense."""

_EARLY = 1 / 150
"""Seconds by which a frame may come before its step, as time stamps are rounded: a fifth of the
period at 30 frames a second, as where a file is decoded."""

_INTERLEAVE = 200_000
"""Microseconds for which sound waits for a picture, or a picture for sound."""

_READ = {"probesize": "32", "analyzeduration": "1", "fpsprobesize": "0"}
"""Of what ffmpeg writes, the header says all; looking further would hold it up."""

_CAUSES = (
    (("No such file or directory", "No such device", "Could not find"), "there is no such device"),
    (("resource busy", "already in use", "Could not run graph"), "another program uses it"),
    (
        ("Permission denied", "Operation not permitted", "not authorized"),
        "you may not use it; on Linux join the groups video and audio, on macOS let the terminal "
        "use it, in the system settings",
    ),
    (("No such process", "Connection refused"), "no sound server answers"),
)
"""What ffmpeg says where a device does not open, and what that means."""


class Sound(NamedTuple):
    """Some sound, with its place in time."""

    time: float
    """Seconds at the first sample, on the clock of the pictures beside it."""
    samples: NDArray[np.float32]
    """(samples,) float32 in -1..1 at `SAMPLE_RATE`."""


class Capture:
    """What one ffmpeg gives as it comes: sound, pictures or both, on one clock."""

    def __init__(self, run: Run, name: str, role: Role | None = None, *, shift: bool) -> None:
        """Wait for the beginning.

        Args:
            run: an ffmpeg that writes NUT.
            name: of the source, for messages.
            role: of a device; None of a stream.
            shift: times count from 0, and are to be those of this machine's clock.

        Raises:
            UnusableInputError: nothing comes.
        """
        self.name = name
        self._role = role
        self._run = run
        self._begin: float | None = None if shift else 0.0
        """What time 0 is on the clock that is told."""
        self._shifts: dict[int, float] = {}
        """Seconds to add, and with it the last time stamp, by stream."""
        self._last: dict[int, float] = {}
        self._stopped = False
        try:
            self._container = av.open(
                run, mode="r", format="nut", buffer_size=1 << 20, container_options=_READ
            )
        except (av.FFmpegError, EOFError):
            raise UnusableInputError(self._failure(begun=False)) from None
        streams = self._container.streams
        self.has_sound = bool(streams.audio)
        """Whether sound comes."""
        self.has_pictures = bool(streams.video)
        """Whether pictures come."""

    def __iter__(self) -> Iterator[Sound | Frame]:
        """Wait for each piece, in order of time of each kind, until the source ends.

        Raises:
            UnusableInputError: a device ends, though nobody stopped it, or the stream turns out to
                be broken before anything came.
        """
        begun = False
        # An ffmpeg that is killed leaves half a packet.
        with self._container as container, suppress(av.FFmpegError, EOFError):
            for packet in container.demux():
                if packet.pts is None or not packet.size:
                    continue
                begun = True
                piece = _piece(
                    packet, self._placed(packet.stream_index, float(packet.pts * packet.time_base))
                )
                if piece is not None:
                    yield piece
        if self._stopped:
            return
        content, complaint = self._run.finish()
        if self._role is not None or not (content or begun):
            raise UnusableInputError(self._failure(begun=begun))
        if complaint:
            logger.warning("%s is damaged, some of it is lost: %s", self.name, complaint)

    def _placed(self, stream: int, stamp: float) -> float:
        """The time of a piece; a clock that jumps, as one that was set, goes on instead."""
        if self._begin is None:
            self._begin = time.time() - stamp
        shift = self._shifts.get(stream, next(iter(self._shifts.values()), 0.0))
        jump = stamp - self._last.get(stream, stamp)
        if abs(jump) > _LONGEST_GAP:
            shift -= jump
            # Sound and pictures jump one after the other, and belong together as before.
            alike = [other for other in self._shifts.values() if abs(other - shift) < 1]
            if alike:
                shift = alike[0]
            else:
                logger.warning("the times of %s jump by %+.0f s: left out", self.name, jump)
        self._shifts[stream], self._last[stream] = shift, stamp
        return self._begin + stamp + shift

    def stop(self) -> None:
        """End the source; what has come already is still given. May be called from anywhere."""
        self._stopped = True
        self._run.process.kill()

    def _failure(self, *, begun: bool) -> str:
        _, complaint = self._run.finish()
        if self._role is None:
            return _no_media(self.name, self._run.log, complaint)
        if begun:
            return f"the {self._role} {self.name} ended ({complaint or 'it gives nothing more'})"
        for words, meaning in _CAUSES:
            if any(word in self._run.log for word in words):
                return f"the {self._role} {self.name} does not open: {meaning}"
        return f"the {self._role} {self.name} does not open: {complaint or 'it gives nothing'}"


def _piece(packet: av.Packet[Any], moment: float) -> Sound | Frame | None:
    context, content = packet.stream.codec_context, cast(bytes, packet)  # any buffer will do
    if isinstance(context, av.AudioCodecContext):
        samples = np.frombuffer(content, np.float32, packet.size // 4)
        # Floating-point streams may hold anything, NaN included.
        return Sound(moment, np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0))
    if isinstance(context, av.VideoCodecContext):
        width, height = context.width, context.height
        if packet.size == width * height * 3:
            return Frame(moment, np.frombuffer(content, np.uint8).reshape(height, width, 3))
    return None


def _no_media(name: str, log: str, complaint: str) -> str:
    """What to say of a stream from which nothing comes."""
    if "moov atom not found" in log or "partial file" in log:
        return (
            f"{name}: this MP4 can only be read as a file; write it fragmented "
            "(-movflags frag_keyframe+empty_moov), or as Matroska, or annotate the file"
        )
    if "does not contain any stream" in log or "matches no streams" in log:
        return f"{name} has neither sound nor pictures"
    reason = f" ({complaint})" if complaint else ""
    return (
        f"{name} is no stream of media{reason}; give Matroska, WebM, fragmented MP4, MPEG-TS "
        "or WAV"
    )


@contextmanager
def capture_stream(
    descriptor: int, fps: float, max_side: int, *, sound: bool = True, pictures: bool = True
) -> Iterator[Capture]:
    """Take a container from a pipe, as quickly as it comes; times are those of the stream from 0.

    Args:
        descriptor: to read from.
        fps: the most frames a second.
        max_side: pixels of the longer side, at most.
        sound: whether sound is wanted.
        pictures: whether pictures are wanted.

    Raises:
        UnusableInputError: it is no stream of media, or nothing that is wanted is in it.
        MissingAssetError: there is no ffmpeg.
    """
    source = ffmpeg.input(
        "pipe:0",
        protocol_whitelist="pipe",
        format_whitelist=",".join(DEMUXERS),
        # A frame a thread would be held back otherwise.
        threads=1,
        fpsprobesize=0,
        max_pixels=PIXELS,
    )
    output = _output(source, fps, max_side, sound=sound, pictures=pictures)
    # Who sends may pause for as long as they like.
    with started(output, descriptor, stall=LONGEST) as run:
        yield Capture(run, "standard input", shift=False)


@contextmanager
def capture_device(device: Device, fps: float, max_side: int) -> Iterator[Capture]:
    """Take what a camera or microphone gives; times are of this machine's clock (`time.time`).

    Args:
        device: from `devices`.
        fps: the most frames a second.
        max_side: pixels of the longer side, at most.

    Raises:
        UnusableInputError: it does not open: it is not there, or another program uses it.
        MissingAssetError: there is no ffmpeg.
    """
    counted = device.format == "lavfi"
    clock = {"re": None} if counted else {}
    source = ffmpeg.input(device.target, f=device.format, **device.options, **clock)
    camera = device.role == "camera"
    output = _output(source, fps, max_side, sound=not camera, pictures=camera)
    if not counted:
        output = output.global_args("-copyts")
    with started(output, subprocess.DEVNULL, stall=_DEVICE_STALL) as run:
        yield Capture(run, device.name, device.role, shift=counted)


def _output(
    source: ffmpeg.nodes.FilterableStream,
    fps: float,
    max_side: int,
    *,
    sound: bool,
    pictures: bool,
) -> OutputStream:
    """Return the ffmpeg-python output that writes samples and raw frames with their times."""
    step = "floor(({}-start_t+" + f"{_EARLY:.6f})*{fps:.9g})"
    chosen = (
        f"if(isnan(prev_selected_t),1,gt({step.format('t')},{step.format('prev_selected_t')}))"
    )
    shrink = f"min(1,{max_side}/max(iw*sar,ih))"
    streams = [source["a:0?"]] * sound + [source["V:0?"]] * pictures
    options: dict[str, str | int | None] = {
        "format": "nut",
        "map_metadata": -1,
        "max_interleave_delta": _INTERLEAVE,
        "flush_packets": 1,
    }
    # Where nothing that is wanted is there, nothing else is to be taken for it.
    options |= {"sn": None, "dn": None}
    options |= {} if sound else {"an": None}
    options |= {} if pictures else {"vn": None}
    if sound:
        options |= {"af": f"pan={SURROUND},aresample={SAMPLE_RATE}", "acodec": "pcm_f32le"}
    if pictures:
        scale = f"'trunc(iw*sar*{shrink}/2)*2':'trunc(ih*{shrink}/2)*2'"
        options |= {
            "vf": f"select='{chosen}',scale={scale},format=rgb24",
            "vcodec": "rawvideo",
            "fps_mode": "passthrough",
            "enc_time_base": "1:1000000",
        }
    return ffmpeg.output(*streams, "pipe:1", **options)
