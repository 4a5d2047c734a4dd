"""How many voices there are: points of short pieces of speech, put together.

Points of one person differ with the emotion, so a fixed distance between points says little. What
is compared is how similar two groups are to each other, measured by how similar each is to itself.
How much it must be was fitted, by logistic regression, to pairs of groups of known voices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

LEAST = 3.0
"""Seconds that a voice must speak to count: a laugh or a scream is no new person."""
ITSELF = 0.55
"""Similarity of pieces of one voice, where there are too few to measure it."""
_REQUIRED, _BY_LENGTH, _BY_ITSELF = 0.95, 0.1, 0.49
_LONG = 10.0  # seconds from which more of a voice does not make it better known
_START = 8  # groups, at most, from which putting together by `likeness` begins
_ROUNDS = 10


@dataclass(frozen=True)
class Group:
    """What is kept of a voice, however long it speaks."""

    total: NDArray[np.float64]
    """(d,) sum of its points, each weighted by its seconds."""
    seconds: float
    squares: float
    """Sum of the squares of the pieces' seconds."""

    @classmethod
    def of(cls, points: NDArray[np.float32], seconds: NDArray[np.float64]) -> Self:
        """The group of (n, d) points of unit length that last `seconds`, (n,)."""
        return cls(seconds @ points, float(seconds.sum()), float((seconds**2).sum()))

    def __add__(self, other: Group) -> Group:
        return Group(
            self.total + other.total,
            self.seconds + other.seconds,
            self.squares + other.squares,
        )

    @property
    def itself(self) -> float:
        """Mean similarity of two different pieces of it."""
        pairs = self.seconds**2 - self.squares
        if pairs < 1e-6 * self.seconds**2:
            return ITSELF
        return max(0.05, (float(self.total @ self.total) - self.squares) / pairs)

    @property
    def centre(self) -> NDArray[np.float64]:
        """(d,) unit length."""
        return np.asarray(self.total / np.linalg.norm(self.total))


def likeness(one: Group, other: Group) -> float:
    """How like one voice two groups are; from 0 up they are one.

    The similarity of their pieces, where 1 is that of each group's own, less what is required: the
    more, the longer both speak and the more each differs from itself.
    """
    mean = float(one.total @ other.total) / (one.seconds * other.seconds)
    length = np.log(min(one.seconds, other.seconds, _LONG))
    required = _REQUIRED + _BY_LENGTH * length - _BY_ITSELF * (one.itself + other.itself)
    return float(mean / np.sqrt(one.itself * other.itself) - required)


def find_groups(points: NDArray[np.float32], seconds: NDArray[np.float64]) -> NDArray[np.intp]:
    """Put pieces of speech together that are of one voice.

    Args:
        points: (n, d) of unit length, at least one.
        seconds: (n,) that each lasts.

    Returns:
        (n,) of each piece the number of its group, from 0 in order of appearance.
    """
    found = split(points)
    for _ in range(_ROUNDS):
        found = _joined(found, points, seconds)
        nearest = np.unique(found)[(points @ centres(found, points, seconds).T).argmax(1)]
        if (nearest == found).all():
            break
        found = nearest
    return in_order(_joined(found, points, seconds))


def split(points: NDArray[np.float32]) -> NDArray[np.intp]:
    """Groups of similar points, more than there are voices: (n,) numbers of them."""
    if len(points) == 1:
        return np.zeros(1, np.intp)
    return np.asarray(
        fcluster(linkage(points, "ward"), min(_START, len(points)), "maxclust"), np.intp
    )


def centres(
    found: NDArray[np.intp], points: NDArray[np.float32], seconds: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(groups, d) of unit length, in order of the groups' numbers."""
    middles = [_group(found, number, points, seconds).centre for number in np.unique(found)]
    return np.stack(middles).astype(np.float32)


def in_order(numbers: Iterable[int]) -> NDArray[np.intp]:
    """The same groups, numbered from 0 in order of appearance."""
    known: dict[int, int] = {}
    return np.array([known.setdefault(int(n), len(known)) for n in numbers], np.intp)


def _group(
    found: NDArray[np.intp],
    number: int,
    points: NDArray[np.float32],
    seconds: NDArray[np.float64],
) -> Group:
    own = found == number
    return Group.of(points[own], seconds[own])


def _joined(
    found: NDArray[np.intp], points: NDArray[np.float32], seconds: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Join the two most similar groups until all differ, and those that are too short."""
    found = found.copy()
    groups = {int(n): _group(found, n, points, seconds) for n in np.unique(found)}
    while len(groups) > 1:
        likenesses = {
            (a, b): likeness(groups[a], groups[b]) for a in groups for b in groups if a < b
        }
        pair = max(likenesses, key=lambda names: likenesses[names])
        if likenesses[pair] < 0:
            least = min(groups, key=lambda n: groups[n].seconds)
            if groups[least].seconds >= LEAST:
                break
            pair = max(
                (names for names in likenesses if least in names),
                key=lambda names: likenesses[names],
            )
        kept, gone = pair
        groups[kept] += groups.pop(gone)
        found[found == gone] = kept
    return found
