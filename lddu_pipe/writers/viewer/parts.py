"""What pages are put together from: files of this folder, data, and a policy for all of it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any


def part(name: str) -> str:
    """One file of the pages, by name."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def joined(names: Iterable[str]) -> str:
    """Files of the pages as one."""
    return "\n".join(map(part, names))


def json_for_script(values: Mapping[str, Any]) -> str:
    """JSON in ASCII that neither ends a script element nor opens a comment within one."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def policy(*, scripts: Iterable[str], style: str, media: bool = False) -> str:
    """Return a Content-Security-Policy for a page that asks the network for nothing.

    Args:
        scripts: the only ones that run.
        style: a source of style sheets: `hashed` of the only one, or ``'unsafe-inline'``.
        media: let local media load.
    """
    places = "'self' file: blob:"  # blob: is a file that the reader chose
    rules = [
        "default-src 'none'",
        f"script-src {' '.join(map(hashed, scripts))}",
        f"style-src {style}",
        *((f"media-src {places}", f"img-src {places}") if media else ()),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def hashed(content: str) -> str:
    """What a policy calls an element by that has this content."""
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
