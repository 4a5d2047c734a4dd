"""The result of a job in any format."""

from __future__ import annotations

import threading
from pathlib import Path

from lddu_pipe.annotation import Annotation
from lddu_pipe.schemas import SchemaVersion
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import Job
from lddu_pipe.writers.formats import FORMATS

MEDIA_TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "eaf": "application/xml",
    "TextGrid": "text/x-textgrid",
    "label-studio": "application/vnd.label-studio+json",
    "png": "image/png",
    "html": "text/html",
}
"""The media type of each format that is offered.

What is made of the video itself is not: it would compute for minutes, for a request.
"""

_LINKING = ("eaf", "label-studio", "html")
"""Formats that link to the media, and make absolute paths of it."""

_rendering = threading.Lock()
"""One at a time: a picture of hours takes memory, and its library is not made for threads."""


def render(folder: DataFolder, job: Job, name: str, schema: SchemaVersion) -> bytes:
    """Return the result of a job that is done.

    Args:
        folder: of the jobs.
        job: whose.
        name: of `FORMATS`.
        schema: version of the JSON contract, for json and jsonl.

    Raises:
        OSError: it is not there any more.
    """
    # An earlier release may have written it, in the layout of its time.
    annotation = Annotation.from_json(folder.result(job.id).read_bytes(), "the result")
    folder_of_links = None
    if name in _LINKING and annotation.media.path:
        # As if media and result lay in one folder, so that no path of this machine is in it.
        folder_of_links = Path("/")
        annotation = annotation.of_path(f"/{annotation.media.path}")
    with _rendering:
        return FORMATS[name].render(annotation, folder_of_links, schema)
