"""What became of every item of a batch: a SQLite file that survives being killed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lddu_pipe.database import Database, Schema, moment

EntryState = Literal["waiting", "running", "done", "failed"]

_SCHEMA = Schema(
    kind="ledger of a batch",
    version=1,
    advice="use another output folder",
    tables="""
CREATE TABLE IF NOT EXISTS items (
    key TEXT PRIMARY KEY,          -- absolute path or address of the source; of a row, with its id
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,  -- of the results, without suffix
    source TEXT NOT NULL,          -- as given
    size INTEGER,                  -- bytes of the source
    version TEXT,                  -- changes when the source does
    sha256 TEXT,                   -- of the source
    transcript TEXT,               -- what was taken for what is said, with its state
    config TEXT,                   -- sha256 of what the results depend on beside the source
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    error TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    outputs TEXT NOT NULL DEFAULT '[]',        -- names of the files written, JSON
    statistics TEXT,               -- what the corpus summary is made of, JSON
    started TEXT,                  -- ISO 8601, UTC
    finished TEXT,
    seconds REAL                   -- the work took
) STRICT;
CREATE TABLE IF NOT EXISTS configs (
    config TEXT PRIMARY KEY,
    description TEXT NOT NULL      -- JSON
) STRICT;
""",
)


@dataclass(frozen=True)
class Entry:
    """One row of the ledger."""

    key: str
    name: str
    source: str
    size: int
    version: str
    sha256: str | None
    transcript: str | None
    config: str | None
    state: EntryState
    error: str | None
    attempts: int
    outputs: tuple[str, ...]
    """Relative to the output, with suffix."""
    statistics: Mapping[str, Any] | None
    started: str | None
    finished: str | None
    seconds: float | None


class Ledger:
    """The ledger of one output folder. One process writes it; others may read."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or make it.

        Args:
            path: of the file.
            read_only: make and change nothing.

        Raises:
            UnusableInputError: the file is of another version, no ledger, or cannot be opened.
        """
        self.path = path
        self._database = Database(path, _SCHEMA, read_only=read_only)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        self._database.close()

    def changes(self) -> tuple[int, int]:
        """Differs from an earlier answer where anybody has changed the ledger since."""
        return self._database.changes()

    def entries(self) -> dict[str, Entry]:
        """Every row, by key, in order of name."""
        rows = self._database.execute("SELECT * FROM items ORDER BY name")
        return {row["key"]: _entry(row) for row in rows}

    def entry(self, key: str) -> Entry:
        """One row.

        Raises:
            KeyError: there is none of that key.
        """
        rows = self._database.execute("SELECT * FROM items WHERE key = ?", (key,))
        if not rows:
            raise KeyError(key)
        return _entry(rows[0])

    def add(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add new items and update known ones; all of them wait to be done.

        Args:
            entries: key, name, source, size, version and transcript of each.
        """
        with self._database.transaction() as database:
            database.executemany(
                "INSERT INTO items (key, name, source, size, version, transcript, state) "
                "VALUES (:key, :name, :source, :size, :version, :transcript, 'waiting') "
                "ON CONFLICT (key) DO UPDATE SET source = excluded.source, size = excluded.size, "
                "version = excluded.version, transcript = excluded.transcript, state = 'waiting', "
                "error = NULL",
                list(entries),
            )

    def confirm(self, key: str, size: int, version: str) -> None:
        """Note that a source was touched and holds the same bytes as before."""
        self._change(key, "size = ?, version = ?", (size, version))

    def start(self, key: str) -> None:
        """Note that an item is being worked on."""
        self._change(
            key,
            "state = 'running', started = ?, finished = NULL, error = NULL, "
            "attempts = attempts + 1",
            (moment(),),
        )

    def finish(
        self,
        key: str,
        *,
        config: str,
        sha256: str,
        outputs: Sequence[str],
        statistics: Mapping[str, Any],
        seconds: float,
    ) -> None:
        """Note that all files of an item are in place."""
        self._change(
            key,
            "state = 'done', config = ?, sha256 = ?, outputs = ?, statistics = ?, seconds = ?, "
            "finished = ?, error = NULL",
            (config, sha256, json.dumps(outputs), json.dumps(statistics), seconds, moment()),
        )

    def extend(self, key: str, outputs: Sequence[str]) -> None:
        """Note that there are more files of an item that is done."""
        self._change(key, "outputs = ?", (json.dumps(outputs),))

    def fail(
        self, key: str, *, config: str, error: str, seconds: float, outputs: Sequence[str] = ()
    ) -> None:
        """Note why an item could not be annotated, and which files of it are there still."""
        self._change(
            key,
            "state = 'failed', config = ?, error = ?, seconds = ?, finished = ?, "
            "outputs = ?, statistics = NULL",
            (config, error, seconds, moment(), json.dumps(outputs)),
        )

    def wait(self, key: str) -> None:
        """Note that an item was given up and is to be done another time."""
        self._change(key, "state = 'waiting', started = NULL", ())

    def describe(self, config: str, description: Mapping[str, Any]) -> None:
        """Store a configuration, so that a later run can say what has changed."""
        self._database.execute(
            "INSERT OR IGNORE INTO configs VALUES (?, ?)",
            (config, json.dumps(description, sort_keys=True)),
        )

    def description(self, config: str) -> dict[str, Any]:
        """A stored configuration; empty where there is none of that digest."""
        rows = self._database.execute(
            "SELECT description FROM configs WHERE config = ?", (config,)
        )
        return dict(json.loads(rows[0]["description"])) if rows else {}

    def copy(self, path: Path) -> None:
        """Write a copy that is consistent whatever is being changed."""
        self._database.copy(path)

    def _change(self, key: str, assignments: str, values: Sequence[Any] = ()) -> None:
        self._database.execute(f"UPDATE items SET {assignments} WHERE key = ?", (*values, key))


def _entry(row: sqlite3.Row) -> Entry:
    values = dict(row)
    values["outputs"] = tuple(json.loads(values["outputs"]))
    values["statistics"] = json.loads(values["statistics"]) if values["statistics"] else None
    return Entry(**values)
