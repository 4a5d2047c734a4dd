"""Cameras and microphones of this machine, as ffmpeg sees them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media.device_lists import Device, Role, read_devices, read_formats
from lddu_pipe.media.ffmpeg import CHOICE, find_ffmpeg, version_of

__all__ = ["Device", "Listing", "Role", "choose_device", "list_devices"]

_FORMATS: Mapping[str, Mapping[Role, tuple[str, ...]]] = {
    "linux": {"camera": ("v4l2",), "microphone": ("pulse", "alsa")},
    "darwin": {"camera": ("avfoundation",), "microphone": ("avfoundation",)},
    "win32": {"camera": ("dshow",), "microphone": ("dshow",)},
}
"""Kinds of devices by system, those that are tried first in front."""

_PATIENCE = 10.0
"""Seconds that a list of devices may take: one that hangs is asked for its name."""


@dataclass(frozen=True)
class Listing:
    """The devices that were found, and why there are not more."""

    devices: tuple[Device, ...]
    missing: Mapping[Role, tuple[str, ...]]
    """What could not be looked for or was not found, and what to do, a line each."""
    formats: frozenset[str]
    """Kinds of devices that this ffmpeg can read."""

    def of(self, role: Role) -> list[Device]:
        """All cameras, or all microphones."""
        return [device for device in self.devices if device.role == role]


def list_devices() -> Listing:
    """Look for cameras and microphones.

    Raises:
        MissingAssetError: there is no ffmpeg, or it does not start.
    """
    program = find_ffmpeg()
    version_of(program)
    formats = read_formats(_printed(program, "-devices"))
    devices: list[Device] = []
    missing: dict[Role, tuple[str, ...]] = {}
    for role, wanted in _FORMATS.get(sys.platform, _FORMATS["linux"]).items():
        notes = []
        for form in wanted:
            if form not in formats:
                notes.append(_lacking(form, program))
                continue
            printed = _printed(program, *_question(form))
            found = read_devices(printed, form, role)
            devices += found
            if not found:
                notes.append(f"{form}: {_nothing(form, role, printed)}")
        missing[role] = tuple(notes)
    return Listing(tuple(devices), missing, frozenset(formats))


def choose_device(listing: Listing, role: Role, name: str | None) -> Device:
    """Find the device that a person means.

    Args:
        listing: what there is.
        role: camera or microphone.
        name: a device's name ("v4l2:/dev/video0", also one that is not listed), its address, its
            description or a part of that; None: the default.

    Raises:
        UnusableInputError: there is none, or there are several of that description.
    """
    there = listing.of(role)
    if name is None:
        if there:
            return next((device for device in there if device.default), there[0])
        reasons = "; ".join(listing.missing[role])
        raise UnusableInputError(f"no {role} found ({reasons}); connect one, or give --no-{role}")
    form, colon, address = name.partition(":")
    if colon and form in listing.formats:
        return Device(role, form, address)
    exact = [device for device in there if name in (device.address, device.description)]
    wanted = name.casefold()
    likely = exact or [device for device in there if wanted in device.description.casefold()]
    if len(likely) == 1 or exact:
        return likely[0]
    if likely:
        names = ", ".join(device.name for device in likely)
        raise UnusableInputError(f"{name!r} may be any of {names}; give one of these")
    raise UnusableInputError(
        f"there is no {role} {name!r}; lddu-pipe live --device-list says which there are"
    )


def _question(form: str) -> tuple[str, ...]:
    """What to ask ffmpeg for the devices of a kind."""
    if form in ("avfoundation", "dshow"):
        return ("-f", form, "-list_devices", "true", "-i", "")
    return ("-sources", form)


def _printed(program: str, *arguments: str) -> str:
    """What ffmpeg says, on either of its outputs; nothing where it hangs."""
    try:
        answer = subprocess.run(
            [program, "-hide_banner", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ""
    return answer.stdout.decode("utf-8", "replace")


def _nothing(form: str, role: Role, printed: str) -> str:
    """Why a list is empty."""
    if form == "v4l2":
        nodes = sorted(Path("/dev").glob("video*"))
        if nodes and not any(os.access(node, os.R_OK | os.W_OK) for node in nodes):
            return f"you may not use {nodes[0]}; join the group video and log in again"
    if form == "pulse" and "Cannot list" in printed:
        return "no sound server answers; is PulseAudio or PipeWire running?"
    return f"no {role} is connected"


def _lacking(form: str, program: str) -> str:
    """What to do where this ffmpeg knows no such devices."""
    other = shutil.which("ffmpeg")
    if other is not None and form in read_formats(_printed(other, "-devices")):
        return f"{form}: not in {program}; set {CHOICE}={other}, which has it"
    return (
        f"{form}: not in {program}; install another ffmpeg, such as the system's own, and let "
        f"{CHOICE} name it"
    )
