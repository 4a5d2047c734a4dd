"""The published feature files of CMU-MOSEI and M3ED, brought into a feature store.

Layouts: a pickle or torch file of {train, valid, test}, each a dict of ``text``, ``audio`` and
``vision`` (rows, steps, features), or ``src-text``, ``src-audio`` and ``src-visual`` in the older
one; with ``id``, ``raw_text``, ``tgt`` or ``labels``, ``audio_lengths`` and ``vision_lengths``
where they are; ``dict`` says what the tokens of ``tgt`` mean. `layouts` knows others.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.layouts import Columns, splits_of
from lddu_pipe.datasets.padding import (
    Cut,
    Side,
    cut_padding,
    find_padding,
    sampled_rows,
    shown_steps,
)
from lddu_pipe.datasets.pickles import read_untrusted
from lddu_pipe.datasets.segments import LabelTable, name_of
from lddu_pipe.datasets.store import SPLITS, Steps, StoreInfo, StoreRow, StoreWriter
from lddu_pipe.datasets.targets import (
    Tokens,
    is_matrix,
    targets_of,
    targets_of_intensities,
    text_of,
)
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import M3ED, MOSEI, LabelSet
from lddu_pipe.types import MODALITIES, Modality

LABEL_SETS = {"mosei": MOSEI, "m3ed": M3ED}
_KEYS: dict[Modality, tuple[str, ...]] = {
    "text": ("text", "src-text"),
    "audio": ("audio", "src-audio"),
    "vision": ("vision", "src-visual", "src-vision"),
}
_SWAPPED = (342, 1024)
"""Sizes of M3ED's audio and vision, as the public code names what RUCM3ED calls the reverse."""
Features = dict[Modality, Sequence[NDArray[Any]]]
"""(steps, features) of each row."""


def import_official(
    source: Path, output: Path, kind: str, *, labels: Path | None = None
) -> StoreInfo:
    """Read a published feature file and write a store.

    Infinite and NaN values become 0 and are counted. Padding is cut: steps of zeros at the end of
    a row, or at its beginning in a file that is padded there, and steps beyond the lengths the
    file gives; in between, steps of zeros show nothing. A modality without any step that shows
    something is absent. In M3ED a row is a whole dialogue, and its labels are the union of those
    of its utterances.

    Args:
        source: the file.
        output: folder of the store; it must not be there or be empty.
        kind: "mosei" or "m3ed".
        labels: a CSV of labels, where the file has none; see `LabelTable`.

    Returns:
        What the store holds; ``notes`` say what was cleaned and left out, by split, and in
        ``remarks`` what else people should know.

    Raises:
        UnusableInputError: the file holds code, or shapes, row counts or labels are wrong; the
            message names file, split and row.
    """
    label_set = LABEL_SETS[kind]
    parts, rest = splits_of(source, read_untrusted(source))
    remarks: list[str] = []
    tokens = _tokens(rest, label_set, source, remarks)
    table = LabelTable(labels, tokens) if labels is not None else None
    checked = {split: _features(part, f"{source}, {split}") for split, part in parts.items()}
    sizes = _sizes(source, checked)
    if (sizes["audio"], sizes["vision"]) == _SWAPPED and label_set == M3ED:
        remarks.append(
            "what this file calls audio (342) are the faces of RUCM3ED, and its vision (1024) is "
            "the sound: the public code names them so, and the names are kept"
        )
    aligned = all(_aligned(parts[split], rows) for split, rows in checked.items())
    info = StoreInfo(
        name=f"{kind} ({source.name})",
        labels=label_set.labels,
        aligned=aligned,
        feature_sizes=sizes,
        fingerprints={name: f"{kind}-official:{name}:{size}" for name, size in sizes.items()},
        synthetic=bool(parts["train"].get("synthetic", False)) if "train" in parts else False,
    )
    with StoreWriter(output, info) as writer:
        notes: dict[str, dict[str, Any]] = {}
        for split in [name for name in SPLITS if name in parts]:
            origin = f"{source}, {split}"
            part, features = parts[split], checked[split]
            targets = _targets(part, split, len(features["text"]), origin, tokens, table, remarks)
            if label_set == M3ED:
                remarks += _tell_of_cut_utterances(part, features, split, origin, tokens)
            reader = _Rows(part, features, split, origin, aligned=aligned)
            found, notes[split] = reader.read(targets)
            remarks += reader.remarks
            if not found:
                raise UnusableInputError(f"{origin}: no row has any feature that is not zero")
            writer.write_rows(split, found)
        writer.note("cleaned", notes)
        writer.note("remarks", remarks)
        return writer.finished_info()


def _tokens(rest: Columns, label_set: LabelSet, source: Path, remarks: list[str]) -> Tokens:
    """What the tokens of the file mean: what it says itself, else what is usual."""
    of_file = rest.get("dict")
    of_file = of_file if isinstance(of_file, Mapping) else {}
    names = next((value for key, value in of_file.items() if text_of(key) == "tgt"), None)
    if names is None:
        return Tokens.published(label_set)
    if not isinstance(names, Mapping):
        raise UnusableInputError(f"{source}: dict.tgt is no dict of names and tokens")
    tokens = Tokens.of_map(names, label_set, f"{source}: dict.tgt")
    if tokens != Tokens.published(label_set):
        told = ", ".join(
            f"{label} {token}"
            for label, token in zip(tokens.order, sorted(tokens.columns), strict=True)
        )
        remarks.append(f"labels have the tokens of the file's own dict.tgt: {told}")
    return tokens


def _features(part: Columns, origin: str) -> Features:
    found: Features = {}
    for modality, keys in _KEYS.items():
        key = next((key for key in keys if key in part), None)
        if key is None:
            raise UnusableInputError(
                f"{origin}: no {modality} features; looked for {', '.join(keys)}"
            )
        found[modality] = _sequences(part[key], f"{origin}: {key}")
    counts = {modality: len(rows) for modality, rows in found.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{modality} {count}" for modality, count in counts.items())
        raise UnusableInputError(f"{origin}: row counts differ: {told}")
    return found


def _sequences(values: Any, origin: str) -> Sequence[NDArray[Any]]:  # noqa: ANN401
    """(steps, features) of each row, of one array or of a list of them, whose steps may differ."""
    if isinstance(values, np.ndarray) and not values.dtype.hasobject:
        if values.ndim != 3 or values.dtype.kind not in "iuf" or not values.shape[2]:
            raise UnusableInputError(
                f"{origin} is {values.shape} {values.dtype}, not (rows, steps, features)"
            )
        return list(values)
    try:
        rows = [np.asarray(row) for row in values]
    except (TypeError, ValueError):
        raise UnusableInputError(f"{origin} is no list of arrays") from None
    for index, row in enumerate(rows):
        if row.ndim != 2 or row.dtype.kind not in "iuf" or not row.shape[1]:
            raise UnusableInputError(
                f"{origin}, row {index}, is {row.shape} {row.dtype}, not (steps, features)"
            )
        if row.shape[1] != rows[0].shape[1]:
            raise UnusableInputError(
                f"{origin}, row {index}, has {row.shape[1]} features a step, rows before have "
                f"{rows[0].shape[1]}"
            )
    return rows


def _sizes(source: Path, checked: Mapping[str, Features]) -> dict[Modality, int]:
    sizes: dict[Modality, int] = {}
    for split, features in checked.items():
        for modality, rows in features.items():
            if not len(rows):
                raise UnusableInputError(f"{source}, {split}: no rows")
            size = rows[0].shape[1]
            if sizes.setdefault(modality, size) != size:
                raise UnusableInputError(
                    f"{source}, {split}: {modality} has {size} features a step, other "
                    f"splits have {sizes[modality]}"
                )
    return sizes


def _aligned(part: Columns, features: Features) -> bool:
    if any(f"{modality}_lengths" in part for modality in MODALITIES):
        return False
    steps = zip(*([len(row) for row in rows] for rows in features.values()), strict=True)
    return all(len(set(of_row)) == 1 for of_row in steps)


def _column(part: Columns, key: str, rows: int, origin: str) -> list[Any]:
    try:
        values = list(part[key])
    except TypeError:
        raise UnusableInputError(f"{origin}: {key} is no list") from None
    if len(values) != rows:
        raise UnusableInputError(f"{origin}: {len(values)} of {key}, but {rows} rows of features")
    return values


def _ids(part: Columns, rows: int, origin: str) -> list[Any] | None:
    """Ids of the rows, None where the split has none."""
    if "id" in part:
        return _column(part, "id", rows, origin)
    if "video_id" not in part:
        return None
    videos = _column(part, "video_id", rows, origin)
    if "clip_id" not in part:
        return videos
    return list(zip(videos, _column(part, "clip_id", rows, origin), strict=True))


def _targets(
    part: Columns,
    split: str,
    rows: int,
    origin: str,
    tokens: Tokens,
    table: LabelTable | None,
    remarks: list[str],
) -> NDArray[np.float32]:
    key = next((name for name in ("tgt", "labels") if name in part), None)
    if table is not None:
        joined = table.targets(split, _ids(part, rows, origin), rows)
        remarks += [remark for remark in joined.remarks if remark not in remarks]
        if key is not None:
            remarks.append(f"{split}: {key} of the file was passed over for {table.path.name}")
        return joined.targets
    if key is None:
        sentiment = " (regression_labels are sentiment)" if "regression_labels" in part else ""
        raise UnusableInputError(
            f"{origin}: no emotion labels (tgt or labels){sentiment}; give a CSV of them with "
            "--labels"
        )
    values = _column(part, key, rows, origin)
    if key == "tgt" and not is_matrix(values, tokens):
        return targets_of(values, tokens, origin)
    remarks.append(f"{split}: columns of {key} are taken for {', '.join(tokens.order)}")
    return targets_of_intensities(values, tokens, f"{origin}: {key}")


class _Rows:
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
        found = np.asarray(self._part[key]).ravel()
        steps = np.array([len(row) for row in self._features[modality]])
        if len(found) != self._count:
            raise UnusableInputError(
                f"{self._origin}: {len(found)} of {key}, but {self._count} rows"
            )
        if not np.issubdtype(found.dtype, np.integer) or ((found < 0) | (found > steps)).any():
            raise UnusableInputError(
                f"{self._origin}: {key} are not whole numbers in 0..{steps.max()}"
            )
        return found.astype(np.int64)

    def read(self, targets: NDArray[np.float32]) -> tuple[list[StoreRow], dict[str, Any]]:
        """All rows that show something, and what was cleaned, by modality."""
        ids = _ids(self._part, self._count, self._origin) or range(self._count)
        texts: Sequence[Any] = [""] * self._count
        if "raw_text" in self._part:
            texts = _column(self._part, "raw_text", self._count, self._origin)
        cleaned: Counter[str] = Counter(dict.fromkeys(MODALITIES, 0))
        absent: Counter[str] = Counter(dict.fromkeys(MODALITIES, 0))
        beyond: Counter[Modality] = Counter()
        kept: Counter[Modality] = Counter()
        sides = self._sides()
        rows: list[StoreRow] = []
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
                rows.append(StoreRow(identifier, targets[index], present, text))
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
            return dict.fromkeys(self._features, find_padding(joint))
        sides: dict[Modality, Side] = {}
        for name, rows in self._features.items():
            lengths = self._lengths[name]
            known = None if lengths is None else lengths[chosen]
            sides[name] = find_padding((_finite(rows[i])[0] for i in chosen), known)
        return sides

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


def _tell_of_cut_utterances(
    part: Columns, features: Features, split: str, origin: str, tokens: Tokens
) -> list[str]:
    """What to say of dialogues that were longer than the features a file has of them."""
    count = len(features["text"])
    lists = _column(part, "tgt", count, origin) if "tgt" in part else []
    by_utterance = bool(lists) and all(
        isinstance(row, list | tuple) and row and isinstance(row[0], list | tuple) for row in lists
    )
    if "len_list" in part:
        lengths = _column(part, "len_list", count, origin)
        if not all(isinstance(length, int | np.integer) and length >= 0 for length in lengths):
            raise UnusableInputError(f"{origin}: len_list are not numbers of utterances")
    elif by_utterance:
        lengths = [len(row) for row in lists]
    else:
        return []
    steps = [len(row) for row in features["text"]]
    cut = [max(0, length - size) for length, size in zip(lengths, steps, strict=True)]
    if not any(cut):
        return []
    told = "and the file does not say by which"
    if by_utterance:
        whole = targets_of(lists, tokens, origin)
        seen = [row[:size] or [[]] for row, size in zip(lists, steps, strict=True)]
        lost = int((whole > targets_of(seen, tokens, origin)).sum())
        told = f"from which alone {lost} labels of dialogues come"
    return [
        f"{split}: dialogues that are longer than their features: {sum(map(bool, cut))} of "
        f"{count}; {sum(cut)} of their utterances are known by labels alone, {told}"
    ]
