"""Progress on standard error, for a person who is watching it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from lddu_pipe.pipelines.settings import Hook


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # None: started with a closed one


@contextmanager
def progress(subject: str) -> Iterator[Hook]:
    """Show a bar that is gone afterwards; the hook it gives moves it.

    Nothing is shown where standard error is no terminal, or with ``-q``, ``-v`` or ``--debug``:
    a moving bar and a log would write over each other.
    """
    options = click.get_current_context().params
    if options["quiet"] or options["verbose"] or options["debug"] or not _is_watched():
        yield lambda stage, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
    from rich.table import Column

    description = TextColumn(
        "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
    )
    with Progress(
        SpinnerColumn(),
        description,
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    ) as bar:
        task = bar.add_task(subject, total=None)

        def hook(stage: str, share: float) -> None:
            bar.update(task, description=f"{subject} · {stage}", total=1.0, completed=share)

        yield hook
