"""The server's own jobs as annotations that can be reviewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.batch.work import statistics_of
from lddu_pipe.review.repository import ReviewItem
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import Job, JobStore

_PAGE = 1000


class JobRepository:
    """Jobs that are done or have failed; corrections of them are their owner's alone."""

    def __init__(self, jobs: JobStore, folder: DataFolder, store: CorrectionStore) -> None:
        """Open nothing: the jobs and files are read when asked for.

        Args:
            jobs: of the server.
            folder: of their files.
            store: for the corrections.
        """
        self._jobs = jobs
        self._folder = folder
        self._store = store
        # A result is written once and never changed.
        self._statistics = lru_cache(maxsize=100_000)(self._read_statistics)

    @property
    def store(self) -> CorrectionStore:
        """Where corrections are kept: beside the jobs."""
        return self._store

    def owner_of(self, owner: str) -> str:
        """Each token has corrections of its own, as it has jobs."""
        return owner

    def items(self, owner: str) -> Sequence[ReviewItem]:
        """What has ended of the jobs of `owner`, the newest first."""
        found: list[ReviewItem] = []
        page = self._jobs.page(owner, limit=_PAGE)
        while page:
            found += [self._item(job) for job in page if job.state in ("done", "failed")]
            page = self._jobs.page(owner, before=page[-1], limit=_PAGE)
        return found

    def item(self, owner: str, item_id: str) -> ReviewItem | None:
        """One of them."""
        job = self._jobs.get(item_id, owner)
        return self._item(job) if job is not None and job.state in ("done", "failed") else None

    def annotation(self, item: ReviewItem) -> Path:
        """The result of a job."""
        return self._folder.result(item.id)

    def has_media(self, item: ReviewItem) -> bool:
        """Whether what was uploaded is still there."""
        return self.media(item) is not None

    def media(self, item: ReviewItem) -> Path | None:
        """What was uploaded, until it is deleted."""
        return self._folder.uploaded(item.id)

    def _item(self, job: Job) -> ReviewItem:
        state, error, statistics = job.state, job.error, None
        if state == "done":
            try:
                statistics = self._statistics(job.id)
            except UnusableInputError:
                state, error = "failed", "its result is gone or damaged"
        return ReviewItem(
            id=job.id,
            source="job",
            name=job.name or "media",
            state="done" if state == "done" else "failed",
            error=error,
            created=job.finished or job.created,
            statistics=statistics,
        )

    def _read_statistics(self, job_id: str) -> Mapping[str, Any]:
        return statistics_of(Annotation.load(self._folder.result(job_id)))
