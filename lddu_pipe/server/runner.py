"""The one thread that does jobs, in order of arrival."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lddu_pipe.errors import LdduPipeError, MissingAssetError
from lddu_pipe.server.annotator import Annotator
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import Job, JobStore
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.problems import locate
from lddu_pipe.writers import contract

logger = logging.getLogger(__name__)

_NAP = 1.0  # s between looks for jobs, in case `wake` was not called

Ended = Callable[[Job, str, float], None]
"""Called with a job, how it ended ("done", "failed", "deleted"), and of the seconds it took."""


class _GivenUp(BaseException):
    """Raised in the progress callback to end the job that runs.

    It is no `Exception`, so that nothing on its way takes it for a failure.
    """


class JobRunner:
    """Loads the model, then does jobs until it is stopped."""

    def __init__(
        self,
        store: JobStore,
        folder: DataFolder,
        annotator: Annotator,
        limits: Limits,
        *,
        ended: Ended,
        failed: Callable[[Exception], None],
    ) -> None:
        """Start nothing yet.

        Args:
            store: of the jobs.
            folder: of their files.
            annotator: does them.
            limits: how often a job is tried.
            ended: told of every job that ended.
            failed: told why no job can be done; the runner stops.
        """
        self._store = store
        self._folder = folder
        self._annotator = annotator
        self._limits = limits
        self._ended = ended
        self._failed = failed
        self._awake = threading.Event()
        self._stopping = threading.Event()
        self._current: str | None = None
        self._deleted: set[str] = set()
        self._progress: tuple[str, float] | None = None
        self._thread = threading.Thread(target=self._work, name="runner", daemon=True)
        self.ready = False
        """The model is loaded and jobs are done."""

    def recover(self) -> None:
        """Put right what a server that was killed left: call it before `start`."""
        self._folder.sweep(self._store.ids())
        self._settle()

    def _settle(self) -> None:
        """Queue again, or finish, the jobs that are stored as running while none runs."""
        for job in self._store.pending():
            if self._folder.result(job.id).exists():
                # The result is whole, so the server stopped before it stored that the job is done.
                self._store.finish(job.id)
            elif job.state == "running" and job.attempts >= self._limits.attempts:
                self._store.fail(
                    job.id, f"the server stopped {job.attempts} times while it did this job"
                )
            elif job.state == "running":
                self._store.wait_again(job.id)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Tell of a new job."""
        self._awake.set()

    def stop(self, patience: float = 10.0) -> None:
        """Put the job that runs back into the queue and end.

        It waits `patience` seconds at most for a job to come to the end of a step; for a model
        that is being loaded it does not wait.
        """
        self._stopping.set()
        self._awake.set()
        self._thread.join(patience if self.ready else 0)
        self.ready = False
        current = self._current
        if self._thread.is_alive() and current is not None:
            # It is in a long step and ends with the process, through no fault of the job.
            self._store.put_back(current)

    @property
    def stuck(self) -> bool:
        """Whether it was told to stop and is still in a step that cannot be interrupted."""
        return self._stopping.is_set() and self._thread.is_alive()

    def give_up(self, job_id: str) -> bool:
        """Stop a job that was deleted; False where it does not run.

        Its files are gone once the runner notices, which may take it a while.
        """
        if self._current != job_id:
            return False
        self._deleted.add(job_id)
        return True

    def progress(self, job_id: str) -> tuple[str, float] | None:
        """The stage of a job and the share of it that is done, while it runs."""
        return self._progress if self._current == job_id else None

    def _work(self) -> None:
        try:
            self._annotator.load()
        except Exception as error:
            self._failed(error)
            return
        self.ready = True
        troubled = False
        while not self._stopping.is_set():
            self._awake.clear()
            try:
                if troubled:
                    self._settle()
                    troubled = False
                job = self._store.take()
                if job is not None:
                    self._do(job)
                    continue
            except Exception as error:
                # A full disk, most likely: the jobs are safe, and the next try may succeed.
                troubled = True
                logger.error("the queue cannot be worked on: %s", locate(error))
            self._awake.wait(_NAP)

    def _do(self, job: Job) -> None:
        begun = time.monotonic()
        self._progress = ("begin", 0.0)
        self._current = job.id
        try:
            how = self._annotate(job)
        except _GivenUp:
            how = "deleted"
            if job.id not in self._deleted:
                self._store.put_back(job.id)
                return
        finally:
            self._current = None
            self._deleted.discard(job.id)
        if self._store.exists(job.id):
            logger.info("job %s %s", job.id, how)
        else:
            # Deleted meanwhile, and perhaps after its files were removed a new one was written.
            self._folder.remove(job.id)
            how = "deleted"
        self._ended(job, how, time.monotonic() - begun)

    def _annotate(self, job: Job) -> str:
        """Do a job, and note how it ended: "done" or "failed"."""

        def hook(step: str, artifact: object, completed: float, total: float) -> None:
            if job.id in self._deleted or self._stopping.is_set():
                raise _GivenUp
            self._progress = (step, completed / total if total else 0.0)

        media, transcript = self._folder.media(job), self._folder.transcript(job)
        try:
            found = self._annotator.annotate(media, transcript, job.options, hook)
            self._folder.save(job.id, contract.render(found.of_path(job.name)))
        except Exception as error:
            self._store.fail(job.id, _reason(error, job, media, transcript))
            return "failed"
        self._store.finish(job.id)
        return "done"


def _reason(error: Exception, job: Job, media: Path, transcript: Path | None) -> str:
    """Why a job failed, for its client: nothing about this machine's folders."""
    if isinstance(error, MissingAssetError):
        logger.error("job %s needs what is not on this machine: %s", job.id, error)
        return "the server lacks weights or programs that this job needs; tell who runs it"
    if isinstance(error, LdduPipeError):
        text = str(error).replace(str(media), job.name or "the media")
        if transcript is not None:
            text = text.replace(str(transcript), job.transcript or "the transcript")
        return "the media cannot be used" if str(media.parent) in text else " ".join(text.split())
    logger.error("job %s met a defect: %s", job.id, locate(error))
    logger.debug("its traceback", exc_info=error)
    if isinstance(error, OSError):
        return "the server could not read or write a file; try again later"
    return "a defect of the server; its log says more"
