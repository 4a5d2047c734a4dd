"""The published feature files of CMU-MOSEI and M3ED, brought into a feature store.

Layouts: a pickle or torch file of {train, valid, test}, each a dict of ``text``, ``audio`` and
``vision`` (rows, steps, features), or ``src-text``, ``src-audio`` and ``src-visual`` in the older
one; with ``id``, ``raw_text``, ``tgt``, ``audio_lengths`` and ``vision_lengths`` where they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.pickles import read_untrusted
from lddu_pipe.datasets.store import SPLITS, Steps, StoreInfo, StoreRow, StoreWriter
from lddu_pipe.datasets.targets import SPLIT_NAMES, LabelTable, targets_of_tokens
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import M3ED, MOSEI, LabelSet
from lddu_pipe.types import MODALITIES, Modality

LABEL_SETS = {"mosei": MOSEI, "m3ed": M3ED}
_KEYS: dict[Modality, tuple[str, ...]] = {
    "text": ("text", "src-text"),
    "audio": ("audio", "src-audio"),
    "vision": ("vision", "src-visual", "src-vision"),
}
Arrays = dict[Modality, NDArray[Any]]


def import_official(
    source: Path, output: Path, kind: str, *, labels: Path | None = None
) -> StoreInfo:
    """Read a published feature file and write a store.

    Infinite and NaN values become 0 and are counted. Steps of zeros at the end of a row are
    padding and are cut, as are those beyond the lengths the file gives; in between they show
    nothing. A modality without any step that shows something is absent. In M3ED a row is a whole
    dialogue, and its labels are the union of those of its utterances.

    Args:
        source: the pickle or torch file.
        output: folder of the store; it must not be there or be empty.
        kind: "mosei" or "m3ed".
        labels: a CSV of labels, where the file has no ``tgt``; see `LabelTable`.

    Returns:
        What the store holds; ``notes`` say what was cleaned and left out, by split.

    Raises:
        UnusableInputError: the file holds code, or shapes, row counts or labels are wrong; the
            message names file, split and row.
    """
    label_set = LABEL_SETS[kind]
    table = LabelTable(labels, label_set) if labels is not None else None
    parts = _splits(source, read_untrusted(source))
    checked = {split: _arrays(part, f"{source}, {split}") for split, part in parts.items()}
    sizes = _sizes(source, checked)
    aligned = all(_aligned(parts[split], arrays) for split, arrays in checked.items())
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
            part, arrays = parts[split], checked[split]
            rows = len(arrays["text"])
            ids = _column(part, "id", rows, origin)
            targets = _targets(part, split, ids, rows, origin, label_set, table)
            found, notes[split] = _rows(part, arrays, ids, targets, origin, aligned=aligned)
            if not found:
                raise UnusableInputError(f"{origin}: no row has any feature that is not zero")
            writer.write_rows(split, found)
        writer.note("cleaned", notes)
        return writer.finished_info()


def _splits(source: Path, loaded: Any) -> dict[str, Mapping[str, Any]]:  # noqa: ANN401
    if not isinstance(loaded, Mapping):
        raise UnusableInputError(f"{source} holds a {type(loaded).__name__}, not train/valid/test")
    found: dict[str, Mapping[str, Any]] = {}
    for key, part in loaded.items():
        split = SPLIT_NAMES.get(str(key).lower())
        if split is not None and isinstance(part, Mapping):
            if split in found:
                raise UnusableInputError(f"{source} has two {split} splits, one named {key}")
            found[split] = part
    if not found:
        names = ", ".join(map(str, list(loaded)[:6]))
        raise UnusableInputError(f"{source} has no train, valid or test; it has: {names}")
    return found


def _arrays(part: Mapping[str, Any], origin: str) -> Arrays:
    found: Arrays = {}
    for modality, keys in _KEYS.items():
        key = next((key for key in keys if key in part), None)
        if key is None:
            raise UnusableInputError(
                f"{origin}: no {modality} features; looked for {', '.join(keys)}"
            )
        try:
            array = np.asarray(part[key])
        except ValueError:
            raise UnusableInputError(f"{origin}: rows of {key} differ in shape") from None
        if array.ndim != 3 or array.dtype.kind not in "iuf" or not array.shape[2]:
            raise UnusableInputError(
                f"{origin}: {key} is {array.shape} {array.dtype}, not (rows, steps, features)"
            )
        found[modality] = array
    counts = {modality: len(array) for modality, array in found.items()}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{modality} {count}" for modality, count in counts.items())
        raise UnusableInputError(f"{origin}: row counts differ: {told}")
    return found


def _sizes(source: Path, checked: Mapping[str, Arrays]) -> dict[Modality, int]:
    sizes: dict[Modality, int] = {}
    for split, arrays in checked.items():
        for modality, array in arrays.items():
            if sizes.setdefault(modality, array.shape[2]) != array.shape[2]:
                raise UnusableInputError(
                    f"{source}, {split}: {modality} has {array.shape[2]} features a step, other "
                    f"splits have {sizes[modality]}"
                )
    return sizes


def _aligned(part: Mapping[str, Any], arrays: Arrays) -> bool:
    same = len({array.shape[1] for array in arrays.values()}) == 1
    return same and not any(f"{modality}_lengths" in part for modality in MODALITIES)


def _column(part: Mapping[str, Any], key: str, rows: int, origin: str) -> list[Any]:
    """A column of the split, or row numbers where it has none."""
    if key not in part:
        return [str(index) for index in range(rows)]
    try:
        values = list(part[key])
    except TypeError:
        raise UnusableInputError(f"{origin}: {key} is no list") from None
    if len(values) != rows:
        raise UnusableInputError(f"{origin}: {len(values)} of {key}, but {rows} rows of features")
    return values


def _targets(
    part: Mapping[str, Any],
    split: str,
    ids: Sequence[Any],
    rows: int,
    origin: str,
    label_set: LabelSet,
    table: LabelTable | None,
) -> NDArray[np.float32]:
    if table is not None:
        return table.targets(split, ids)
    if "tgt" not in part:
        raise UnusableInputError(
            f"{origin}: no emotion labels (tgt); give a CSV of them with --labels"
        )
    return targets_of_tokens(_column(part, "tgt", rows, origin), label_set, origin)


def _rows(
    part: Mapping[str, Any],
    arrays: Arrays,
    ids: Sequence[Any],
    targets: NDArray[np.float32],
    origin: str,
    *,
    aligned: bool,
) -> tuple[list[StoreRow], dict[str, Any]]:
    count = len(ids)
    texts = _column(part, "raw_text", count, origin) if "raw_text" in part else [""] * count
    lengths = {name: _lengths(part, name, array.shape, origin) for name, array in arrays.items()}
    cleaned: Counter[str] = Counter(dict.fromkeys(MODALITIES, 0))
    absent: Counter[str] = Counter(dict.fromkeys(MODALITIES, 0))
    rows: list[StoreRow] = []
    for index in range(count):
        steps: dict[Modality, Steps] = {}
        for name, array in arrays.items():
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite
                values = array[index, : lengths[name][index]].astype(np.float32)  # a copy
            broken = ~np.isfinite(values)
            if broken.any():
                cleaned[name] += int(broken.sum())
                values[broken] = 0.0
            steps[name] = Steps(values, np.asarray(values.any(axis=1), np.bool_))
        if aligned:
            longest = max(_true_length(item.valid) for item in steps.values())
            steps = {n: Steps(s.values[:longest], s.valid[:longest]) for n, s in steps.items()}
        else:
            steps = {
                n: Steps(s.values[: (end := _true_length(s.valid))], s.valid[:end])
                for n, s in steps.items()
            }
        present = {name: item for name, item in steps.items() if item.valid.any()}
        absent.update(name for name in MODALITIES if name not in present)
        if present:
            rows.append(
                StoreRow(_name(ids[index]), targets[index], present, str(_one(texts[index])))
            )
    notes = {
        "rows": len(rows),
        "left_out": count - len(rows),
        "infinite_or_nan": dict(cleaned),
        "absent": dict(absent),
    }
    return rows, notes


def _lengths(
    part: Mapping[str, Any], modality: Modality, shape: tuple[int, ...], origin: str
) -> NDArray[np.int64]:
    key = f"{modality}_lengths"
    if key not in part:
        return np.full(shape[0], shape[1], np.int64)
    found = np.asarray(part[key]).ravel()
    if len(found) != shape[0]:
        raise UnusableInputError(f"{origin}: {len(found)} of {key}, but {shape[0]} rows")
    if not np.issubdtype(found.dtype, np.integer) or ((found < 0) | (found > shape[1])).any():
        raise UnusableInputError(f"{origin}: {key} are not whole numbers in 0..{shape[1]}")
    return found.astype(np.int64)


def _true_length(valid: NDArray[np.bool_]) -> int:
    """Steps up to the last that shows something."""
    shown = np.flatnonzero(valid)
    return int(shown[-1]) + 1 if len(shown) else 0


def _one(value: Any) -> Any:  # noqa: ANN401 - a text, or an array that holds one
    return np.ravel(value)[0] if isinstance(value, np.ndarray | list) and len(value) else value


def _name(identifier: Any) -> str:  # noqa: ANN401
    parts = np.ravel(identifier)
    return "_".join(str(part) for part in parts)
