"""Padded features of a split, brought into the rows of a store."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.layouts import Columns, Features, column_of, ids_of
from lddu_pipe.datasets.padding import (
    Cut,
    Side,
    cut_padding,
    find_padding,
    sampled_rows,
    shown_steps,
)
from lddu_pipe.datasets.segments import name_of
from lddu_pipe.datasets.targets import text_of
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.types import MODALITIES, Modality


class Rows:
    """Reads the rows of one split, and counts what was done to them."""

    def __init__(
        self, part: Columns, features: Features, split: str, origin: str, *, aligned: bool
    ) -> None:
        self._part, self._features, self._split, self._origin = part, features, split, origin
        self._count, self._aligned = len(features["text"]), aligned
        self._lengths = {name: self._lengths_of(name) for name in features}
        self.remarks: list[str] = []
        """What people should know, once the rows are read."""

    def _lengths_of(self, modality: Modality) -> NDArray[np.int64] | None:
        key = f"{modality}_lengths"
        if key not in self._part:
            return None
        steps = np.array([len(row) for row in self._features[modality]])
        try:
            found = np.asarray(self._part[key]).ravel()
        except ValueError:  # lists of different lengths
            found = np.zeros(self._count)
        if len(found) != self._count:
            raise UnusableInputError(
                f"{self._origin}: {len(found)} of {key}, but {self._count} rows"
            )
        if not np.issubdtype(found.dtype, np.integer) or ((found < 0) | (found > steps)).any():
            raise UnusableInputError(
                f"{self._origin}: {key} are not whole numbers in 0..{steps.max()}"
            )
        return found.astype(np.int64)

    def read(self, targets: NDArray[np.float32]) -> tuple[list[Example], dict[str, Any]]:
        """All rows that show something, and what was cleaned, by modality."""
        ids = ids_of(self._part, self._count, self._origin) or range(self._count)
        texts: Sequence[Any] = [""] * self._count
        if "raw_text" in self._part:
            texts = column_of(self._part, "raw_text", self._count, self._origin)
        cleaned: Counter[str] = Counter(dict.fromkeys(MODALITIES, 0))
        absent: Counter[str] = Counter(dict.fromkeys(MODALITIES, 0))
        beyond: Counter[Modality] = Counter()
        kept: Counter[Modality] = Counter()
        sides = self._sides()
        rows: list[Example] = []
        for index in range(self._count):
            values: dict[Modality, NDArray[np.float32]] = {}
            for name, of_modality in self._features.items():
                values[name], broken = _finite(of_modality[index])
                cleaned[name] += broken
            shown = {name: shown_steps(item) for name, item in values.items()}
            cuts = self._cuts(index, shown, sides)
            beyond.update(name for name, cut in cuts.items() if cut.beyond)
            kept.update(name for name, cut in cuts.items() if cut.kept)
            steps = {
                name: Steps(values[name][cut.begin : cut.end], shown[name][cut.begin : cut.end])
                for name, cut in cuts.items()
            }
            present = {name: item for name, item in steps.items() if item.valid.any()}
            absent.update(name for name in MODALITIES if name not in present)
            if present:
                identifier, text = name_of(ids[index]), _text(texts[index])
                rows.append(Example.of(identifier, targets[index], present, text))
        self._tell(sides, beyond, kept)
        return rows, {
            "rows": len(rows),
            "left_out": self._count - len(rows),
            "infinite_or_nan": dict(cleaned),
            "absent": dict(absent),
        }

    def _sides(self) -> dict[Modality, Side]:
        chosen = sampled_rows(self._count)
        if self._aligned:
            joint = (
                np.concatenate([_finite(rows[i])[0] for rows in self._features.values()], axis=1)
                for i in chosen
            )
            return dict.fromkeys(self._features, find_padding(joint) or "back")
        found: dict[Modality, Side | None] = {}
        for name, rows in self._features.items():
            lengths = self._lengths[name]
            known = None if lengths is None else lengths[chosen]
            found[name] = find_padding((_finite(rows[i])[0] for i in chosen), known)
        # Noise that looks like the rest tells nothing; who pads one modality in front pads all.
        usual: Side = next((side for side in found.values() if side is not None), "back")
        return {name: side or usual for name, side in found.items()}

    def _cuts(
        self, index: int, shown: Mapping[Modality, NDArray[np.bool_]], sides: dict[Modality, Side]
    ) -> dict[Modality, Cut]:
        if self._aligned:
            any_shown = np.logical_or.reduce(list(shown.values()))
            return dict.fromkeys(shown, cut_padding(any_shown, sides["text"], None))
        cuts: dict[Modality, Cut] = {}
        for name, of_modality in shown.items():
            lengths = self._lengths[name]
            length = None if lengths is None else int(lengths[index])
            cuts[name] = cut_padding(of_modality, sides[name], length)
        return cuts

    def _tell(
        self, sides: Mapping[Modality, Side], beyond: Counter[Modality], kept: Counter[Modality]
    ) -> None:
        in_front = [name for name, side in sides.items() if side == "front"]
        if in_front:
            self.remarks.append(
                f"{self._split}: padding in front of {', '.join(in_front)} was found and cut"
            )
        for name, count in beyond.items():
            self.remarks.append(
                f"{self._split}: rows with {name} beyond {name}_lengths, which was cut: {count}"
            )
        for name, count in kept.items():
            self.remarks.append(
                f"{self._split}: rows whose {name}_lengths would cut what is no padding, and were "
                f"not used: {count}"
            )


def _finite(row: NDArray[Any]) -> tuple[NDArray[np.float32], int]:
    """A copy in float32, 0 where a value was not finite, and how many were not."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
        values = row.astype(np.float32)
    broken = ~np.isfinite(values)
    values[broken] = 0.0
    return values, int(broken.sum())


def _text(value: Any) -> str:  # noqa: ANN401 - a text, words, or nothing
    if isinstance(value, list | tuple | np.ndarray):
        return " ".join(text_of(word) for word in np.ravel(np.asarray(value, object)))
    nothing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if nothing else text_of(value)
