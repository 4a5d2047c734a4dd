"""The page on which people look through an annotation: its template, style and script.

`make_page` returns a whole HTML document that asks the network for nothing; `make_shell` the same
page with nothing in it, whose scripts bring the annotation. Neither knows files or servers.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any, Literal

from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC
from lddu_pipe.writers.viewer.parts import joined, json_for_script, part, policy, script

MediaKind = Literal["video", "audio", "picture", "none"]
"""What the page shows the media in; "none" for text and for data that was in memory."""

STYLES = ("base.css", "viewer.css")
SCRIPT = "writers/viewer/viewer.js"
"""The module that makes the page work, as `script` of ``parts`` takes it."""
EMBEDDED = "writers/viewer/embedded.js"
"""The module that reads what the page shows; another one that exports `input` may stand for it."""

_HIGH = {"aleatoric": HIGH_ALEATORIC, "epistemic": HIGH_EPISTEMIC}


def make_page(values: Mapping[str, Any], *, title: str, kind: MediaKind, link: str) -> str:
    """Return the page as HTML: nothing in it is loaded but the media behind `link`.

    Args:
        values: the annotation, laid out as `Annotation.to_dict` does. Its texts may hold anything.
        title: of the page, plain text.
        kind: the element that shows the media.
        link: a URL of the media, already percent-encoded; empty where `kind` is "none".
    """
    style, code = joined(STYLES), script(SCRIPT)
    rules = policy(script=code, style=style, media=True)
    return Template(part("page.html")).substitute(
        head=f'<meta http-equiv="Content-Security-Policy" content="{html.escape(rules)}">\n'
        f"<style>{style}</style>",
        title=html.escape(title),
        panel="",
        input=json_for_script(
            {
                "annotation": {**values, "faces": [*map(_rounded, values["faces"])]},
                "media": {"kind": kind, "link": link, "name": title},
                "high": _HIGH,
            }
        ),
        script=f'<script type="module">{code}</script>',
    )


def _rounded(face: Mapping[str, Any]) -> dict[str, Any]:
    """The same face, its boxes to a thousandth of the picture, which is all that can be seen."""
    boxes = [box and [round(edge, 3) for edge in box] for box in face["boxes"]]
    return {**face, "boxes": boxes}


def make_shell(*, icon: str, styles: Sequence[str], script: str, panel: str) -> str:
    """Return the page as HTML with nothing in it.

    Args:
        icon: URL of the picture that browsers show beside the title.
        styles: URLs of style sheets, `STYLES` among them.
        script: URL of `SCRIPT`, with another module in the place of `EMBEDDED`.
        panel: HTML of what stands under the utterance in view.
    """
    links = [("icon", icon), *(("stylesheet", url) for url in styles)]
    return Template(part("page.html")).substitute(
        head="\n".join(f'<link rel="{rel}" href="{html.escape(url)}">' for rel, url in links),
        title="lddu-pipe",
        panel=panel,
        input=json_for_script({"high": _HIGH}),
        script=f'<script type="module" src="{html.escape(script)}"></script>',
    )
