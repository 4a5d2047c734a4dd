"""Corrections with their media, packed and on their way to a client."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from lddu_pipe.review.manifest import Export, write_archive
from lddu_pipe.server.problems import Problem, storing

_PIECE = 1 << 18


class ArchiveResponse(StreamingResponse):
    """A temporary file that is deleted once it was sent or its client has left."""

    def __init__(self, file: IO[bytes], name: str, done: Callable[[], None]) -> None:
        """Send it.

        Args:
            file: what to send; it is closed.
            name: for the client.
            done: called at the end, whatever that is.
        """
        self._file = file
        self._done = done
        size = file.seek(0, os.SEEK_END)
        super().__init__(
            self._pieces(),
            media_type="application/zip",
            headers={
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Length": str(size),
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, and give back what it takes."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()
            self._done()

    def _pieces(self) -> Iterator[bytes]:
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            yield piece


class Archives:
    """Packs what owners export: for each of them one at a time, as it takes the disk twice."""

    def __init__(self, folder: Path) -> None:
        """Pack in a folder."""
        self._folder = folder
        self._lock = threading.Lock()
        self._busy: set[str] = set()

    def pack(self, owner: str, export: Export, name: str) -> ArchiveResponse:
        """Pack an export.

        Args:
            owner: whose.
            export: has rows.
            name: of the archive.

        Raises:
            Problem: the owner has one on its way already, the disk is full, or media vanished.
        """
        with self._lock:
            if owner in self._busy:
                raise Problem(
                    429, "another export of yours is on its way", headers={"Retry-After": "30"}
                )
            self._busy.add(owner)
        # Without a name on the disk, so that nothing of it stays even after a crash.
        file: IO[bytes] | None = None
        try:
            with storing():
                file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - until it is sent
                write_archive(export, file)
            return ArchiveResponse(file, name, lambda: self._busy.discard(owner))
        except BaseException as error:
            self._busy.discard(owner)
            if file is not None:
                file.close()
            if isinstance(error, FileNotFoundError):
                raise Problem(503, "media were deleted meanwhile; try again") from None
            raise
