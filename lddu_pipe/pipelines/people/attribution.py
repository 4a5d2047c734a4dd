"""Whose a voice most likely is: what mouths do while it is heard, weighed in nats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.pipelines.people.articulation import SHAPES
from lddu_pipe.types import TimeSpan

CONTIGUOUS = 0.3
"""Seconds between rows, at most, of which one follows the other."""
NEARBY = 0.5
"""Seconds on either side over which movement is averaged."""
SPEAKS = 0.12
"""Movement of a mouth that speaks as likely as not."""
PER_SECOND = 1.5
"""Nats, at most, that a second of movement or of rest says for or against a mouth."""
FAMILIAR = 1.0
"""Seconds without a voice after which half of what a mouth does then is held against it."""
UNCOMPARED = 2.0
"""Nats from which a mouth moves; and, at most, for one of several that do, before it was seen what
it does while the voice is not heard."""
SETTLED = 10.0
"""Seconds after which half of that bound is gone."""
MOST_EVIDENCE = 40.0
"""Nats, at most, of all that was seen of a mouth while a voice was heard."""
MOST_LOCAL = 3.0
"""Nats, at most, of what is seen of it in one utterance."""


class Mouth(NamedTuple):
    """What was seen of one mouth, in order of time."""

    times: NDArray[np.float64]
    """(n,) seconds."""
    shapes: NDArray[np.float32]
    """(n, SHAPES)."""
    moved: NDArray[np.float32]
    """(n,) movement since the row before; NaN where none is known."""

    def between(self, start: float, end: float) -> Mouth:
        """The rows from one moment to before another."""
        rows = slice(*np.searchsorted(self.times, (start, end)))
        return Mouth(self.times[rows], self.shapes[rows], self.moved[rows])


NO_MOUTH = Mouth(np.zeros(0), np.zeros((0, SHAPES), np.float32), np.zeros(0, np.float32))


class Moves(NamedTuple):
    """How the mouths of people move, one after the other; (people,) each."""

    elsewhere: NDArray[np.float64]
    """Nats for them to be who is heard, of movement while the voice is heard at other times."""
    here: NDArray[np.float64]
    """Nats, of movement in the utterance that is asked for."""
    uncompared: NDArray[np.float64]
    """Nats of both, whatever the mouth does while the voice is not heard."""
    quiet: NDArray[np.float64]
    """Seconds in which the mouth was seen and the voice not heard."""

    @property
    def several(self) -> NDArray[np.bool_]:
        """Whose mouths move while the voice is heard, where that is more than one."""
        moving = self.uncompared > UNCOMPARED
        return np.asarray(moving & (moving.sum() > 1))


class Voice:
    """When a voice is heard."""

    def __init__(self, turns: Iterable[tuple[float, float, int | str | None]]) -> None:
        """Take the start and end of turns, in seconds."""
        spans = np.array(sorted(turn[:2] for turn in turns)).reshape(-1, 2)
        self._starts = spans[:, 0]
        self._ends = np.maximum.accumulate(np.append(-np.inf, spans[:, 1]))

    def at(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether it is heard, at each of some moments."""
        return np.asarray(times < self._ends[np.searchsorted(self._starts, times, side="right")])


def joined(parts: Sequence[Mouth]) -> Mouth:
    """The rows of several mouths as one's, in order of time."""
    times = np.concatenate([np.zeros(0), *(part.times for part in parts)])
    shapes = np.concatenate([NO_MOUTH.shapes, *(part.shapes for part in parts)])
    moved = np.concatenate([NO_MOUTH.moved, *(part.moved for part in parts)])
    order = np.argsort(times, kind="stable")
    return Mouth(times[order], shapes[order], moved[order])


def moves_of(
    mouth: Mouth, span: TimeSpan, own: Voice, any_voice: Voice, told: float
) -> tuple[float, float, float, float]:
    """How a mouth moves while a voice is heard, against what it does otherwise.

    Args:
        mouth: what was seen of it.
        span: of the utterance.
        own: the voice; while it is heard, its mouth moves.
        any_voice: while this is not heard, it need not.
        told: seconds up to which it is known who was heard.

    Returns:
        What `Moves` holds of each person.
    """
    known = np.flatnonzero(np.isfinite(mouth.moved))
    times, moved = mouth.times[known], mouth.moved[known]
    sums = np.append(0.0, np.cumsum(moved, dtype=np.float64))
    first = np.searchsorted(times, times - NEARBY)
    last = np.searchsorted(times, times + NEARBY, side="right")
    mean = np.maximum((sums[last] - sums[first]) / (last - first), 1e-6)
    rate = PER_SECOND * np.clip(np.log(mean / SPEAKS), -1, 1)
    seconds = np.minimum(np.diff(mouth.times, prepend=-np.inf)[known], CONTIGUOUS)
    here = (times >= span.start) & (times < span.end)
    heard = own.at(times)
    otherwise = ~here & ~any_voice.at(times) & (times < told)
    quiet = float(seconds[otherwise].sum())
    usual = float((rate * seconds)[otherwise].sum()) / (quiet + FAMILIAR)
    nats = (rate - max(0.0, usual)) * seconds
    now = nats[here & heard] if (here & heard).any() else nats[here]
    uncompared = float((rate * seconds)[heard | here].sum())
    return float(nats[heard & ~here].sum()), float(now.sum()), uncompared, quiet


def choose(
    moves: Moves,
    coherent: NDArray[np.float64],
    in_view: NDArray[np.bool_],
    unseen: float,
    doubt: float,
) -> int | None:
    """Whose voice it most likely is.

    Args:
        moves: of people.
        coherent: (people,) nats, of movement with the sound of the voice.
        in_view: (people,) who could be meant.
        unseen: nats of somebody out of view against somebody in view, before anything was seen.
        doubt: how often one voice is taken for another.

    Returns:
        The place of who speaks; None: somebody out of view.
    """
    compared = np.where(moves.several, moves.quiet / (moves.quiet + SETTLED), 1.0)
    most = UNCOMPARED + (MOST_EVIDENCE - UNCOMPARED) * compared
    elsewhere = np.clip(moves.elsewhere, -MOST_EVIDENCE, most)
    here = np.clip(moves.here, -MOST_LOCAL, np.minimum(MOST_LOCAL, most - elsewhere))
    out_of_view = unseen - np.log(1 + (~in_view).sum())
    nats = elsewhere + coherent + np.where(in_view, 0, out_of_view)
    nats = np.append(nats, out_of_view)
    owns = np.exp(nats - nats.max())
    speaks = (1 - doubt) * owns / owns.sum() + doubt / len(owns)
    nobody = np.log(speaks[~np.append(in_view, False)].sum())
    scores = np.where(in_view, np.log(speaks[:-1]) + here, -np.inf)
    best = int(scores.argmax())
    return best if scores[best] > nobody else None
