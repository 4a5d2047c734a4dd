"""The annotation as the JSON that others build on."""

from __future__ import annotations

from pathlib import Path

from lddu_pipe.annotation import Annotation
from lddu_pipe.schemas import SCHEMA_VERSION, SchemaVersion


def render(
    annotation: Annotation, folder: Path | None = None, schema: SchemaVersion = SCHEMA_VERSION
) -> bytes:
    """Return the JSON of docs/annotation.md, as UTF-8."""
    # Undecodable bytes of a file name become \udc.., which is how JSON writes them.
    return annotation.to_json(schema).encode("utf-8", "backslashreplace")
