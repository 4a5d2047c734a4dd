"""WebVTT subtitles (.vtt), who speaks as voices."""

from __future__ import annotations

import html
from pathlib import Path

from lddu_pipe.annotation import Annotation
from lddu_pipe.predictions import Prediction
from lddu_pipe.writers.subtitles import write_cues
from lddu_pipe.writers.wording import summary


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the subtitles; what looks like markup in the text is escaped."""
    return write_cues(annotation, "vtt", _lines)


def _lines(who: str, prediction: Prediction) -> list[str]:
    shown = _escaped(summary(prediction))
    words = [line for line in map(_escaped, prediction.text.splitlines()) if line.strip()]
    said = words or [shown]
    if who:
        said[0] = f"<v {_escaped(who)}>{said[0]}"
        said[-1] += "</v>"
    return [*said, shown] if words else said


def _escaped(line: str) -> str:
    """Write what WebVTT or pysubs2 understands as character references."""
    return html.escape(line, quote=False).replace("\\", "&#92;")
