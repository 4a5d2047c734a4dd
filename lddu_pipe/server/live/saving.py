"""A live session that its client wants kept: an annotation among those of jobs."""

from __future__ import annotations

from uuid import uuid4

from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import JobStore, Upload
from lddu_pipe.server.limits import NAME
from lddu_pipe.server.live.session import Saved
from lddu_pipe.writers import contract
from lddu_pipe.writers.escaping import printable

_UNNAMED = "live session"


def save(store: JobStore, folder: DataFolder, owner: str, saved: Saved) -> str:
    """Keep it as a job of `owner` that is done and whose media are gone; return its id.

    Raises:
        OSError: the disk refuses.
    """
    job_id = str(uuid4())
    name = printable(saved.label).strip()[:NAME] or _UNNAMED
    arrived = folder.arrive(job_id)
    try:
        annotation = saved.annotation.of_path(name)
        (arrived / folder.result(job_id).name).write_bytes(contract.render(annotation))
        folder.keep(job_id)
    finally:
        # What became a job has been moved away by now.
        folder.discard(job_id)
    store.add_done(Upload(job_id, name, "", 0, None, None, {}), owner)
    return job_id
