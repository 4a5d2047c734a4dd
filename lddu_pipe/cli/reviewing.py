"""The one place where the command line gets what was corrected from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lddu_pipe.errors import UnusableInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lddu_pipe.review.desk import ReviewDesk


@contextmanager
def opened_desk(folder: Path) -> Iterator[tuple[ReviewDesk, Sequence[str]]]:
    """The corrections in a folder, to be read, and everybody whose they are.

    Args:
        folder: the output of a batch.

    Raises:
        UnusableInputError: it is none, or nothing in it was corrected.
    """
    from lddu_pipe.review.desk import ReviewDesk
    from lddu_pipe.review.folder import AnnotatedFolder
    from lddu_pipe.review.store import STORE_FILE

    if not (folder / STORE_FILE).is_file():
        raise UnusableInputError(f"{folder}: nothing was corrected here; there is no {STORE_FILE}")
    with AnnotatedFolder(folder, read_only=True) as shelf:
        yield ReviewDesk([shelf]), [""]
