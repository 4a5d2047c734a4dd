"""The jobs of the server: a SQLite file that survives being killed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lddu_pipe.database import Database, Schema, moment

JobState = Literal["waiting", "running", "done", "failed"]

_SCHEMA = Schema(
    kind="store of jobs",
    version=1,
    advice="use another --data",
    tables="""
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- order of arrival
    id TEXT NOT NULL UNIQUE,       -- UUID, version 4
    owner TEXT NOT NULL,           -- fingerprint of the token, empty without one
    name TEXT NOT NULL,            -- of the media file, as its sender calls it; only ever shown
    suffix TEXT NOT NULL,          -- of our copy: one of a fixed list, or empty
    size INTEGER NOT NULL,         -- bytes of the media file
    transcript TEXT,               -- name of the transcript, only ever shown
    transcript_suffix TEXT,        -- of our copy
    options TEXT NOT NULL,         -- JSON
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    error TEXT,                    -- one line
    attempts INTEGER NOT NULL DEFAULT 0,
    media INTEGER NOT NULL DEFAULT 1,          -- 1 while the uploaded files are there
    created TEXT NOT NULL,         -- ISO 8601, UTC
    started TEXT,
    finished TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_state ON jobs (state, number);
CREATE INDEX IF NOT EXISTS jobs_owner ON jobs (owner, number);
""",
)


@dataclass(frozen=True)
class Upload:
    """What a client sent, once it is whole on the disk."""

    id: str
    name: str
    suffix: str
    size: int
    transcript: str | None
    transcript_suffix: str | None
    options: Mapping[str, Any]
    """Settings of the pipeline by name; None is what the server was started with."""


@dataclass(frozen=True)
class Job:
    """One row of the store."""

    number: int
    id: str
    owner: str
    name: str
    suffix: str
    size: int
    transcript: str | None
    transcript_suffix: str | None
    options: Mapping[str, Any]
    state: JobState
    error: str | None
    attempts: int
    media: bool
    created: str
    started: str | None
    finished: str | None


class JobStore:
    """The jobs of one data folder. Any thread of one process may use it."""

    def __init__(self, path: Path) -> None:
        """Open or make it.

        Raises:
            UnusableInputError: the file is of another version, no store of jobs, or cannot be
                opened or made.
        """
        self._database = Database(path, _SCHEMA)

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        self._database.close()

    def add(self, upload: Upload, owner: str, *, most: int) -> Job | None:
        """Queue a job; None where its owner has `most` that wait or run."""
        values = {
            **asdict(upload),
            "options": json.dumps(upload.options),
            "owner": owner,
            "created": moment(),
            "most": most,
        }
        with self._database.transaction() as database:
            added = database.execute(
                "INSERT INTO jobs (id, owner, name, suffix, size, transcript, transcript_suffix, "
                "options, state, created) SELECT :id, :owner, :name, :suffix, :size, :transcript, "
                ":transcript_suffix, :options, 'waiting', :created WHERE (SELECT count(*) FROM "
                "jobs WHERE owner = :owner AND state IN ('waiting', 'running')) < :most",
                values,
            )
            if not added.rowcount:
                return None
            row = database.execute("SELECT * FROM jobs WHERE id = ?", (upload.id,)).fetchone()
        return _job(row)

    def add_done(self, upload: Upload, owner: str) -> None:
        """Note a job that is done, of which nothing was uploaded; its result is in place."""
        now = moment()
        values = {**asdict(upload), "options": json.dumps(upload.options), "owner": owner}
        with self._database.transaction() as database:
            database.execute(
                "INSERT INTO jobs (id, owner, name, suffix, size, transcript, transcript_suffix, "
                "options, state, media, created, started, finished) VALUES (:id, :owner, :name, "
                ":suffix, :size, :transcript, :transcript_suffix, :options, 'done', 0, :now, "
                ":now, :now)",
                {**values, "now": now},
            )

    def unfinished(self, owner: str) -> int:
        """How many jobs of this owner wait or run."""
        rows = self._database.execute(
            "SELECT count(*) AS jobs FROM jobs "
            "WHERE owner = ? AND state IN ('waiting', 'running')",
            (owner,),
        )
        return int(rows[0]["jobs"])

    def take(self) -> Job | None:
        """Start the job that has waited longest; None where none waits."""
        with self._database.transaction() as database:
            row = database.execute(
                "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1 "
                "WHERE number = (SELECT min(number) FROM jobs WHERE state = 'waiting') "
                "RETURNING *",
                (moment(),),
            ).fetchone()
        return None if row is None else _job(row)

    def finish(self, job_id: str) -> bool:
        """Note that a job's result is in place; False where the job was deleted meanwhile."""
        return self._change(job_id, "state = 'done', finished = ?", (moment(),))

    def fail(self, job_id: str, error: str) -> bool:
        """Note why a job has no result; False where it was deleted meanwhile."""
        return self._change(job_id, "state = 'failed', error = ?, finished = ?", (error, moment()))

    def put_back(self, job_id: str) -> bool:
        """Let a job that was begun wait again, as if it had not been."""
        return self._change(
            job_id, "state = 'waiting', started = NULL, attempts = attempts - 1", ()
        )

    def pending(self) -> list[Job]:
        """The jobs that wait or run; right after a start, the latter are of a killed server."""
        return self._jobs(
            "SELECT * FROM jobs WHERE state IN ('waiting', 'running') ORDER BY number", ()
        )

    def wait_again(self, job_id: str) -> None:
        """Queue a job again whose server died; the attempt counts."""
        self._change(job_id, "state = 'waiting', started = NULL")

    def exists(self, job_id: str) -> bool:
        """Whether there is such a job, of anybody."""
        return bool(self._database.execute("SELECT 1 FROM jobs WHERE id = ?", (job_id,)))

    def get(self, job_id: str, owner: str) -> Job | None:
        """A job of an owner; None for a job of somebody else, too."""
        found = self._jobs("SELECT * FROM jobs WHERE id = ? AND owner = ?", (job_id, owner))
        return found[0] if found else None

    def ahead(self, job: Job) -> int:
        """How many jobs, of anybody, run or wait before this one; 0 once it runs."""
        if job.state != "waiting":
            return 0
        rows = self._database.execute(
            "SELECT count(*) AS jobs FROM jobs "
            "WHERE number < ? AND state IN ('waiting', 'running')",
            (job.number,),
        )
        return int(rows[0]["jobs"])

    def page(
        self,
        owner: str,
        *,
        state: JobState | None = None,
        before: Job | None = None,
        limit: int = 50,
    ) -> list[Job]:
        """Jobs of an owner, the newest first.

        Args:
            owner: whose.
            state: only those in it.
            before: only those that arrived before this one.
            limit: how many at most.
        """
        return self._jobs(
            "SELECT * FROM jobs WHERE owner = ? AND (? IS NULL OR state = ?) "
            "AND (? IS NULL OR number < ?) ORDER BY number DESC LIMIT ?",
            (owner, state, state, *[None if before is None else before.number] * 2, limit),
        )

    def counts(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        found: dict[JobState, int] = {"waiting": 0, "running": 0, "done": 0, "failed": 0}
        for row in self._database.execute(
            "SELECT state, count(*) AS jobs FROM jobs GROUP BY state"
        ):
            found[row["state"]] = int(row["jobs"])
        return found

    def ids(self) -> set[str]:
        """The ids of all jobs."""
        return {row["id"] for row in self._database.execute("SELECT id FROM jobs")}

    def delete(self, job_id: str, owner: str) -> bool:
        """Forget a job; False where its owner has none of that id."""
        with self._database.transaction() as database:
            return bool(
                database.execute(
                    "DELETE FROM jobs WHERE id = ? AND owner = ?", (job_id, owner)
                ).rowcount
            )

    def expired(self, age: float) -> list[str]:
        """The ids of jobs that ended `age` seconds ago or earlier and have their media still."""
        rows = self._database.execute(
            "SELECT id FROM jobs WHERE media = 1 AND finished <= ?", (moment(age),)
        )
        return [row["id"] for row in rows]

    def forget_media(self, job_id: str) -> None:
        """Note that the uploaded files of a job are gone."""
        self._change(job_id, "media = 0")

    def _change(self, job_id: str, assignments: str, values: Sequence[Any] = ()) -> bool:
        with self._database.transaction() as database:
            changed = database.execute(
                f"UPDATE jobs SET {assignments} WHERE id = ?", (*values, job_id)
            )
            return bool(changed.rowcount)

    def _jobs(self, query: str, values: Sequence[Any]) -> list[Job]:
        return [_job(row) for row in self._database.execute(query, values)]


def _job(row: sqlite3.Row) -> Job:
    values = dict(row)
    values["options"] = json.loads(values["options"])
    values["media"] = bool(values["media"])
    return Job(**values)
