"""The layouts in which published features come, brought into one: splits of columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.segments import name_of
from lddu_pipe.datasets.targets import END, FIRST_LABEL, SPLIT_NAMES, START, text_of
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.types import MODALITIES, Modality

Columns = Mapping[str, Any]
"""One split by the names of its columns, such as ``text``, ``id`` and ``tgt``, a row each."""
Features = dict[Modality, Sequence[NDArray[Any]]]
"""(steps, features) of each row."""
_KEYS: dict[Modality, tuple[str, ...]] = {
    "text": ("text", "src-text"),
    "audio": ("audio", "src-audio"),
    "vision": ("vision", "src-visual", "src-vision"),
}
_FLAT = re.compile(
    rf"(?P<split>{'|'.join(SPLIT_NAMES)})[_/.-](?P<column>.+)"
    rf"|(?P<column2>.+)[_/.-](?P<split2>{'|'.join(SPLIT_NAMES)})"
)


def splits_of(source: Path, loaded: Any) -> tuple[dict[str, Columns], Columns]:  # noqa: ANN401
    """Find the splits in what a file holds.

    Args:
        source: the file, for messages.
        loaded: a dict of train, valid and test; or a dict of columns whose names say their split
            (``train_text``), as in an .npz; or the list of ten of RUCM3ED.

    Returns:
        The splits by name, and what the file has beside them: ``dict``, ``settings``.

    Raises:
        UnusableInputError: it is none of these, or has a split twice.
    """
    if isinstance(loaded, list | tuple):
        return _dialogues(source, loaded), {}
    if not isinstance(loaded, Mapping):
        raise UnusableInputError(f"{source} holds a {type(loaded).__name__}, not train/valid/test")
    named = _with_names(loaded)
    found: dict[str, Columns] = {}
    rest: dict[str, Any] = {}
    for key, part in named.items():
        split = SPLIT_NAMES.get(key.lower())
        if split is None:
            rest[key] = part
            continue
        if not isinstance(part, Mapping):
            raise UnusableInputError(
                f"{source}: {key} is a {type(part).__name__}, not a dict of features"
            )
        if split in found:
            raise UnusableInputError(f"{source} has two {split} splits, one named {key}")
        found[split] = _with_names(part)
    found = found or _of_flat_names(source, named)
    if not found:
        names = ", ".join(list(named)[:6])
        raise UnusableInputError(f"{source} has no train, valid or test; it has: {names}")
    return found, rest


def _with_names(given: Mapping[Any, Any]) -> dict[str, Any]:
    return {text_of(key): value for key, value in given.items()}


def _of_flat_names(source: Path, named: Mapping[str, Any]) -> dict[str, Columns]:
    """``train_text`` or ``text_train``: the splits of a flat dict."""
    found: dict[str, dict[str, Any]] = {}
    for key, value in named.items():
        match = _FLAT.fullmatch(key)
        if match is None:
            continue
        split = SPLIT_NAMES[match["split"] or match["split2"]]
        column = match["column"] or match["column2"]
        if column in found.setdefault(split, {}):
            raise UnusableInputError(f"{source} has two {split} splits, one with {key}")
        found[split][column] = value
    return dict(found)


_DIALOGUE_PARTS = (
    "utterance ids", "speakers", "labels", "text", "audio", "vision", "sentences",
    "train ids", "valid ids", "test ids",
)  # fmt: skip


def _dialogues(source: Path, loaded: Sequence[Any]) -> dict[str, Columns]:
    """The list of ten of RUCM3ED: seven dicts by dialogue, and the dialogues of each split."""
    by_dialogue, of_splits = loaded[:7], loaded[7:]
    shaped = len(loaded) == len(_DIALOGUE_PARTS) and all(
        isinstance(part, Mapping) for part in by_dialogue
    )
    if not shaped:
        raise UnusableInputError(
            f"{source} holds a list of {len(loaded)}, not train/valid/test, nor the ten parts of "
            f"RUCM3ED: {', '.join(_DIALOGUE_PARTS)}"
        )
    _, _, labels, text, audio, vision, sentences = map(_with_names, by_dialogue)
    found: dict[str, Columns] = {}
    for split, listed in zip(("train", "valid", "test"), of_splits, strict=True):
        try:
            names = [text_of(name) for name in listed]
            for part, values in zip(
                ("labels", "text", "audio", "vision"), (labels, text, audio, vision), strict=True
            ):
                missing = next((name for name in names if name not in values), None)
                if missing is not None:
                    raise ValueError(f"no {part} of dialogue {missing!r:.60}")
            found[split] = {
                "id": names,
                "text": [_steps(text[name]) for name in names],
                "audio": [_steps(audio[name]) for name in names],
                "vision": [_steps(vision[name]) for name in names],
                "raw_text": [" ".join(map(name_of, sentences.get(name, ()))) for name in names],
                "tgt": [[_target(label) for label in labels[name]] for name in names],
            }
        except (TypeError, ValueError, OverflowError) as error:
            raise UnusableInputError(f"{source}, {split}: {error}") from None
    return found


def _steps(utterances: Any) -> Any:  # noqa: ANN401
    """(utterances, features) of a list of arrays."""
    return np.asarray([np.ravel(np.asarray(utterance)) for utterance in utterances])


def _target(label: Any) -> list[int]:  # noqa: ANN401
    number = int(label)
    if number != label or number < 0:
        raise ValueError(f"{label!r:.40} is not the number of a label")
    return [START, FIRST_LABEL + number, END]


def features_of(part: Columns, origin: str) -> Features:
    """The features of a split, by modality.

    Raises:
        UnusableInputError: a modality is missing, is no (rows, steps, features), or has another
            number of rows than the others.
    """
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


def sizes_of(source: Path, checked: Mapping[str, Features]) -> dict[Modality, int]:
    """Features a step, by modality.

    Raises:
        UnusableInputError: splits differ, or one has no rows.
    """
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


def are_aligned(part: Columns, features: Features) -> bool:
    """Whether all modalities of each row have the same steps."""
    if any(f"{modality}_lengths" in part for modality in MODALITIES):
        return False
    steps = zip(*([len(row) for row in rows] for rows in features.values()), strict=True)
    return all(len(set(of_row)) == 1 for of_row in steps)


def column_of(part: Columns, key: str, rows: int, origin: str) -> list[Any]:
    """A column as a list.

    Raises:
        UnusableInputError: it is no list, or has another number of rows than the features.
    """
    try:
        values = list(part[key])
    except TypeError:
        raise UnusableInputError(f"{origin}: {key} is no list") from None
    if len(values) != rows:
        raise UnusableInputError(f"{origin}: {len(values)} of {key}, but {rows} rows of features")
    return values


def ids_of(part: Columns, rows: int, origin: str) -> list[Any] | None:
    """Ids of the rows, None where the split has none."""
    if "id" in part:
        return column_of(part, "id", rows, origin)
    if "video_id" not in part:
        return None
    videos = column_of(part, "video_id", rows, origin)
    if "clip_id" not in part:
        return videos
    return list(zip(videos, column_of(part, "clip_id", rows, origin), strict=True))
