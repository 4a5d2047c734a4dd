"""Cameras and microphones: which there are, and which a person means."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from lddu_pipe.writers.escaping import printable

if TYPE_CHECKING:
    from lddu_pipe.media.devices import Device, Listing, Role


def print_devices(*, as_json: bool) -> None:
    """Print a list of what there is, the defaults first, and what is missing."""
    from lddu_pipe.media.devices import list_devices

    listing = list_devices()
    click.echo(_as_json(listing) if as_json else "\n".join(_as_text(listing)))


def choose_devices(
    camera: str | None, microphone: str | None, *, hears: bool, sees: bool
) -> list[Device]:
    """Find the devices of a session; see `media.devices.choose_device` for what it raises.

    Args:
        camera: what a person calls it, if anything.
        microphone: likewise.
        hears: whether a microphone is wanted.
        sees: whether a camera is wanted.
    """
    from lddu_pipe.media.devices import choose_device, list_devices

    listing = list_devices()
    wanted: list[tuple[Role, str | None]] = [("microphone", microphone)] * hears
    wanted += [("camera", camera)] * sees
    return [choose_device(listing, role, name) for role, name in wanted]


def _as_json(listing: Listing) -> str:
    values: dict[str, Any] = {
        "devices": [{"name": device.name, **asdict(device)} for device in listing.devices],
        "missing": {role: list(notes) for role, notes in listing.missing.items()},
    }
    return json.dumps(values, indent=1, ensure_ascii=False)


def _as_text(listing: Listing) -> list[str]:
    lines: list[str] = []
    wide = max((len(printable(device.name)) for device in listing.devices), default=0)
    for role, notes in listing.missing.items():
        lines += [*([""] if lines else []), f"{role}s"]
        for device in listing.of(role):
            described = f"  {printable(device.name):<{wide}}  {printable(device.description)}"
            lines.append(described.rstrip() + ("  (default)" if device.default else ""))
        lines += [] if listing.of(role) else ["  none found"]
        lines += [f"  {printable(note)}" for note in notes]
    return lines
