"""An annotation as one page for any browser: it opens from a file and needs no network."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from lddu_pipe.annotation import Annotation, SourceInfo
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.viewer import MediaKind, make_page


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return the page, UTF-8. The media is linked, not embedded: keep the two files together.

    Args:
        annotation: what to show.
        folder: where the page will stand; the link to the media is relative to it.
    """
    media = annotation.media
    kind = kind_of(media)
    page = make_page(
        annotation.to_dict(),
        title=printable(Path(media.path).name) or "data in memory",
        kind=kind,
        link="" if kind == "none" else _link(media.path, folder),
    )
    return page.encode("utf-8", "backslashreplace")


def kind_of(media: SourceInfo) -> MediaKind:
    """In which element a browser shows what was annotated."""
    if not media.path:
        return "none"
    if media.has_video:
        return "video" if media.duration else "picture"
    return "audio" if media.has_audio else "none"


def _link(path: str, folder: Path | None) -> str:
    """The URL of `path` as seen from a page in `folder`.

    Browsers resolve ``..`` by the letters of the address and follow no symbolic links while they
    do, so neither does this.
    """
    if folder is not None:
        path = os.path.relpath(path, folder)
    # Two leading slashes would name a host.
    leading = "/" if path.startswith("/") else ""
    return leading + quote(os.fsencode(path.lstrip("/")), safe="/")
