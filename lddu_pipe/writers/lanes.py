"""Utterances in lanes, one or more a person, for formats whose tiers may not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lddu_pipe.predictions import Prediction
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.people import Names


@dataclass(frozen=True)
class Placed:
    """An utterance with the times it gets in a file."""

    start: float
    """In the unit of the file."""
    end: float
    """In the unit of the file; always after `start`."""
    prediction: Prediction


@dataclass(frozen=True)
class Lane:
    """Utterances of one person of which no two overlap, in order of time."""

    who: str | None
    """What the person is called, None where that is not known or goes without saying."""
    number: int
    """1 for the first lane of a person; there are more only where they overlap themselves."""
    places: Sequence[Placed]

    def name(self, content: str) -> str:
        """The name of the lane's tier for `content`: ``text``, ``text@Ana`` or ``text2@Ana``."""
        numbered = content if self.number == 1 else f"{content}{self.number}"
        return f"{numbered}@{self.who}" if self.who else numbered


def whole_milliseconds(prediction: Prediction) -> tuple[int, int]:
    """Return start and end in ms; an utterance without length gets 1 ms, as formats need some."""
    start = max(round(prediction.start * 1000), 0)
    return start, max(round(prediction.end * 1000), start + 1)


def lanes(places: Sequence[Placed], names: Names) -> list[Lane]:
    """Sort utterances into lanes, each into the first of its person that is free.

    Args:
        places: the utterances of an annotation.
        names: of the people in it.

    Returns:
        The lanes of each person side by side, people in the order of their first utterances.
        Where there is nothing to place, one empty lane of nobody.
    """
    taken: dict[str | None, list[list[Placed]]] = {}
    for place in sorted(places, key=lambda place: (place.start, place.end)):
        who = printable(names.of(place.prediction) or "") or None
        own = taken.setdefault(who, [])
        free = next((lane for lane in own if lane[-1].end <= place.start), None)
        if free is None:
            own.append([place])
        else:
            free.append(place)
    return [
        Lane(who, number, lane)
        for who, own in (taken or {None: [[]]}).items()
        for number, lane in enumerate(own, start=1)
    ]
