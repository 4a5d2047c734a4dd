"""Progress on standard error, for a person who is watching it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from lddu_pipe.commands.base import print_warning

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from lddu_pipe.pipelines.batch.work import Outcome, Task


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # None: started with a closed one


def _is_wanted() -> bool:
    options = click.get_current_context().params
    return not (options["quiet"] or options["verbose"] or options["debug"]) and _is_watched()


class Bar:
    """A moving bar on standard error; without a terminal there, or a wish for it, nothing."""

    def __init__(self, subject: str, shown: Progress | None) -> None:
        self._subject = subject
        self._shown = shown
        self._task = None if shown is None else shown.add_task(subject, total=None)

    def __call__(self, stage: str, share: float) -> None:
        """Show a stage, and the share of it that is done."""
        if self._shown is not None and self._task is not None:
            self._shown.update(
                self._task, description=f"{self._subject} · {stage}", total=1.0, completed=share
            )

    def hook(self, step: str, artifact: object, completed: float, total: float) -> None:
        """Show a step of a pipeline, and the seconds of all that are done."""
        self(step, completed / total if total else 0.0)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Make room for lines on standard output, where that is the same terminal."""
        if self._shown is None or not sys.stdout.isatty():
            yield
            return
        self._shown.stop()
        try:
            yield
        finally:
            self._shown.start()


@contextmanager
def progress(subject: str) -> Iterator[Bar]:
    """Show a bar that is gone afterwards; what it gives is the progress callback that moves it.

    Nothing is shown where standard error is no terminal, or with ``-q``, ``-v`` or ``--debug``:
    a moving bar and a log would write over each other.
    """
    if not _is_wanted():
        yield Bar(subject, None)
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
    ) as shown:
        yield Bar(subject, shown)


def log_lines() -> Callable[[str], None]:
    """What takes lines for a log: standard error where no bar is shown; nothing with ``-q``."""
    if click.get_current_context().params["quiet"] or _is_wanted():
        return lambda line: None
    return lambda line: click.echo(line, err=True)


class BatchProgress:
    """One line for a whole batch: files, failures, speed and the time that is left.

    The time left goes by the bytes of the files, as their durations are not known before.
    """

    def __init__(self, *, quiet: bool) -> None:
        """Show nothing yet.

        Args:
            quiet: say nothing at all but errors.
        """
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total = self._done = self._failed = 0
        self._media = 0.0  # s
        self._begun = time.monotonic()

    def __enter__(self) -> BatchProgress:
        if _is_wanted():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=20),
                TimeRemainingColumn(),
                TextColumn("left"),
                console=Console(stderr=True),
                transient=True,
                redirect_stdout=False,
                # One long file may take minutes: an estimate from the last few would jump.
                speed_estimate_period=3600,
            )
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begin(self, total: int, size: int) -> None:
        """Files to do, and their bytes."""
        self._total, self._begun = total, time.monotonic()
        if self._bar is not None:
            self._task = self._bar.add_task(self._description(), total=max(size, 1))

    def start(self, task: Task) -> None:
        """A file is begun; the line changes when it is done."""

    def end(self, task: Task, outcome: Outcome) -> None:
        """A file is done or failed."""
        self._done += 1
        self._failed += outcome.kind == "failed"
        self._media += outcome.statistics.get("duration", 0.0)
        for note in () if self._quiet else outcome.notes:
            print_warning(f"{task.item.name}: {note}")
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=task.item.size, description=self._description())

    def stopping(self, running: int) -> None:
        """A person wants to stop."""
        if not self._quiet:
            files = "file" if running == 1 else "files"
            click.echo(
                f"finishing {running} {files}; press Ctrl-C again to give them up", err=True
            )

    def _description(self) -> str:
        speed = self._media / max(time.monotonic() - self._begun, 1e-9)
        parts = [f"{self._done}/{self._total} files"]
        parts += [f"{self._failed} failed"] if self._failed else []
        parts += [f"{speed:.1f} x real time"] if self._media else []
        return " · ".join(parts)
