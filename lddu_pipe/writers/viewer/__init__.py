"""The page on which people look through an annotation: its template, style and script.

`make_page` returns a whole HTML document that asks the network for nothing; `make_shell` the same
page with nothing in it, whose scripts bring the annotation. Neither knows files or servers.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import Any, Literal

from plotly.offline import get_plotlyjs

from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC

MediaKind = Literal["video", "audio", "picture", "none"]
"""What the page shows the media in; "none" for text and for data that was in memory."""

STYLE = "viewer.css"
SCRIPTS = ("annotation.js", "timeline.js", "overview.js", "panels.js", "viewer.js")
"""One script in parts, in this order: later parts use what earlier ones define.

Before them stands one that defines ``input``: ``annotation``, laid out as `Annotation.to_dict`
does, ``media`` with its ``kind``, ``link`` and ``name``, and ``high``, from where on an
uncertainty is called high.
"""

_HIGH = {"aleatoric": HIGH_ALEATORIC, "epistemic": HIGH_EPISTEMIC}


def make_page(values: Mapping[str, Any], *, title: str, kind: MediaKind, link: str) -> str:
    """Return the page as HTML: nothing in it is loaded but the media behind `link`.

    Args:
        values: the annotation, laid out as `Annotation.to_dict` does. Its texts may hold anything.
        title: of the page, plain text.
        kind: the element that shows the media.
        link: a URL of the media, already percent-encoded; empty where `kind` is "none".
    """
    script = "\n".join(part(name) for name in ("embedded.js", *SCRIPTS))
    plotly = get_plotlyjs()
    policy = html.escape(_policy(plotly, script))
    return Template(part("page.html")).substitute(
        head=f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"<style>\n{part(STYLE)}</style>",
        title=html.escape(title),
        panel="",
        input=_json_for_script(
            {
                "annotation": values,
                "media": {"kind": kind, "link": link, "name": title},
                "high": _HIGH,
            }
        ),
        scripts=f'<script>{plotly}</script>\n<script type="module">{script}</script>',
    )


def make_shell(*, styles: Sequence[str], icon: str, plotly: str, script: str, panel: str) -> str:
    """Return the page as HTML with nothing in it.

    Args:
        styles: URLs of style sheets, `STYLE` among them.
        icon: URL of the picture that browsers show beside the title.
        plotly: URL of plotly.js.
        script: URL of a module: a part that defines ``input``, then `SCRIPTS`.
        panel: HTML of what stands under the utterance in view.
    """
    return Template(part("page.html")).substitute(
        head="\n".join(
            [
                *(f'<link rel="stylesheet" href="{html.escape(url)}">' for url in styles),
                f'<link rel="icon" href="{html.escape(icon)}">',
            ]
        ),
        title="lddu-pipe",
        panel=panel,
        input=_json_for_script({"high": _HIGH}),
        scripts=f'<script src="{html.escape(plotly)}"></script>\n'
        f'<script type="module" src="{html.escape(script)}"></script>',
    )


def part(name: str) -> str:
    """One file of the page."""
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
