"""One row an utterance and label, as CSV."""

from __future__ import annotations

from pathlib import Path

from lddu_pipe.annotation import Annotation


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the table of `Annotation.to_dataframe`, its media in the first column.

    UTF-8 with a byte order mark, without which spreadsheets take it for a national encoding; rows
    end in CR LF, as RFC 4180 has it. A file without utterances has the header alone.
    """
    table = annotation.to_dataframe()
    table.insert(0, "media", annotation.media.path)
    text: str = table.to_csv(index=False, lineterminator="\r\n")
    return text.encode("utf-8-sig", "backslashreplace")
