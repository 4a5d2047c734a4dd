"""Where the server keeps what it was sent; no path has a part that came from a client."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import remove_unfinished, write_whole
from lddu_pipe.review.tables import STORE_FILE
from lddu_pipe.server.jobs import Job, Upload

JOBS_FILE = "jobs.sqlite"
_PRIVATE = 0o700


class DataFolder:
    """Jobs and corrections in SQLite, and a folder for each job, with its uploads and result."""

    def __init__(self, path: Path) -> None:
        """Make the folder, for its owner alone, where it is not there yet.

        Raises:
            UnusableInputError: it cannot be made.
        """
        self.path = path
        self.store = path / JOBS_FILE
        self.corrections = path / STORE_FILE
        self._jobs = path / "jobs"
        self._arriving = path / "arriving"
        try:
            path.mkdir(_PRIVATE, parents=True, exist_ok=True)
            for folder in (self._jobs, self._arriving):
                folder.mkdir(_PRIVATE, exist_ok=True)
        except OSError as error:
            raise UnusableInputError(f"{path}: cannot make the folder: {error.strerror}") from None

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Keep other servers away while the context lasts.

        Raises:
            UnusableInputError: another server uses the folder.
        """
        lock = FileLock(self.path / "lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise UnusableInputError(
                f"another server uses {self.path}; stop it, or give another --data"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def arrive(self, job_id: str) -> Path:
        """Make the folder for the files of an upload that has begun."""
        folder = self._arriving / job_id
        folder.mkdir(_PRIVATE)
        return folder

    def keep(self, job_id: str) -> None:
        """Move an upload that is whole to the jobs, in one step that outlives a power cut."""
        arrived = self._arriving / job_id
        for path in (*arrived.iterdir(), arrived):
            _flush(path)
        arrived.replace(self._jobs / job_id)
        _flush(self._jobs)

    def discard(self, job_id: str) -> None:
        """Remove an upload that failed."""
        shutil.rmtree(self._arriving / job_id, ignore_errors=True)

    def media(self, job: Job | Upload) -> Path:
        """The uploaded media of a job."""
        return self._jobs / job.id / media_name(job.suffix)

    def uploaded(self, job_id: str) -> Path | None:
        """The uploaded media of a job, unless it is gone."""
        return next((self._jobs / job_id).glob("media*"), None)

    def transcript(self, job: Job | Upload) -> Path | None:
        """The uploaded transcript of a job, if there is one."""
        if job.transcript_suffix is None:
            return None
        return self._jobs / job.id / transcript_name(job.transcript_suffix)

    def result(self, job_id: str) -> Path:
        """Where the annotation of a job stands once it is done."""
        return self._jobs / job_id / "result.json"

    def save(self, job_id: str, annotation: bytes) -> None:
        """Write the annotation of a job, whole or not at all.

        Raises:
            OSError: the job's folder is gone, as the job is, or the disk refuses.
        """
        write_whole(self.result(job_id), annotation)

    def remove_media(self, job_id: str) -> None:
        """Remove what was uploaded; the result stays."""
        for path in (self._jobs / job_id).glob("*"):
            if path != self.result(job_id):
                path.unlink(missing_ok=True)

    def remove(self, job_id: str) -> None:
        """Remove everything of a job."""
        shutil.rmtree(self._jobs / job_id, ignore_errors=True)

    def sweep(self, known: set[str]) -> None:
        """Remove what a server that was killed left: half uploads, and files of no job."""
        for path in self._arriving.iterdir():
            shutil.rmtree(path, ignore_errors=True)
        for path in self._jobs.iterdir():
            if path.name not in known:
                shutil.rmtree(path, ignore_errors=True)
        remove_unfinished(self._jobs)


def media_name(suffix: str) -> str:
    """The name of our copy of media; `suffix` is one of a fixed list, or empty."""
    return f"media{suffix}"


def transcript_name(suffix: str) -> str:
    """The name of our copy of a transcript; `suffix` is one of a fixed list."""
    return f"transcript{suffix}"


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        # Some file systems cannot flush a folder, and need not.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)
