"""One place that keeps the chatter of other libraries from the person at the terminal.

They talk through five channels: progress bars, Python's warnings, Python's logging, C++ logs
written to file descriptor 2, and the standard error that programs such as ffmpeg inherit. None of
it tells a person what to do; failures arrive as exceptions, and ``-vv`` brings everything back.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import click

from lddu_pipe.writers.escaping import printable

_ENVIRONMENT = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "false",  # or it warns of every process that is started later
}
_EVERYTHING = 2  # -vv


@contextmanager
def only_our_messages(
    verbosity: int, *, quiet: bool = False, native: bool = False
) -> Iterator[None]:
    """Show this package's log on standard error, and nobody else's.

    Args:
        verbosity: 0 shows warnings, 1 what is done, 2 details and what other libraries say.
        quiet: show errors only.
        native: let C++ code and other programs write to standard error all the same, as a person
            who looks for the cause of a crash needs.
    """
    if verbosity < _EVERYTHING:
        # Read when those libraries are imported, which happens later; a person's own choice wins.
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
    with warnings.catch_warnings(), _logging(verbosity, quiet):
        logging.captureWarnings(True)
        try:
            if native or verbosity >= _EVERYTHING:
                yield
            else:
                with _native_stderr_turned_away():
                    yield
        finally:
            logging.captureWarnings(False)


@contextmanager
def _logging(verbosity: int, quiet: bool) -> Iterator[None]:
    levels = [logging.WARNING, logging.INFO, logging.DEBUG]
    level = logging.ERROR if quiet else levels[min(verbosity, _EVERYTHING)]
    handler = _StderrHandler()
    ours, root = logging.getLogger("lddu_pipe"), logging.getLogger()
    # A handler at the root also stops logging's last resort, which prints any warning.
    at_root = handler if verbosity >= _EVERYTHING else logging.NullHandler()
    ours.addHandler(handler)
    root.addHandler(at_root)
    before, propagate = ours.level, ours.propagate
    ours.setLevel(level)
    ours.propagate = False
    try:
        yield
    finally:
        ours.setLevel(before)
        ours.propagate = propagate
        ours.removeHandler(handler)
        root.removeHandler(at_root)


class _StderrHandler(logging.Handler):
    """Writes printable lines to what `sys.stderr` is now; it changes under our hands."""

    def emit(self, record: logging.LogRecord) -> None:
        level = record.levelname.lower()  # as in the other messages
        click.echo(printable(f"lddu-pipe: {level}: {self.format(record)}"), err=True)


@contextmanager
def _native_stderr_turned_away() -> Iterator[None]:
    """Point file descriptor 2 to nowhere; `sys.stderr` keeps writing to where it did."""
    ours = sys.stderr
    try:
        kept = os.dup(2)
    except OSError:  # closed, so nothing can be written to it
        yield
        return
    shared = _writes_to_descriptor_2(ours)
    if shared:
        ours.flush()
        sys.stderr = os.fdopen(
            os.dup(kept), "w", buffering=1, encoding=ours.encoding, errors="backslashreplace"
        )
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        if shared:
            sys.stderr.close()
            sys.stderr = ours


def _writes_to_descriptor_2(stream: IO[str]) -> bool:
    try:
        return stream.fileno() == 2
    except io.UnsupportedOperation:  # an object in memory, as in tests
        return False
