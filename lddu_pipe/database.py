"""SQLite files that survive being killed: opened, checked and written in one way."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lddu_pipe.errors import UnusableInputError

_PATIENCE = 30.0  # s that a writer waits for another process


@dataclass(frozen=True)
class Schema:
    """What a file of one kind holds."""

    kind: str
    """What a person calls such a file, as "ledger of a batch"."""
    version: int
    """Of the tables; a file of another one is refused."""
    tables: str
    """SQL that makes them; each with ``IF NOT EXISTS``, for another process may be faster."""
    advice: str
    """What to do with a file of another version."""
    upgrades: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """By earlier version, the statements that make the next one of it."""


class Database:
    """One open file. Any thread may use it, and other processes open it for themselves.

    A row that was written outlives a power cut, and one that was deleted leaves no bytes behind.
    """

    def __init__(self, path: Path, schema: Schema, *, read_only: bool = False) -> None:
        """Open it, or make it unless it is only to be read.

        A file of an earlier version is upgraded; where it is only to be read, a copy in memory is.

        Raises:
            UnusableInputError: the file is of another version, holds something else, or cannot be
                opened or made.
        """
        self.path = path
        self._lock = threading.Lock()
        mode = "ro" if read_only else "rwc"
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=_PATIENCE,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.OperationalError as error:
            raise UnusableInputError(f"{path} cannot be opened: {error}") from None
        self._connection.row_factory = sqlite3.Row
        try:
            self._check(schema, read_only=read_only)
        except sqlite3.OperationalError as error:
            self.close()
            raise UnusableInputError(f"{path} cannot be used: {error}") from None
        except sqlite3.DatabaseError as error:
            self.close()
            raise UnusableInputError(f"{path} is no {schema.kind} ({error})") from None
        except UnusableInputError:
            self.close()
            raise

    def _check(self, schema: Schema, *, read_only: bool) -> None:
        if not read_only:
            for setting in ("journal_mode = DELETE", "synchronous = FULL", "secure_delete = ON"):
                self.execute(f"PRAGMA {setting}")
            if self._version() == 0:
                self._connection.executescript(
                    f"BEGIN IMMEDIATE; {schema.tables} PRAGMA user_version = {schema.version}; "
                    "COMMIT;"
                )
        if self._version() in schema.upgrades:
            if read_only:
                self._read_copy()
            self._upgrade(schema)
        if self._version() != schema.version:
            raise UnusableInputError(
                f"{self.path} is a {schema.kind} of version {self._version()}, and this program "
                f"knows {schema.version}; {schema.advice}"
            )

    def _read_copy(self) -> None:
        """Go on with a copy in memory, which sees no later changes of the file."""
        copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        with closing(self._connection) as source:
            source.backup(copy)
        copy.row_factory = sqlite3.Row
        self._connection = copy

    def _upgrade(self, schema: Schema) -> None:
        with self.transaction() as database:
            # Asked within the transaction: another process may have been faster.
            while True:
                version = database.execute("PRAGMA user_version").fetchone()[0]
                if version not in schema.upgrades:
                    return
                for statement in schema.upgrades[version]:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {version + 1}")

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        with self._lock:
            self._connection.close()

    def execute(
        self, query: str, values: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[sqlite3.Row]:
        """Run one statement, and return the rows that it gives."""
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Statements of which all are done or, where one raises, none."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection

    def changes(self) -> tuple[int, int]:
        """Differs from an earlier answer where anybody, in any process, changed the file since."""
        with self._lock:
            version = self._connection.execute("PRAGMA data_version").fetchone()[0]
            return int(version), self._connection.total_changes

    def copy(self, path: Path) -> None:
        """Write a copy that is consistent whatever is being changed."""
        with closing(sqlite3.connect(path)) as target:
            self._connection.backup(target)

    def _version(self) -> int:
        return int(self.execute("PRAGMA user_version")[0][0])


def moment(ago: float = 0.0) -> str:
    """The moment so many seconds ago, as rows hold it: ISO 8601, UTC, milliseconds."""
    return (datetime.now(UTC) - timedelta(seconds=ago)).isoformat(timespec="milliseconds")
