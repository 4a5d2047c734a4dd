"""What a small face is worth: its logits brought to what they mean where a face is large.

A face of few pixels looks like a blurred one: the model leans to "no emotion", and is surer of it
than it is right. So each label's logit is scaled and shifted by the height of the face before the
set of modalities is calibrated. Lines join the heights that were measured; from the largest on,
and where the height is unknown, nothing changes. `applying` sees to it that no emotion that is
likely becomes more so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SmallFaces:
    """What was learned from faces of several heights, for one set of modalities."""

    heights: tuple[float, ...]
    """Pixels from chin to forehead, increasing; what is smaller is taken for the smallest."""
    slope: tuple[tuple[float, ...], ...]
    """(heights, labels): a logit is multiplied by it; 1 at the largest height."""
    offset: tuple[tuple[float, ...], ...]
    """(heights, labels): then it is added; 0 at the largest height."""
    doubt: tuple[float, ...]
    """(heights,): how many times as large errors are as sigma lets expect; 1 at the largest."""

    def __post_init__(self) -> None:
        shape = np.shape(self.slope)
        rising = np.diff([0.0, *self.heights]) > 0
        if not self.heights or not rising.all():
            raise ValueError(f"heights lie above 0 and increase, got {self.heights}")
        if shape[0] != len(self.heights) or np.shape(self.offset) != shape:
            raise ValueError(f"slope {shape} and offset {np.shape(self.offset)} differ in shape")
        if len(self.doubt) != len(self.heights):
            raise ValueError(f"{len(self.doubt)} doubts of {len(self.heights)} heights")
        if {*self.slope[-1], 1.0, self.doubt[-1]} != {1.0} or any(self.offset[-1]):
            raise ValueError("the largest height changes nothing")

    @classmethod
    def worth_as_much(cls, labels: int) -> Self:
        """Nothing changes at any height."""
        return cls((1.0,), ((1.0,) * labels,), ((0.0,) * labels,), (1.0,))

    def logits(
        self, logits: NDArray[np.floating], height: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """What logits would mean if the faces were large.

        Args:
            logits: (rows, ..., labels), before calibration.
            height: (rows,) pixels, NaN where unknown.
        """
        known = self._known(height)
        between = (len(known), *[1] * (np.ndim(logits) - 2), -1)
        slope, offset = (
            np.stack([np.interp(known, self.heights, line) for line in np.transpose(table)], 1)
            for table in (self.slope, self.offset)
        )
        moved: NDArray[np.float64] = logits * slope.reshape(between) + offset.reshape(between)
        return moved

    def doubt_at(self, height: NDArray[np.floating]) -> NDArray[np.float64]:
        """How many times as large errors are, (rows,), by `height`, (rows,), NaN where unknown."""
        return np.asarray(np.interp(self._known(height), self.heights, self.doubt), np.float64)

    def _known(self, height: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.where(np.isnan(height), self.heights[-1], height)

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> Self:
        """Read the fields as JSON keeps them."""
        return cls(
            _floats(item["heights"]),
            tuple(map(_floats, item["slope"])),
            tuple(map(_floats, item["offset"])),
            _floats(item["doubt"]),
        )


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
