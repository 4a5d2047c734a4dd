"""Some rows of a store, of one split or several, as if they were a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.store import StoreInfo, StoreSplit
from lddu_pipe.evidence import Example
from lddu_pipe.types import Modality


class Selection:
    """Rows that were chosen from splits of one store, read from disk as they are asked for."""

    def __init__(
        self, parts: Sequence[StoreSplit], places: NDArray[np.int64] | None = None
    ) -> None:
        """Choose rows.

        Args:
            parts: splits of one store, at least one.
            places: which rows of all parts together, counted from 0; all where None.
        """
        self.info = parts[0].info
        self._parts = tuple(parts)
        self._begins = np.cumsum([0, *map(len, parts)])
        self._places = np.arange(self._begins[-1]) if places is None else places
        self.labels = np.concatenate([part.labels for part in parts])[self._places]
        """(rows, labels) float32 in 0..1."""
        self.scales = np.concatenate([part.scales for part in parts])[self._places]
        """(rows, scales) float32 in -1..1, NaN where unknown."""
        self.weights, self.damage = (
            np.concatenate([getattr(part, name) for part in parts])[self._places]
            for name in ("weights", "damage")
        )
        """(rows,) float32 each, see `Example`."""
        self.groups: list[str] = _at(self._places, [part.groups for part in parts])
        """See `StoreSplit.groups`."""
        self.ids: tuple[str, ...] = tuple(_at(self._places, [part.ids for part in parts]))
        self.speakers: tuple[str | None, ...] = tuple(
            _at(self._places, [part.speakers for part in parts])
        )

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Example:
        """Read one row; see `StoreSplit`."""
        place = int(self._places[index])
        part = int(np.searchsorted(self._begins, place, side="right")) - 1
        return self._parts[part][place - int(self._begins[part])]

    def lengths(self, modality: Modality) -> NDArray[np.int64]:
        """Steps of each row, (rows,) int64; 0 where the modality is absent."""
        return np.concatenate([part.lengths(modality) for part in self._parts])[self._places]

    def at(self, chosen: NDArray[np.bool_]) -> Selection:
        """Those of these rows where `chosen`, (rows,), is True."""
        return Selection(self._parts, self._places[chosen])


def _at(places: NDArray[np.int64], parts: Sequence[Sequence[Any]]) -> list[Any]:
    values = [value for part in parts for value in part]
    return [values[place] for place in places.tolist()]


Rows = StoreSplit | Selection


class TrainingRows(Protocol):
    """What a training learns from: `Rows`, or rows drawn and changed as they are asked for.

    Where it has a method ``set_epoch(epoch)``, that is called before each epoch, so that each may
    have rows of its own.
    """

    @property
    def info(self) -> StoreInfo:
        """Labels and features of the rows."""

    def __len__(self) -> int:
        """Rows of an epoch."""

    def __getitem__(self, index: int) -> Example:
        """One row; asked for twice, as after an interruption, it is the same."""
