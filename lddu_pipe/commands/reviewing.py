"""The one place where the command line opens corrections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lddu_pipe.errors import UnusableInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lddu_pipe.annotation import Annotation
    from lddu_pipe.review.desk import ReviewDesk
    from lddu_pipe.review.repository import Repository


@contextmanager
def opened_desk(folder: Path) -> Iterator[tuple[ReviewDesk, Sequence[str]]]:
    """Open the corrections in a folder for reading; gives them and their owners.

    Args:
        folder: the output of a batch, or the data folder of a server, which may be running.

    Raises:
        UnusableInputError: it is neither, or nothing in it was corrected.
    """
    from lddu_pipe.review.desk import ReviewDesk
    from lddu_pipe.review.tables import STORE_FILE

    if not (folder / STORE_FILE).is_file():
        raise UnusableInputError(f"{folder}: nothing was corrected here; there is no {STORE_FILE}")
    with _opened_jobs(folder) if _is_server(folder) else _opened_batch(folder) as repository:
        yield ReviewDesk([repository]), repository.store.owners()


@contextmanager
def opened_annotations(folder: Path | None) -> Iterator[Callable[[Path], Annotation]]:
    """Open what reads annotations; with their people as reviewers say, where a folder is given.

    Args:
        folder: the output of a batch, or the data folder of a server; None for none.

    Raises:
        UnusableInputError: it is neither, or nothing in it was corrected.
    """
    from lddu_pipe.annotation import Annotation

    if folder is None:
        yield Annotation.load
        return
    with opened_desk(folder) as (desk, owners):
        known = {
            desk.annotation(owner, item.id).resolve(): (owner, item.id)
            for owner in owners
            for item in desk.items(owner)
            if item.state == "done"
        }

        def read(file: Path) -> Annotation:
            if file.resolve() not in known:
                raise UnusableInputError(f"{file}: {folder} has no corrections of it")
            return desk.people.corrected(*known[file.resolve()])

        yield read


def _is_server(folder: Path) -> bool:
    from lddu_pipe.server.folders import JOBS_FILE

    return (folder / JOBS_FILE).is_file()


def _opened_batch(folder: Path) -> AbstractContextManager[Repository]:
    from lddu_pipe.review.folder import AnnotatedFolder

    return AnnotatedFolder(folder, read_only=True)


@contextmanager
def _opened_jobs(folder: Path) -> Iterator[Repository]:
    from lddu_pipe.review.store import CorrectionStore
    from lddu_pipe.server.folders import DataFolder
    from lddu_pipe.server.jobs import JobStore
    from lddu_pipe.server.repository import JobRepository

    data = DataFolder(folder)
    with (
        closing(JobStore(data.store)) as jobs,
        CorrectionStore(data.corrections, read_only=True) as store,
    ):
        yield JobRepository(jobs, data, store)
