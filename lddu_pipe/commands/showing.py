"""Events of a live session for who watches it: redrawn in place, as lines, or as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from lddu_pipe.events import Event
    from lddu_pipe.writers.live import Pace

_STATUS_EVERY = 1.0
"""Seconds between two lines of JSON that say how the session goes."""


class Show(Protocol):
    """Passes events on as it shows them."""

    def __call__(self, events: Iterable[Event]) -> Iterator[Event]:
        """Show each event and give it on."""
        ...

    def finish(self) -> None:
        """Say that nothing more is taken, and the rest is being judged."""
        ...


class ShownAsJson:
    """A line of JSON an event, and one a second of how the session goes."""

    def __init__(self, pace: Callable[[], Pace]) -> None:
        """Show nothing yet.

        Args:
            pace: tells how the session keeps up.
        """
        self._pace = pace

    def __call__(self, events: Iterable[Event]) -> Iterator[Event]:
        """Print and give on."""
        from lddu_pipe.writers.events import event_values

        told = time.monotonic()
        for event in events:
            values = event_values(event)
            if values is not None:
                _print_json(values)
            if time.monotonic() - told > _STATUS_EVERY:
                told, pace = time.monotonic(), self._pace()
                delay, dropped = round(pace.delay, 3), round(pace.dropped, 4)
                _print_json({"type": "status", "delay": delay, "dropped": dropped})
            yield event

    def finish(self) -> None:
        """Who reads JSON sees it by what comes."""


def _print_json(values: dict[str, Any]) -> None:
    line = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    click.echo(line.encode("utf-8", "backslashreplace"))


class ShownAsLines:
    """A line of text for each utterance, for pipes and files."""

    def __init__(self, *, quiet: bool) -> None:
        """Show nothing yet.

        Args:
            quiet: say nothing beside it.
        """
        self._quiet = quiet

    def __call__(self, events: Iterable[Event]) -> Iterator[Event]:
        """Print and give on."""
        from lddu_pipe.events import UnitJudged
        from lddu_pipe.writers.live import Lines

        lines = Lines()
        for event in events:
            if isinstance(event, UnitJudged) and event.final:
                click.echo(lines.line(event.prediction).plain)
            yield event

    def finish(self) -> None:
        """Say so on standard error."""
        if not self._quiet:
            click.echo("finishing; press Ctrl-C again to give it up", err=True)


class ShownInPlace:
    """Cards that are redrawn, on a terminal; utterances that have ended scroll up above them."""

    def __init__(self, sources: str, pace: Callable[[], Pace]) -> None:
        """Show nothing yet.

        Args:
            sources: what is listened to and looked at.
            pace: tells how the session keeps up.
        """
        from lddu_pipe.writers.live import LiveView
        from lddu_pipe.writers.terminal import open_console

        self._console = open_console(sys.stdout)
        self._view = LiveView(self._console, sources, pace)

    def __call__(self, events: Iterable[Event]) -> Iterator[Event]:
        """Draw and give on."""
        from rich.live import Live as Redrawn

        from lddu_pipe.events import UnitJudged
        from lddu_pipe.writers.live import REDRAWS, Lines

        lines = Lines()
        with Redrawn(
            get_renderable=self._view.__rich__,
            console=self._console,
            refresh_per_second=REDRAWS,
            transient=True,
            redirect_stdout=False,
            vertical_overflow="crop",
        ):
            for event in events:
                self._view.take(event)
                if isinstance(event, UnitJudged) and event.final:
                    self._console.print(lines.line(event.prediction))
                yield event

    def finish(self) -> None:
        """Say so beside the clock."""
        self._view.finish()
