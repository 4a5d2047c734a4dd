"""What ffmpeg prints of cameras and microphones, on each system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Role = Literal["camera", "microphone"]

_INPUT = re.compile(r"^ D[ E] +(\S+)", re.MULTILINE)
_SOURCE = re.compile(r"^([* ]) (\S+) \[(.*?)\] \([\w, ]*\)$", re.MULTILINE | re.DOTALL)
"""A mark of the default, address, description (of several lines in ALSA), and media types."""
_PREFIX = re.compile(r"^\[[^\]]*\] ?")
_NUMBERED = re.compile(r"^\[(\d+)\] (.+)$")
_QUOTED = re.compile(r'^ *"(.+)"(?: \(([\w, ]+)\))?$')
_OTHER_NAME = re.compile(r'^ *Alternative name "(.+)"$')
_KINDS = {"video": "camera", "audio": "microphone"}


@dataclass(frozen=True)
class Device:
    """A camera or a microphone."""

    role: Role
    format: str
    """ffmpeg's name of the kind of device, such as "v4l2"."""
    address: str
    """By which that kind knows it, such as "/dev/video0"."""
    description: str = ""
    """For people; empty where nobody tells."""
    default: bool = False
    """The system's own choice, or the likeliest."""

    @property
    def name(self) -> str:
        """What people give to mean exactly this one."""
        return f"{self.format}:{self.address}"

    @property
    def target(self) -> str:
        """What ffmpeg's ``-i`` takes."""
        if self.format == "avfoundation":
            return f"{self.address}:none" if self.role == "camera" else f"none:{self.address}"
        if self.format == "dshow":
            return f"{'video' if self.role == 'camera' else 'audio'}={self.address}"
        return self.address

    @property
    def options(self) -> dict[str, str | int]:
        """Options of ffmpeg's input, so that its times are those of this machine's clock."""
        if self.format == "v4l2":
            return {"timestamps": "abs"}
        if self.format == "avfoundation" and self.role == "camera":
            # Its own default, 29.97, is none of most cameras.
            return {"use_wallclock_as_timestamps": 1, "framerate": 30}
        if self.format in ("avfoundation", "dshow"):
            return {"use_wallclock_as_timestamps": 1}
        return {}


def read_formats(printed: str) -> set[str]:
    """The kinds of devices that ``ffmpeg -devices`` says it can read."""
    return {name for names in _INPUT.findall(printed) for name in names.split(",")}


def read_devices(printed: str, form: str, role: Role) -> list[Device]:
    """The devices of one kind and role, the default first.

    Args:
        printed: by ``ffmpeg -sources`` of v4l2, pulse or alsa, or by ``-list_devices true`` of
            avfoundation or dshow.
        form: which of these.
        role: cameras or microphones.
    """
    if form == "avfoundation":
        found = list(_of_avfoundation(printed, role))
    elif form == "dshow":
        found = list(_of_dshow(printed, role))
    else:
        found = list(_of_sources(printed, form, role))
    return sorted(found, key=lambda device: not device.default)


def _of_sources(printed: str, form: str, role: Role) -> Iterator[Device]:
    known = set()
    for mark, address, description in _SOURCE.findall(printed):
        words = " ".join(description.split())
        # A camera has a second address, of what is known about each picture.
        if form == "v4l2" and words in known:
            continue
        known.add(words)
        default = mark == "*" or (form == "alsa" and address == "default")
        yield Device(role, form, address, words, default)


def _of_avfoundation(printed: str, role: Role) -> Iterator[Device]:
    section = ""
    for line in printed.splitlines():
        words = _PREFIX.sub("", line, count=1)
        if heading := re.match(r"AVFoundation (video|audio) devices:", words):
            section = _KINDS[heading[1]]
        elif section == role and (found := _NUMBERED.match(words)):
            first = found[1] == "0" and not found[2].startswith("Capture screen")
            yield Device(role, "avfoundation", found[1], found[2], first)


def _of_dshow(printed: str, role: Role) -> Iterator[Device]:
    section, description, first = "", "", True
    for line in printed.splitlines():
        words = _PREFIX.sub("", line, count=1)
        if heading := re.match(r"DirectShow (video|audio) devices", words):
            section = _KINDS[heading[1]]  # as ffmpeg up to 4 has it
        elif found := _QUOTED.match(words):
            kinds = [_KINDS.get(kind, "") for kind in (found[2] or "").split(", ")]
            description = found[1] if role in (kinds if found[2] else [section]) else ""
        elif (other := _OTHER_NAME.match(words)) and description:
            # The name itself may hold a colon, which parts names there.
            yield Device(role, "dshow", other[1], description, first)
            description, first = "", False
