"""Which label and which person has which colour, so that both look the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

_Colour = TypeVar("_Colour")

KNOWN = ("happy", "sad", "anger", "surprise", "disgust", "fear")
"""Emotions that have a place in every palette; ``writers/viewer/base.js`` knows them, too."""

PEOPLE = (
    *("#77AADD", "#EE8866", "#44BB99", "#FFAABB"),
    *("#BBCC33", "#99DDFF", "#EEDD88", "#AAAA00"),
)
"""Of several people, in the order of an annotation: Tol's light colours, as in
``writers/viewer/people.js``."""


def share_out(labels: Iterable[str], palette: Sequence[_Colour]) -> dict[str, _Colour]:
    """Give each label a colour: known emotions theirs, others what is free, then all once more.

    Args:
        labels: in order.
        palette: a colour for each of `KNOWN`, and further ones.
    """
    names = list(labels)
    own = {name: palette[KNOWN.index(name)] for name in names if name in KNOWN}
    others = [name for name in names if name not in own]
    free = [colour for colour in palette if colour not in own.values()]
    order = [*free, *palette]
    given = {name: order[at % len(order)] for at, name in enumerate(others)}
    return {name: own.get(name) or given[name] for name in names}
