"""The page of a folder of annotations: its figures, and a table from which each file opens."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from lddu_pipe.writers.viewer.parts import joined, json_for_script, part, policy, script

STYLES = ("base.css", "corpus.css", "index.css")


def make_index(
    title: str,
    corpus: Mapping[str, Any],
    labels: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
) -> str:
    """Return the page as HTML; nothing is loaded.

    Args:
        title: of the page, plain text.
        corpus: its figures, as `summary.json` of a batch has them.
        labels: of the model, in order.
        rows: as corpus.js describes them, with ``link``, a URL that is percent-encoded already,
            or None. Their texts may hold anything.
    """
    style, code = joined(STYLES), script("writers/viewer/index.js")
    data = {"title": title, "corpus": corpus, "labels": labels, "rows": rows}
    return Template(part("index.html")).substitute(
        policy=html.escape(policy(script=code, style=style)),
        title=html.escape(title),
        style=style,
        data=json_for_script(data),
        script=code,
    )
