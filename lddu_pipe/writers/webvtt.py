"""WebVTT subtitles (.vtt), speakers as voices."""

from __future__ import annotations

import html
from pathlib import Path

from lddu_pipe.annotation import Annotation
from lddu_pipe.predictions import Prediction
from lddu_pipe.writers.subtitles import one_line, write_cues
from lddu_pipe.writers.wording import summary


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the subtitles; what looks like markup in the text is escaped."""
    return write_cues(annotation, "vtt", _lines)


def _lines(prediction: Prediction) -> list[str]:
    lines = [line for line in map(_escaped, prediction.text.splitlines()) if line.strip()]
    speaker = _escaped(one_line(prediction.speaker))
    if speaker and lines:
        lines = [f"<v {speaker}>{lines[0]}", *lines[1:]]
        lines[-1] += "</v>"
    return [*lines, _escaped(summary(prediction))]


def _escaped(line: str) -> str:
    """Write what WebVTT or pysubs2 understands as character references."""
    return html.escape(line, quote=False).replace("\\", "&#92;")
