"""Emotion labels of the published data sets: token lists, tables of them, raw intensities."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import LabelSet

START, END, FIRST_LABEL = 2, 3, 4
"""Tokens of the public code: a target is [START, labels counted from FIRST_LABEL, END]."""
SPLIT_NAMES = {"train": "train", "valid": "valid", "dev": "valid", "val": "valid", "test": "test"}
_NEAR = 0.05  # seconds by which two tables may differ on the start of a segment


def targets_of_tokens(
    lists: Iterable[Any], label_set: LabelSet, origin: str
) -> NDArray[np.float32]:
    """Labels of token lists.

    Args:
        lists: [2, ids, 3] each, padded or not after the 3; or several such lists, as of the
            utterances of a dialogue, whose labels are put together.
        label_set: label i has token 4 + i.
        origin: file and split, for messages.

    Returns:
        (rows, labels) float32 of 0 and 1.

    Raises:
        UnusableInputError: a list is none, or holds a token that is no label; the row is named.
    """
    rows = []
    for number, tokens in enumerate(lists):
        target = np.zeros(len(label_set), np.float32)
        try:
            numbers = _before_end(tokens)
        except (TypeError, ValueError, OverflowError):
            raise UnusableInputError(
                f"{origin}, row {number}: the target {tokens!r:.60} is no list of tokens"
            ) from None
        for token in numbers:
            if token == START:
                continue
            if not 0 <= token - FIRST_LABEL < len(label_set):
                raise UnusableInputError(
                    f"{origin}, row {number}: label token {token} is unknown; {label_set.name} "
                    f"has {FIRST_LABEL} to {FIRST_LABEL + len(label_set) - 1}"
                )
            target[token - FIRST_LABEL] = 1.0
        rows.append(target)
    return np.stack(rows) if rows else np.zeros((0, len(label_set)), np.float32)


def _before_end(tokens: Any) -> list[int]:  # noqa: ANN401
    """The tokens of a list before its end, or of each list in it."""
    if not isinstance(tokens, list | tuple | np.ndarray):
        raise TypeError(f"{tokens!r} is no list")
    items = list(tokens)
    if any(isinstance(item, list | tuple | np.ndarray) for item in items):
        return [token for item in items for token in _before_end(item)]
    numbers = [int(item) for item in items]
    if any(number != item for number, item in zip(numbers, items, strict=True)):
        raise ValueError(f"{tokens!r} are not whole numbers")
    return numbers[: numbers.index(END)] if END in numbers else numbers


class LabelTable:
    """A CSV of labels beside a file of features."""

    def __init__(self, path: Path, label_set: LabelSet) -> None:
        """Read a table: columns ``mode`` and ``tgt``, or ``id``, ``segment_id`` and intensities.

        Raises:
            UnusableInputError: it cannot be read or has other columns.
        """
        self.path, self._label_set = path, label_set
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                self._rows = list(csv.DictReader(file))
        except OSError as error:
            raise UnusableInputError(f"{path} cannot be read: {error.strerror}") from None
        except (UnicodeDecodeError, csv.Error) as error:
            raise UnusableInputError(f"{path} is no CSV in UTF-8: {error}") from None
        columns = set(self._rows[0]) if self._rows else set()
        self._tokens = {"mode", "tgt"} <= columns
        if not self._tokens and not {"id", "segment_id", *label_set.labels} <= columns:
            raise UnusableInputError(
                f"{path} needs the columns mode and tgt, or id, segment_id and "
                f"{', '.join(label_set.labels)}"
            )

    def targets(self, split: str, ids: Sequence[Any]) -> NDArray[np.float32]:
        """Labels of the rows of a split, (rows, labels) float32 of 0 and 1.

        Args:
            split: "train", "valid" or "test".
            ids: of the rows: only used where the table names segments.

        Raises:
            UnusableInputError: the table has another number of rows for the split, a target that
                is none, or no line for an id.
        """
        if not self._tokens:
            return self._by_segment(split, ids)
        chosen = [
            (number, row["tgt"])
            for number, row in enumerate(self._rows, start=2)
            if SPLIT_NAMES.get(row["mode"].strip().lower()) == split
        ]
        if len(chosen) != len(ids):
            raise UnusableInputError(
                f"{self.path}: {len(chosen)} rows of mode {split}, the features have {len(ids)}"
            )
        lists = []
        for number, text in chosen:
            try:
                lists.append(ast.literal_eval(text))  # values only: no name, no call
            except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
                raise UnusableInputError(
                    f"{self.path}, line {number}: tgt {text!r:.60} is no list of tokens"
                ) from None
        return targets_of_tokens(lists, self._label_set, f"{self.path}, {split}")

    def _by_segment(self, split: str, ids: Sequence[Any]) -> NDArray[np.float32]:
        """Intensities above 0 are present."""
        by_number = {(row["id"], row["segment_id"]): row for row in self._rows}
        by_video: dict[str, list[Mapping[str, str]]] = {}
        for row in self._rows:
            by_video.setdefault(row["id"], []).append(row)
        targets = np.zeros((len(ids), len(self._label_set)), np.float32)
        for index, identifier in enumerate(ids):
            try:
                found = _find(identifier, by_number, by_video)
                if found is not None:
                    targets[index] = [float(found[label]) > 0 for label in self._label_set]
            except (TypeError, ValueError) as error:
                raise UnusableInputError(
                    f"{self.path}, for {identifier!r:.60} ({split}, row {index}): {error}"
                ) from None
            if found is None:
                raise UnusableInputError(
                    f"{self.path} has no line for {identifier!r:.60} ({split}, row {index}); ids "
                    "are VIDEO$_$SEGMENT, VIDEO[SEGMENT] or (VIDEO, START, END)"
                )
        return targets


def _find(
    identifier: Any,  # noqa: ANN401 - texts or small arrays
    by_number: Mapping[tuple[str, str], Mapping[str, str]],
    by_video: Mapping[str, Sequence[Mapping[str, str]]],
) -> Mapping[str, str] | None:
    parts = np.ravel(identifier)
    if len(parts) == 3:
        video, start = str(parts[0]), float(parts[1])
        near = [row for row in by_video.get(video, ()) if abs(float(row["start"]) - start) < _NEAR]
        return near[0] if near else None
    match = re.fullmatch(r"(.+)(?:\$_\$(\d+)|\[(\d+)\])", str(parts[0]))
    return by_number.get((match[1], match[2] or match[3])) if match else None
