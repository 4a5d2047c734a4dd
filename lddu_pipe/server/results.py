"""The result of a job, and other annotations, in any format."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

from fastapi import Query, Response
from pydantic import AfterValidator

from lddu_pipe.annotation import Annotation
from lddu_pipe.schemas import SchemaVersion
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import Job
from lddu_pipe.server.messages import ANNOTATION_CONTENT
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


def _known(name: str) -> str:
    if name not in MEDIA_TYPES:
        raise ValueError(f"choose from {', '.join(MEDIA_TYPES)}")
    return name


FormatName = Annotated[
    str,
    Query(
        alias="format",
        description="One of docs/formats.md.",
        json_schema_extra={"enum": list(MEDIA_TYPES)},
    ),
    AfterValidator(_known),
]

_rendering = threading.Lock()
"""One at a time: a picture of hours takes memory, and its library is not made for threads."""


def load(folder: DataFolder, job: Job) -> Annotation:
    """The result of a job that is done.

    Raises:
        OSError: it is not there any more.
    """
    # An earlier release may have written it, in the layout of its time.
    return Annotation.from_json(folder.result(job.id).read_bytes(), "the result")


def render(annotation: Annotation, name: str, schema: SchemaVersion) -> bytes:
    """Return an annotation as a file.

    Args:
        annotation: whose media goes by its name alone.
        name: of `FORMATS`.
        schema: version of the JSON contract, for json and jsonl.
    """
    folder_of_links = None
    if name in _LINKING and annotation.media.path:
        # As if media and result lay in one folder, so that no path of this machine is in it.
        folder_of_links = Path("/")
        annotation = annotation.of_path(f"/{annotation.media.path}")
    with _rendering:
        return FORMATS[name].render(annotation, folder_of_links, schema)


FILE_CONTENT = {
    kind: {"schema": {"type": "array" if name == "label-studio" else "string"}}
    for name, kind in MEDIA_TYPES.items()
} | dict(ANNOTATION_CONTENT)
"""What an answer with a file is, for the schema."""


def as_file(annotation: Annotation, name: str, schema: SchemaVersion, stem: str) -> Response:
    """An annotation as a file to save: none is shown by the server's origin.

    Args:
        annotation: whose media goes by its name alone.
        name: of `FORMATS`.
        schema: version of the JSON contract, for json and jsonl.
        stem: of the file's name.
    """
    return Response(
        render(annotation, name, schema),
        media_type=MEDIA_TYPES[name],
        headers={"Content-Disposition": f'attachment; filename="{stem}{FORMATS[name].suffix}"'},
    )
