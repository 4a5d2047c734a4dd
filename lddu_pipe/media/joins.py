"""Where one file ends and the next begins in a file that several were joined to.

Chained Ogg, and MPEG streams that were put together byte by byte, begin their time anew at each
join. Such a file is read as what it is: several, one after another.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

RESTARTING = ("mpegts", "mpeg", "flac")
"""Demuxers that read on after a join, with time stamps that step back."""

MOST_PARTS = 200
"""Parts of a file that are told apart; more are not looked for."""

_STEP_BACK = 0.5
"""Seconds by which time has to step back; less is the disorder of packets."""
_CONFIRMED = 3
"""Packets in a row that have to be behind: a single one has a damaged time stamp."""

_NEAR = 1 << 20
"""Bytes within which the streams of a file begin anew after one join."""

_TS_PACKET = 188
_TS_SYNC = 0x47
_FIRST_FREE_ID = 0x20
_TABLES = 64
"""Packets before the first sound or picture of a transport stream that may hold its tables."""

_FLAC_SEARCH = 1 << 20
"""Bytes around a packet; the header before it may hold a picture."""

FIRST_FRAME = 512
"""Bytes of an MP3 file's first frame in which it may count the others."""
_BLOCK = 1 << 20
"""Bytes that are searched at once."""
_TAG_HEADER = 10
_TAG = re.compile(rb"ID3[\x02-\x04][\x00-\x0f][\x00\x40\x80\xc0]([\x00-\x7f]{4})")

_OGG_HEADER = 27
_BEGINNING_OF_STREAM = 2


@dataclass
class Clock:
    """Watches the time stamps of one stream for the moment at which they begin anew."""

    restarts: list[int] = field(default_factory=list)
    """Bytes of the file at which the first packet of each new beginning lies."""
    steps: list[int] = field(default_factory=list)
    """The same of every step back, also of one that a damaged time stamp may have made."""
    _position: int = 0
    _last: deque[float] = field(default_factory=lambda: deque(maxlen=2))
    _behind: list[float] = field(default_factory=list)

    def take(self, time: float, position: int | None) -> None:
        """Take the next packet: its time stamp in seconds, and its place in the file, if known."""
        if position is not None:
            self._position = position
        if not self._last or time >= min(self._last) - _STEP_BACK:
            self._behind.clear()
            self._last.append(time)
            return
        if not self._behind:
            self.steps.append(self._position)
        self._behind.append(time)
        if len(self._behind) == _CONFIRMED:
            self.restarts.append(self.steps[-1])
            self._last = deque(self._behind, maxlen=2)
            self._behind.clear()


def links(path: Path, demuxer: str) -> list[int]:
    """Where the files begin, in bytes, that were joined to one whose marks tell them apart."""
    if demuxer == "ogg":
        return ogg_links(path)
    if demuxer == "mp3":
        return tagged_files(path)
    return wave_files(path) if demuxer == "wav" else []


def joins_of(path: Path, demuxer: str, clocks: Sequence[Clock]) -> list[int]:
    """Where files that were appended begin.

    Args:
        path: of the whole.
        demuxer: one of `RESTARTING`.
        clocks: of its streams.

    Returns:
        Bytes from the start, in order, without 0.
    """
    restarts = sorted(
        (position, index) for index, clock in enumerate(clocks) for position in clock.restarts
    )
    found: list[int] = []
    seen: set[int] = set()
    """Streams that have begun anew since the last join."""
    for position, index in restarts:
        # Each stream begins anew once at a join, one a little later than another.
        if found and index not in seen and position - found[-1] < _NEAR:
            seen.add(index)
            continue
        # Another one may have begun before, and be too short to be sure of.
        before = found[-1] if found else 0
        near = [
            step
            for clock in clocks
            for step in clock.steps
            if step <= position and position - step < min(_NEAR, step - before)
        ]
        found.append(min(near, default=position))
        seen = {index}
    with path.open("rb") as file:
        if demuxer == "mpegts":
            starts = [_tables_before(file, position) for position in found]
        elif demuxer == "flac":
            starts = [_nearest_mark(file, position) for position in found]
        else:
            starts = list(found)
    return sorted({start for start in starts if start})


def _tables_before(file: IO[bytes], position: int) -> int:
    """Where the tables begin that stand right before a packet of a transport stream.

    Without them nothing of what follows is understood until they are repeated.
    """
    first = max(0, position - _TABLES * _TS_PACKET)
    first += (position - first) % _TS_PACKET
    file.seek(first)
    content = file.read(position - first)
    found = position
    for start in range(len(content) - _TS_PACKET, -1, -_TS_PACKET):
        packet_id = int.from_bytes(content[start + 1 : start + 3], "big") & 0x1FFF
        unit_starts = content[start + 1] & 0x40
        # Tables have ids of their own below 32, or, as the map of a program, fill a packet whose
        # first section is one: a pointer of 0 and the table's kind, 2.
        map_of_program = unit_starts and content[start + 4 : start + 6] == b"\x00\x02"
        if content[start] != _TS_SYNC or not (packet_id < _FIRST_FREE_ID or map_of_program):
            break
        found = first + start
    return found


def _nearest_mark(file: IO[bytes], position: int) -> int:
    """Where the mark of a FLAC file lies that is nearest to a packet; 0 where there is none."""
    first = max(1, position - _FLAC_SEARCH)
    file.seek(first)
    content = file.read(2 * _FLAC_SEARCH)
    marks = [first + match.start() for match in re.finditer(b"fLaC", content)]
    return min(marks, key=lambda mark: abs(mark - position), default=0)


def ogg_links(path: Path) -> list[int]:
    """Where the links of a chained Ogg file begin, in bytes; the first begins at its first page.

    ffmpeg reads on from one link into the next only where sound goes on as before, and then with
    time stamps that step back.
    """
    starts: list[int] = []
    with path.open("rb") as file:
        at_start, position = False, 0
        while len(head := file.read(_OGG_HEADER)) == _OGG_HEADER:
            if not head.startswith(b"OggS"):
                position = _next_page(file, position + 1)
                continue
            if len(starts) > MOST_PARTS:
                break
            begins = bool(head[5] & _BEGINNING_OF_STREAM)
            if begins and not at_start:
                starts.append(position)
            at_start = begins
            position += _OGG_HEADER + head[26] + sum(file.read(head[26]))
            file.seek(position)
    return starts


def wave_files(path: Path) -> list[int]:
    """Where WAV files begin that stand one after another, in bytes; the first begins at 0.

    ffmpeg reads the first one and nothing of the others.
    """
    starts: list[int] = []
    with path.open("rb") as file:
        position = 0
        while (head := file.read(12)).startswith(b"RIFF") and head.endswith(b"WAVE"):
            if len(starts) > MOST_PARTS:
                break
            starts.append(position)
            size = int.from_bytes(head[4:8], "little")
            position += 8 + size + size % 2
            file.seek(position)
    return starts


def tagged_files(path: Path) -> list[int]:
    """Where MP3 files begin that stand one after another, in bytes; the first begins at 0.

    Those are told apart that begin with a tag and a frame that counts the others, as most do: to a
    decoder the tag is damaged sound. The pieces of a broadcast have tags, too, but no such frame.
    """
    starts = [0]
    with path.open("rb") as file:
        block = 0
        while len(content := file.read(_BLOCK)) > _TAG_HEADER and len(starts) <= MOST_PARTS:
            for match in _TAG.finditer(content):
                tag = block + match.start()
                size = sum((byte & 127) << 7 * n for n, byte in enumerate(match[1][::-1]))
                file.seek(tag + _TAG_HEADER + size)
                if tag > starts[-1] and counts_frames(file.read(FIRST_FRAME)):
                    starts.append(tag)
            # A tag may begin in one block and end in the next.
            block += len(content) - _TAG_HEADER
            file.seek(block)
    return starts


def counts_frames(frame: bytes) -> bool:
    """Whether the first frame of an MP3 file says how many follow."""
    begins = len(frame) > 1 and frame[0] == 0xFF and frame[1] >= 0xE0
    return begins and any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _next_page(file: IO[bytes], position: int) -> int:
    """Go to the next page of a damaged Ogg file, or to the file's end; return where that is."""
    while True:
        file.seek(position)
        content = file.read(1 << 16)
        found = content.find(b"OggS")
        if found >= 0 or len(content) < len(b"OggS"):
            position += max(0, found) if found >= 0 else len(content)
            file.seek(position)
            return position
        position += len(content) - len(b"OggS") + 1
