"""Where in an array the steps of a row are, and where its padding."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_MOST_ROWS = 512
"""Rows of a split that are looked at to find its padding."""
_CLEARLY = 4.0
"""Times more energy in one end than in the other, in which case that other one is padding."""

Side = Literal["front", "back"]


@dataclass(frozen=True)
class Cut:
    """The steps of a row that are kept."""

    begin: int
    end: int
    beyond: bool = False
    """Steps outside that show something were cut, since the lengths of the file say so."""
    kept: bool = False
    """The lengths of the file would have cut what is no padding, and were not used: there are
    zeros where the padding is, or nothing is shown where they say that the row is. Lengths that
    were counted up to the first step of zeros are like that."""


def shown_steps(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """(steps,) bool, where `values` (steps, features) is anything but 0."""
    return np.asarray(values.any(axis=1), np.bool_)


def sampled_rows(count: int) -> list[int]:
    """Which of `count` rows are enough to find the padding of all."""
    chosen = np.linspace(0, count - 1, min(count, _MOST_ROWS))
    return sorted({int(index) for index in chosen})


def find_padding(
    rows: Iterable[NDArray[np.floating]], lengths: Iterable[int] | None = None
) -> Side | None:
    """At which end the rows of a split are padded; None where only lengths say that they are.

    Where lengths are given, the end with much less energy is the padding, be it zeros or noise;
    else, or where that is no answer, the end at which there are more steps of zeros.

    Args:
        rows: (steps, features) each, finite.
        lengths: of each row, steps that are no padding; None where the file does not say.
    """
    votes = {"front": 0, "back": 0}
    zeros = {"front": 0, "back": 0}
    padded = False
    known = itertools.repeat(None) if lengths is None else lengths
    for row, length in zip(rows, known, strict=False):
        shown = np.flatnonzero(shown_steps(row))
        if not len(shown):
            continue
        zeros["front"] += int(shown[0])
        zeros["back"] += len(row) - 1 - int(shown[-1])
        spare = 0 if length is None else len(row) - int(length)
        if spare:
            padded = True
            energy = np.square(row, dtype=np.float64).sum(axis=1)
            front, back = float(energy[:spare].sum()), float(energy[-spare:].sum())
            votes["back"] += front > _CLEARLY * back
            votes["front"] += back > _CLEARLY * front
    if votes["front"] != votes["back"]:
        return "front" if votes["front"] > votes["back"] else "back"
    if zeros["front"] != zeros["back"]:
        return "front" if zeros["front"] > zeros["back"] else "back"
    return None if padded else "back"


def cut_padding(shown: NDArray[np.bool_], side: Side, length: int | None) -> Cut:
    """Which steps of a row are kept.

    Args:
        shown: (steps,) bool, as `shown_steps` gives it.
        side: where the padding is.
        length: steps that are no padding, None where the file does not say.

    Returns:
        A range that begins and ends with a step that shows something, except that steps of
        zeros in front of a row that is padded behind belong to it; empty where nothing is shown.
    """
    there = np.flatnonzero(shown)
    if not len(there):
        return Cut(0, 0)
    first, last = int(there[0]), int(there[-1]) + 1
    begin = 0 if side == "back" else first
    if length is None:
        return Cut(begin, last)
    low = 0 if side == "back" else len(shown) - length
    inside = there[(there >= low) & (there < low + length)]
    beyond = len(inside) < len(there)
    has_zeros = last < len(shown) if side == "back" else first > 0
    if beyond and (has_zeros or (length and not len(inside))):
        return Cut(begin, last, kept=True)
    if not len(inside):
        return Cut(0, 0, beyond=beyond)
    return Cut(max(begin, low), int(inside[-1]) + 1, beyond=beyond)
