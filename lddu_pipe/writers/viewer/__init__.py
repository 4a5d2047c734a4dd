"""The page on which people look through an annotation: its template, style and script.

`make_page` knows neither files nor servers. It is given the annotation as the JSON contract has it
and a link to the media, and returns a whole HTML document that asks the network for nothing.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from string import Template
from typing import Any, Literal

from plotly.offline import get_plotlyjs

from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC
from lddu_pipe.writers.viewer.parts import joined, json_for_script, part, policy

MediaKind = Literal["video", "audio", "picture", "none"]
"""What the page shows the media in; "none" for text and for data that was in memory."""

STYLES = ("base.css", "viewer.css")
SCRIPTS = ("base.js", "annotation.js", "timeline.js", "panels.js", "viewer.js")
"""One script in parts, in this order: later parts use what earlier ones define."""


def make_page(values: Mapping[str, Any], *, title: str, kind: MediaKind, link: str) -> str:
    """Return the page as HTML: nothing in it is loaded but the media behind `link`.

    Args:
        values: the annotation, laid out as `Annotation.to_dict` does. Its texts may hold anything.
        title: of the page, plain text.
        kind: the element that shows the media.
        link: a URL of the media, already percent-encoded; empty where `kind` is "none".
    """
    script = joined(SCRIPTS)
    plotly = get_plotlyjs()
    data = {
        "annotation": values,
        "media": {"kind": kind, "link": link, "name": title},
        "high": {"aleatoric": HIGH_ALEATORIC, "epistemic": HIGH_EPISTEMIC},
    }
    # plotly.js adds style elements of its own.
    rules = policy(scripts=(plotly, script), style="'unsafe-inline'", media=True)
    return Template(part("page.html")).substitute(
        policy=html.escape(rules),
        title=html.escape(title),
        style=joined(STYLES),
        data=json_for_script(data),
        plotly=plotly,
        script=script,
    )
