"""The output of a batch as annotations that can be reviewed, also while the batch runs."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID, uuid5

from lddu_pipe.annotation import Annotation
from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import sha256_of_file
from lddu_pipe.pipelines.batch.inputs import MANIFEST_SUFFIXES, Item, find_items
from lddu_pipe.pipelines.batch.ledger import Entry, Ledger
from lddu_pipe.pipelines.batch.run import LEDGER_FILE
from lddu_pipe.pipelines.batch.storage import is_remote
from lddu_pipe.pipelines.batch.summary import why_failed
from lddu_pipe.pipelines.batch.work import statistics_of
from lddu_pipe.review.repository import ReviewItem
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.review.tables import STORE_FILE
from lddu_pipe.writers.escaping import named_bytes

_KEYS = UUID("5f0b3c8e-6d0c-4c3e-9a55-3d8f5e0c7a41")
"""Namespace of the ids: the same key of a ledger always gives the same one."""
_Stamp = tuple[Path, int, int]
"""A file as it is: path, bytes and time of change in ns."""


class AnnotatedFolder:
    """A batch's output on this machine. Whoever may see it sees all of it. Threads may share it.

    The ledger is only read; corrections go to ``corrections.sqlite`` beside it, which no batch
    touches.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open it.

        Args:
            path: what ``lddu-pipe batch`` was given as output.
            read_only: corrections are only read, and must be there.

        Raises:
            UnusableInputError: it is no output of a batch, or cannot be used.
        """
        self.path = path
        self._lock = threading.Lock()
        if not (path / LEDGER_FILE).is_file():
            raise UnusableInputError(f"{path} is no output of a batch: there is no {LEDGER_FILE}")
        self._ledger = Ledger(path / LEDGER_FILE, read_only=True)
        try:
            self._store = CorrectionStore(path / STORE_FILE, read_only=read_only)
        except UnusableInputError:
            self._ledger.close()
            raise
        self._rows = _Rows()
        self._seen: tuple[int, int] | None = None
        self._entries: dict[str, tuple[Entry, ReviewItem]] = {}
        self._digests: dict[_Stamp, str] = {}
        self._digesting: dict[_Stamp, threading.Lock] = {}

    def __enter__(self) -> AnnotatedFolder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its files."""
        with self._lock:
            self._ledger.close()
        self._store.close()

    @property
    def store(self) -> CorrectionStore:
        """Where the corrections are."""
        return self._store

    def owner_of(self, owner: str) -> str:
        """Everybody works on the same corrections."""
        return ""

    def items(self, owner: str) -> Sequence[ReviewItem]:
        """What is annotated or has failed, the newest first.

        What waits to be annotated anew is as it was before.

        Raises:
            UnusableInputError: the ledger cannot be read.
        """
        return [item for _, item in self._read().values()]

    def item(self, owner: str, item_id: str) -> ReviewItem | None:
        """One of them."""
        found = self._read().get(item_id)
        return None if found is None else found[1]

    def annotation(self, item: ReviewItem) -> Path:
        """Its JSON."""
        return self.path / f"{self._read()[item.id][0].name}.json"

    def media(self, item: ReviewItem) -> Path | None:
        """The source, where it is on this machine and still what was annotated."""
        found = self._found(item)
        if found is None:
            return None
        entry, stamp = found
        path, size, changed = stamp
        known = (entry.size, entry.version.partition(" ")[0])
        # Of one that waits to be annotated anew, the ledger has the size and time of the new file.
        if entry.state == "done" and known == (size, str(changed)):
            return path
        try:
            digest = self._digest(stamp)
        except OSError:
            return None
        return path if digest == entry.sha256 else None

    def has_media(self, item: ReviewItem) -> bool:
        """Whether the source is on this machine, unless it was found to be another file by now."""
        found = self._found(item)
        if found is None:
            return False
        entry, stamp = found
        return self._digests.get(stamp) in (None, entry.sha256)

    def _found(self, item: ReviewItem) -> tuple[Entry, _Stamp] | None:
        """Entry and source of an item, where that is on this machine."""
        found = self._read().get(item.id)
        path = None if found is None else _source(found[0], item.row)
        if found is None or path is None:
            return None
        try:
            state = path.stat()
        except OSError:
            return None
        return found[0], (path, state.st_size, state.st_mtime_ns)

    def _digest(self, stamp: _Stamp) -> str:
        """The sha256 of a file, which is read once however many ask at the same time."""
        with self._lock:
            turn = self._digesting.setdefault(stamp, threading.Lock())
        with turn:
            if stamp not in self._digests:
                self._digests[stamp] = sha256_of_file(stamp[0])
            return self._digests[stamp]

    def _read(self) -> Mapping[str, tuple[Entry, ReviewItem]]:
        """Entry and item by id, the newest first; read again when the ledger has changed."""
        with self._lock:
            try:
                changes = self._ledger.changes()
                if changes != self._seen:
                    self._entries = self._items()
                    self._seen = changes
            except sqlite3.OperationalError as error:
                raise UnusableInputError(f"{self._ledger.path}: {error}") from None
            return self._entries

    def _items(self) -> dict[str, tuple[Entry, ReviewItem]]:
        found = [
            (entry, self._item(entry))
            for entry in self._ledger.entries().values()
            if entry.state == "failed" or _is_annotated(entry)
        ]
        found.sort(key=lambda pair: pair[1].created, reverse=True)
        return {item.id: (entry, item) for entry, item in found}

    def _item(self, entry: Entry) -> ReviewItem:
        annotated = _is_annotated(entry)
        suffix = "" if _is_row(entry) else PurePosixPath(entry.source).suffix
        return ReviewItem(
            id=str(uuid5(_KEYS, entry.key)),
            source="folder",
            name=entry.name if entry.name.endswith(suffix) else entry.name + suffix,
            state="done" if annotated else "failed",
            error=None if annotated else why_failed(entry),
            created=entry.finished or entry.started or self._written(entry),
            statistics=self._statistics(entry) if annotated else None,
            row=self._rows.of(entry),
        )

    def _written(self, entry: Entry) -> str:
        """When its annotation was written, for entries of an interrupted run, without a time."""
        try:
            modified = (self.path / f"{entry.name}.json").stat().st_mtime
        except OSError:
            return ""
        return datetime.fromtimestamp(modified, UTC).isoformat(timespec="milliseconds")

    def _statistics(self, entry: Entry) -> Mapping[str, Any] | None:
        """Those in the ledger, which has none where another format could not be made."""
        if entry.statistics is not None:
            return entry.statistics
        try:
            return statistics_of(Annotation.load(self.path / f"{entry.name}.json"))
        except UnusableInputError:
            return None


class _Rows:
    """Rows of manifests that were annotated; a manifest is read again when it has changed."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, Mapping[str, Item]]] = {}

    def of(self, entry: Entry) -> ManifestRow | None:
        """The row that an entry is of, unless it has changed since."""
        manifest = _manifest(entry)
        if manifest is None:
            return None
        try:
            changed = manifest.stat().st_mtime_ns
        except OSError:
            return None
        if manifest not in self._known or self._known[manifest][0] != changed:
            try:
                found = {item.key: item for item in find_items([str(manifest)])}
            except UnusableInputError:
                found = {}
            self._known[manifest] = (changed, found)
        item = self._known[manifest][1].get(entry.key)
        same = item is not None and (item.size, item.version) == (entry.size, entry.version)
        return item.row if item is not None and same else None


def _is_row(entry: Entry) -> bool:
    """Whether an entry is of a row of a manifest: only then its version holds more than a time."""
    return not is_remote(entry.source) and " " in entry.version


def _manifest(entry: Entry) -> Path | None:
    """The manifest that the key of a row's entry begins with; None where it is gone."""
    if not _is_row(entry):
        return None
    parts = entry.key.split("#")
    for count in range(1, len(parts)):
        path = _on_disk("#".join(parts[:count]))
        if path.suffix.lower() in MANIFEST_SUFFIXES and path.is_file():
            return path
    return None


def _source(entry: Entry, row: ManifestRow | None) -> Path | None:
    """The media that an entry is of; None where it is elsewhere, or the row is not known."""
    if _is_row(entry):
        return None if row is None else row.video or row.audio or row.image
    if is_remote(entry.key):
        return None
    return _on_disk(entry.key)


def _on_disk(place: str) -> Path:
    """The path behind a name of the ledger, where bytes that are not UTF-8 are escaped."""
    path = Path(place)
    return path if path.exists() else Path(named_bytes(place))


def _is_annotated(entry: Entry) -> bool:
    """Whether there is an annotation, perhaps of what waits to be annotated anew."""
    return f"{entry.name}.json" in entry.outputs
