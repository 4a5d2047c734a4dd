"""Subtitles whose cues show the words and, on a line of their own, the emotions.

pysubs2 writes the times and numbers, and passes text through as it is: what is markup to a player
is escaped by the modules of the two formats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from pysubs2 import SSAEvent, SSAFile

from lddu_pipe.annotation import Annotation
from lddu_pipe.predictions import Prediction
from lddu_pipe.writers.escaping import encodable
from lddu_pipe.writers.lanes import whole_milliseconds
from lddu_pipe.writers.people import Names


def write_cues(
    annotation: Annotation,
    file_format: Literal["srt", "vtt"],
    lines: Callable[[str, Prediction], Iterable[str]],
) -> bytes:
    """Return the bytes of a subtitle file with a cue an utterance.

    Of several people those who say nothing have cues only where they show an emotion: else every
    listener would stand below the picture all the time.

    Args:
        annotation: what to write; times are whole milliseconds, and no cue is without length.
        file_format: as pysubs2 names it.
        lines: gives the escaped lines of a cue, from the name of who speaks, on one line and
            empty where nobody is named, and the utterance; blank ones, which would end the cue,
            are left out.
    """
    subtitles = SSAFile()
    names = Names.in_annotation(annotation)
    for prediction in annotation.utterances:
        if names.several and prediction.kind == "silence" and not prediction.present:
            continue
        start, end = whole_milliseconds(prediction)
        who = " ".join((names.of(prediction) or "").split())
        text = "\n".join(line for line in lines(who, prediction) if line.strip())
        subtitles.append(SSAEvent(start=start, end=end, text=text))
    # Tags of the SSA format are kept, for there are none: words in braces are words.
    content = subtitles.to_string(file_format, keep_ssa_tags=True)
    return encodable(content).encode()
