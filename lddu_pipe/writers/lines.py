"""One line of JSON an utterance, for streams and for the many tools that read such files."""

from __future__ import annotations

import json
from pathlib import Path

from lddu_pipe.annotation import Annotation
from lddu_pipe.schemas import SCHEMA_VERSION, SchemaVersion


def render(
    annotation: Annotation, folder: Path | None = None, schema: SchemaVersion = SCHEMA_VERSION
) -> bytes:
    """Return a line an utterance: ``media`` and ``model``, then the utterance of the contract."""
    values = annotation.to_dict(schema)
    common = {
        "media": values["media"]["path"],
        "model": f"{annotation.model.name} {annotation.model.version}",
    }
    lines = [
        json.dumps({**common, **utterance}, ensure_ascii=False, allow_nan=False) + "\n"
        for utterance in values["utterances"]
    ]
    return "".join(lines).encode("utf-8", "backslashreplace")
