"""A live session on a terminal, redrawn in place, and as a line for each utterance."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from lddu_pipe.events import Event, FacesSeen, StreamOpened, UnitJudged, WordsHeard
from lddu_pipe.predictions import Prediction
from lddu_pipe.types import Cue
from lddu_pipe.writers import cards
from lddu_pipe.writers.colours import PEOPLE, share_out
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.people import NOBODY, Names
from lddu_pipe.writers.terminal import COLOURS, TO, WORDLESS, clock
from lddu_pipe.writers.wording import percent, summary

REDRAWS = 8
"""Times a second."""
_LINGERS = 4.0
"""Seconds for which a person's card stays after the last that was heard or seen of them."""
_STATUS = 3
"""Lines below the cards: what is heard, how it goes, and an empty one."""
_ECHO = 4
"""Columns that the terminal needs to show a Ctrl-C or two."""
_WIDEST = 64
"""Columns of a card."""
_MOST_HEARD = 50
"""Cues that are kept, of those that were heard and are not judged yet."""


@dataclass(frozen=True)
class Pace:
    """How well a session keeps up."""

    delay: float
    """Seconds by which results are behind."""
    dropped: float
    """Share of the pictures that were not looked at, 0..1."""


class Lines:
    """Each utterance on a line: when, who, words, emotions."""

    def __init__(self) -> None:
        self._names = Names()

    def line(self, prediction: Prediction) -> Text:
        """The line of an utterance."""
        self._names.meet(prediction)
        who = self._names.of(prediction)
        hours = prediction.end >= 3600
        times = f"{clock(prediction.start, hours)} {TO} {clock(prediction.end, hours)}"
        said = printable(prediction.text)
        return Text.assemble(
            (times, "dim"),
            "  ",
            (f"{printable(who)}: " if who else "", "bold"),
            said or (WORDLESS.get(prediction.kind, ""), "dim italic"),
            "  ",
            (printable(summary(prediction)), "bold" if prediction.present else "dim"),
        )


@dataclass
class _Seen:
    """What was last found of somebody."""

    prediction: Prediction
    running: bool
    at: float


class LiveView:
    """What is to be seen of a session at a moment: a card a person, what is heard, how it goes.

    One thread tells it what happens, another may draw it.
    """

    def __init__(
        self,
        console: Console,
        sources: str,
        pace: Callable[[], Pace],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nobody.

        Args:
            console: that it is drawn on.
            sources: what is listened to and looked at.
            pace: tells how the session keeps up.
            now: seconds of a clock.
        """
        self._console, self._sources, self._pace, self._now = console, sources, pace, now
        self._lock = threading.Lock()
        self._begun = now()
        self._colours: dict[str, str] = {}
        self._names = Names()
        self._order: list[str | None] = []
        """Everybody, as they were met; None is whoever nobody is known to be."""
        self._people: dict[str | None, _Seen] = {}
        self._heard: list[Cue] = []
        self._finishing = False

    def take(self, event: Event) -> None:
        """Know of an event."""
        with self._lock:
            match event:
                case StreamOpened():
                    self._begun = self._now()
                    self._colours = share_out(event.model.labels, COLOURS)
                case WordsHeard():
                    self._heard = [*self._heard, *event.cues][-_MOST_HEARD:]
                case FacesSeen():
                    for face in event.faces:
                        self._keep(face.person)
                case UnitJudged():
                    self._judged(event)

    def finish(self) -> None:
        """Say that nothing more is listened to, and that the rest is being judged."""
        # Without the lock: a signal may call it while its thread holds that.
        self._finishing = True

    def __rich__(self) -> RenderableType:
        """Draw it, no higher than the terminal."""
        with self._lock:
            return Group(*self._cards(), *self._status())

    def _judged(self, event: UnitJudged) -> None:
        prediction = event.prediction
        self._names.meet(prediction)
        person = prediction.person
        if person not in self._order:
            self._order.append(person)
        for other, seen in list(self._people.items()):
            # A voice turns out to be that of somebody in view.
            if other != person and seen.prediction.id == event.replaces:
                del self._people[other]
        last = self._people.get(person)
        # A final result may come when the next one runs already.
        if not event.final or last is None or last.prediction.start <= prediction.start:
            self._people[person] = _Seen(prediction, not event.final, self._now())
        if event.final:
            self._heard = [cue for cue in self._heard if cue.span.end > prediction.end]

    def _keep(self, person: str | None) -> None:
        """Leave the card of somebody who is still in view."""
        if person is not None and person in self._people:
            self._people[person].at = self._now()

    def _cards(self) -> Iterator[RenderableType]:
        now = self._now()
        there = [
            (number, person, self._people[person])
            for number, person in enumerate(self._order)
            if person in self._people and now - self._people[person].at < _LINGERS
        ]
        if not there:
            yield Text("nobody is seen or heard", "dim italic")
            return
        across = max(1, min(len(there), self._console.width // cards.NARROWEST))
        down = max(1, (self._console.height - _STATUS) // cards.HEIGHT)
        width = min(self._console.width // across, _WIDEST)
        table = Table.grid()
        named = self._names.several or len(there) > 1
        drawn = [
            self._card(seen, self._name(person) if named else "", number, width)
            for number, person, seen in there
        ]
        shown = drawn[: across * down]
        for first in range(0, len(shown), across):
            table.add_row(*shown[first : first + across])
        yield table
        if len(drawn) > len(shown):
            yield Text(f"and {len(drawn) - len(shown)} more, for whom there is no room", "dim")

    def _name(self, person: str | None) -> str:
        return NOBODY if person is None else self._names.of_person(person)

    def _card(self, seen: _Seen, name: str, number: int, width: int) -> RenderableType:
        return cards.card(
            seen.prediction,
            name,
            self._colours,
            self._console,
            width,
            colour=PEOPLE[number % len(PEOPLE)],
            running=seen.running,
        )

    def _status(self) -> Iterator[Text]:
        width = self._console.width
        heard = printable(" ".join(cue.text for cue in self._heard))
        if heard:
            yield _end_of(heard, width)
        pace = self._pace()
        on, off = "●○" if self._console.encoding.startswith("utf") else "*o"
        state = (f"{off} finishing  ", "yellow") if self._finishing else (f"{on} ", "bold red")
        seconds = self._now() - self._begun
        elapsed = clock(seconds, seconds >= 3600).rpartition(".")[0]
        line = Text.assemble(state, (elapsed, "bold"))
        line.append(f"  {pace.delay:.1f} s behind", "yellow" if pace.delay > 2 else "dim")
        lost = f"  {percent(pace.dropped)} of pictures dropped"
        line.append(lost if pace.dropped else "", "yellow" if pace.dropped > 0.2 else "dim")
        line.append(f"  Ctrl-C {'gives that up' if self._finishing else 'ends it'}", "dim")
        line.append(f"  {printable(self._sources)}", "dim")
        # Where "^C" is echoed behind it, it must not wrap: rows are counted to draw anew.
        line.truncate(max(width - _ECHO, 1), overflow="ellipsis")
        yield line


def _end_of(text: str, width: int) -> Text:
    """The last of a text that has room on a line."""
    line = Text(f"heard  {text}", "italic")
    if line.cell_len > width:
        line = Text(f"heard … {text[-(width - 9) :].partition(' ')[2]}", "italic")
    line.stylize("dim", 0, 7)
    return line
