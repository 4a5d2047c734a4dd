"""The page on which people look through an annotation: its template, style and script.

`make_page` returns a whole HTML document that asks the network for nothing; `make_shell` the same
page with nothing in it, whose scripts bring the annotation. Neither knows files or servers.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any, Literal

from plotly.offline import get_plotlyjs

from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC
from lddu_pipe.writers.viewer.parts import joined, json_for_script, part, policy

MediaKind = Literal["video", "audio", "picture", "none"]
"""What the page shows the media in; "none" for text and for data that was in memory."""

STYLES = ("base.css", "viewer.css")
SCRIPTS = ("annotation.js", "timeline.js", "overview.js", "panels.js", "viewer.js")
"""One script in parts, in this order: later parts use what earlier ones define.

Before them stand ``base.js``, which every page has, and one that defines ``input``:
``annotation``, laid out as `Annotation.to_dict` does, ``media`` with its ``kind``, ``link`` and
``name``, and ``high``, from where on an uncertainty is called high.
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
    script = joined(("base.js", "embedded.js", *SCRIPTS))
    plotly = get_plotlyjs()
    # plotly.js adds style elements of its own.
    rules = policy(scripts=(plotly, script), style="'unsafe-inline'", media=True)
    return Template(part("page.html")).substitute(
        head=f'<meta http-equiv="Content-Security-Policy" content="{html.escape(rules)}">\n'
        f"<style>\n{joined(STYLES)}</style>",
        title=html.escape(title),
        panel="",
        input=json_for_script(
            {
                "annotation": values,
                "media": {"kind": kind, "link": link, "name": title},
                "high": _HIGH,
            }
        ),
        scripts=f'<script>{plotly}</script>\n<script type="module">{script}</script>',
    )


def make_shell(*, icon: str, styles: Sequence[str], plotly: str, script: str, panel: str) -> str:
    """Return the page as HTML with nothing in it.

    Args:
        icon: URL of the picture that browsers show beside the title.
        styles: URLs of style sheets, `STYLES` among them.
        plotly: URL of plotly.js.
        script: URL of a module: ``base.js``, a part that defines ``input``, then `SCRIPTS`.
        panel: HTML of what stands under the utterance in view.
    """
    links = [("icon", icon), *(("stylesheet", url) for url in styles)]
    return Template(part("page.html")).substitute(
        head="\n".join(f'<link rel="{rel}" href="{html.escape(url)}">' for rel, url in links),
        title="lddu-pipe",
        panel=panel,
        input=json_for_script({"high": _HIGH}),
        scripts=f'<script src="{html.escape(plotly)}"></script>\n'
        f'<script type="module" src="{html.escape(script)}"></script>',
    )
