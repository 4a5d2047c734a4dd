"""SubRip subtitles (.srt), the name of who speaks before the words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lddu_pipe.annotation import Annotation
from lddu_pipe.predictions import Prediction
from lddu_pipe.writers.subtitles import write_cues
from lddu_pipe.writers.wording import summary

_MARKUP = re.compile(r"<(?=[/a-zA-Z])|\{(?=\\)|--(?=>)|\\(?=[nNh])")
"""What begins a tag, an override, an arrow between times or a line break of players."""
_WORD_JOINER = "\u2060"


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the subtitles.

    SubRip has no escapes, so that an invisible word joiner takes its meaning from what looks
    like markup in the text.
    """
    return write_cues(annotation, "srt", _lines)


def _lines(who: str, prediction: Prediction) -> Iterator[str]:
    words = f"{who}: {prediction.text}" if who else prediction.text
    for line in (*words.splitlines(), summary(prediction)):
        yield _MARKUP.sub(rf"\g<0>{_WORD_JOINER}", line)
