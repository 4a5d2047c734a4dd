"""The page on which people look through an annotation: its template, style and script.

`make_page` knows neither files nor servers. It is given the annotation as the JSON contract has it
and a link to the media, and returns a whole HTML document that asks the network for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib import resources
from string import Template
from typing import Any, Literal

from plotly.offline import get_plotlyjs

from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC

MediaKind = Literal["video", "audio", "picture", "none"]
"""What the page shows the media in; "none" for text and for data that was in memory."""

SCRIPTS = ("annotation.js", "timeline.js", "panels.js", "viewer.js")
"""One script in parts, in this order: later parts use what earlier ones define."""


def make_page(values: Mapping[str, Any], *, title: str, kind: MediaKind, link: str) -> str:
    """Return the page as HTML: nothing in it is loaded but the media behind `link`.

    Args:
        values: the annotation, laid out as `Annotation.to_dict` does. Its texts may hold anything.
        title: of the page, plain text.
        kind: the element that shows the media.
        link: a URL of the media, already percent-encoded; empty where `kind` is "none".
    """
    script = "\n".join(_part(name) for name in SCRIPTS)
    plotly = get_plotlyjs()
    data = {
        "annotation": values,
        "media": {"kind": kind, "link": link, "name": title},
        "high": {"aleatoric": HIGH_ALEATORIC, "epistemic": HIGH_EPISTEMIC},
    }
    return Template(_part("page.html")).substitute(
        policy=html.escape(_policy(plotly, script)),
        title=html.escape(title),
        style=_part("viewer.css"),
        data=_json_for_script(data),
        plotly=plotly,
        script=script,
    )


def _part(name: str) -> str:
    return resources.files(__name__).joinpath(name).read_text(encoding="utf-8")


def _json_for_script(values: Mapping[str, Any]) -> str:
    """JSON in ASCII that neither ends a script element nor opens a comment within one."""
    text = json.dumps(values, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy(*scripts: str) -> str:
    """A Content-Security-Policy under which only these scripts run and only local media loads."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {hashes}",
            "style-src 'unsafe-inline'",  # plotly.js adds style elements of its own
            "media-src 'self' file: blob:",  # blob: is a file that the reader chose
            "img-src 'self' file: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
