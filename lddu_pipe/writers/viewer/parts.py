"""What pages are put together from: files of this folder, data, and a policy for all of it."""

from __future__ import annotations

import base64
import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) )", re.MULTILINE)


def part(name: str) -> str:
    """One file of the pages, by name."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def joined(names: Iterable[str]) -> str:
    """Files of the pages as one."""
    return "\n".join(map(part, names))


def script(*entries: str, instead: Mapping[str, str] | None = None) -> str:
    """Return modules, and all that they import, as one: each after those that it needs.

    A page that opens from a file may load no modules, so that they share one scope in it: no two
    may give a name of theirs to different things, and none imports under another name.

    Args:
        entries: paths as seen from the folder of the package, such as
            ``writers/viewer/viewer.js``.
        instead: modules that stand for others, by path; they export the same names.
    """
    root = resources.files("lddu_pipe")
    parts: dict[str, str] = {}

    def add(name: str) -> None:
        name = (instead or {}).get(name, name)
        if name in parts:
            return
        parts[name] = ""  # its place is after what it needs; of a ring, what came first is last
        source = root.joinpath(name).read_text(encoding="utf-8")
        for needed in _IMPORT.findall(source):
            add(posixpath.normpath(posixpath.join(posixpath.dirname(name), needed)))
        del parts[name]
        parts[name] = _EXPORT.sub("", _IMPORT.sub("", source))

    for entry in entries:
        add(entry)
    return "\n".join(parts.values())


def json_for_script(values: Mapping[str, Any]) -> str:
    """JSON in ASCII that neither ends a script element nor opens a comment within one."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def policy(*, script: str, style: str, media: bool = False) -> str:
    """Return a Content-Security-Policy for a page that asks the network for nothing.

    Args:
        script: the only one that runs.
        style: the only style sheet that holds.
        media: let local media load.
    """
    places = "'self' file: blob:"  # blob: is a file that the reader chose
    rules = [
        "default-src 'none'",
        f"script-src {_hashed(script)}",
        f"style-src {_hashed(style)}",
        *((f"media-src {places}", f"img-src {places}") if media else ()),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _hashed(content: str) -> str:
    """What a policy calls an element by that has this content."""
    digest = hashlib.sha256(content.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
