"""Emotion labels of the published data sets: token lists, matrices, and what their tokens mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import MOSEI, LabelSet

START, END, FIRST_LABEL = 2, 3, 4
"""Tokens of the public code: a target is [START, labels counted from FIRST_LABEL, END]."""
SPLIT_NAMES = {"train": "train", "test": "test"} | dict.fromkeys(
    ("valid", "dev", "val", "validation"), "valid"
)
OTHER_NAMES = {
    "happiness": "happy", "joy": "happy", "sadness": "sad", "angry": "anger",
    "surprised": "surprise", "disgusted": "disgust", "fearful": "fear",
}  # fmt: skip
"""What else the labels are called in files of the field."""
_STARTS, _ENDS = ("<s>", "<bos>"), ("</s>", "<eos>")
_STRONGEST = 3.0  # on the scale of CMU-MOSEI's intensities


def text_of(value: Any) -> str:  # noqa: ANN401 - a text, bytes, or an array that holds one
    """The text of a value; bytes, as older files have them, are taken for UTF-8."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def label_of(name: Any, label_set: LabelSet) -> str | None:  # noqa: ANN401
    """The label that a name of a file means, None where it is none of the set."""
    plain = text_of(name).strip().lower()
    plain = OTHER_NAMES.get(plain, plain)
    return plain if plain in label_set.labels else None


@dataclass(frozen=True)
class Tokens:
    """What the tokens of targets mean."""

    label_set: LabelSet
    columns: Mapping[int, int]
    """From the token of a label to its column."""
    start: int | None = START
    """None where the tokens of labels leave none for it; so with `end`."""
    end: int | None = END

    @classmethod
    def published(cls, label_set: LabelSet) -> Tokens:
        """Those of the public code: label i has token 4 + i."""
        return cls(label_set, {FIRST_LABEL + i: i for i in range(len(label_set))})

    @classmethod
    def of_map(cls, names: Mapping[Any, Any], label_set: LabelSet, origin: str) -> Tokens:
        """Those of a file that says what they mean.

        Args:
            names: from names to tokens, as ``dict.tgt`` of the published torch files, or from
                tokens to names; names in angle brackets are no labels.
            label_set: its labels may have other names and any order.
            origin: file, for messages.

        Raises:
            UnusableInputError: the map lacks a label, has one that is not in the set, or gives
                a token twice.
        """
        columns: dict[int, int] = {}
        marks: dict[str, int] = {}
        if all(isinstance(name, str | bytes) for name in names.values()):
            names = {name: token for token, name in names.items()}
        for key, token in names.items():
            name = text_of(key).strip()
            if isinstance(token, bool) or not isinstance(token, int | np.integer):
                raise UnusableInputError(f"{origin}: {name!r:.40} is {token!r:.40}, not a token")
            if name.startswith("<"):
                marks[name.lower()] = int(token)
                continue
            label = label_of(name, label_set)
            if label is None:
                raise UnusableInputError(
                    f"{origin} names the label {name!r:.40}; {label_set.name} has "
                    f"{', '.join(label_set.labels)}"
                )
            if int(token) in columns:
                raise UnusableInputError(f"{origin} gives token {token} to two labels")
            columns[int(token)] = label_set.index(label)
        missing = [x for i, x in enumerate(label_set) if i not in columns.values()]
        if missing:
            raise UnusableInputError(f"{origin} has no token for {', '.join(missing)}")
        if len(columns) > len(label_set):
            raise UnusableInputError(f"{origin} has several tokens for one label")
        taken = set(columns) & set(marks.values())
        if taken:
            raise UnusableInputError(f"{origin} gives token {min(taken)} to a label and a mark")
        start = next((marks[mark] for mark in _STARTS if mark in marks), START)
        end = next((marks[mark] for mark in _ENDS if mark in marks), END)
        return cls(
            label_set,
            columns,
            start if start not in columns else None,
            end if end not in columns else None,
        )

    @property
    def order(self) -> list[str]:
        """The labels in the order of their tokens."""
        return [self.label_set.labels[self.columns[token]] for token in sorted(self.columns)]

    def target(self, tokens: Any) -> NDArray[np.float32]:  # noqa: ANN401
        """(labels,) float32 of 0 and 1, of a list of tokens or of several such lists.

        Raises:
            TypeError, ValueError, OverflowError: it is none.
            UnknownTokenError: a token is no label.
        """
        target = np.zeros(len(self.label_set), np.float32)
        if not isinstance(tokens, list | tuple | np.ndarray):
            raise TypeError(f"{tokens!r:.60} is no list")
        items = list(tokens)
        if any(isinstance(item, list | tuple | np.ndarray) for item in items):
            for item in items:
                target = np.maximum(target, self.target(item))
            return target
        numbers = [int(item) for item in items]
        if any(number != item for number, item in zip(numbers, items, strict=True)):
            raise ValueError(f"{tokens!r} are not whole numbers")
        for token in self._labels(numbers):
            if token not in self.columns:
                raise UnknownTokenError(token)
            target[self.columns[token]] = 1.0
        return target

    def _labels(self, numbers: list[int]) -> list[int]:
        """The tokens between start and end; what follows the end is padding."""
        if self.start is not None and numbers[:1] == [self.start]:
            numbers = numbers[1:]
        if self.end is None or self.end not in numbers:
            if 0 in self.columns and numbers.count(0) > 1:
                raise ValueError("zeros that are a label or padding")
            return numbers
        end = numbers.index(self.end)
        if any(number in self.columns or number == self.start for number in numbers[end:]):
            raise ValueError("labels after the end")
        return numbers[:end]


class UnknownTokenError(ValueError):
    """A token of a target is no label."""

    def __init__(self, token: int) -> None:
        super().__init__(f"token {token}")
        self.token = token


def targets_of(values: Sequence[Any], tokens: Tokens, origin: str) -> NDArray[np.float32]:
    """Labels of rows, as token lists or as a matrix.

    Args:
        values: a list [2, ids, 3] a row, padded or not after the 3; or several such lists, as of
            the utterances of a dialogue, whose labels are put together; or for each row a number
            in 0..1 a label, in the order of the tokens.
        tokens: what they mean.
        origin: file and split, for messages.

    Returns:
        (rows, labels) float32 of 0 and 1.

    Raises:
        UnusableInputError: a list is none, or holds a token that is no label; the row is named.
    """
    given = targets_of_intensities if is_matrix(values, tokens) else targets_of_tokens
    return given(values, tokens, origin)


def is_matrix(values: Sequence[Any], tokens: Tokens) -> bool:
    """Whether `targets_of` takes `values` for columns of 0 and 1."""
    matrix = _matrix(values, len(tokens.label_set))
    return matrix is not None and bool(np.isin(matrix, (0, 1)).all())


def targets_of_tokens(lists: Iterable[Any], tokens: Tokens, origin: str) -> NDArray[np.float32]:
    """Labels of token lists; see `targets_of`."""
    rows = []
    for number, given in enumerate(lists):
        try:
            rows.append(tokens.target(given))
        except UnknownTokenError as error:
            known = ", ".join(map(str, sorted(tokens.columns)))
            low, high = min(tokens.columns), max(tokens.columns)
            known = f"{low} to {high}" if high - low + 1 == len(tokens.columns) else known
            raise UnusableInputError(
                f"{origin}, row {number}: label token {error.token} is unknown; "
                f"{tokens.label_set.name} has {known}"
            ) from None
        except (TypeError, ValueError, OverflowError):
            raise UnusableInputError(
                f"{origin}, row {number}: the target {given!r:.60} is no list of tokens "
                f"[{tokens.start}, labels, {tokens.end}]"
            ) from None
    return np.stack(rows) if rows else np.zeros((0, len(tokens.label_set)), np.float32)


def targets_of_intensities(
    values: Any,  # noqa: ANN401
    tokens: Tokens,
    origin: str,
) -> NDArray[np.float32]:
    """Labels of numbers that say how much of each emotion there is; above 0 is present.

    Args:
        values: (rows, labels) or (rows, 1, labels), 0 to 3, in the order of the tokens; where
            there is one column more, the first is the sentiment, as CMU's SDK has it.
        tokens: their order.
        origin: file and split, for messages.

    Raises:
        UnusableInputError: the shape is another, or a number is none; the row is named.
    """
    count = len(tokens.label_set)
    matrix = _matrix(values, count)
    if matrix is None:
        wider = _matrix(values, count + 1)
        if wider is None or tokens.label_set != MOSEI:
            raise UnusableInputError(
                f"{origin} are not {count} numbers a row, one for each of "
                f"{', '.join(tokens.order)}; give emotion labels with --labels"
            )
        matrix = wider[:, 1:]
    wrong = np.flatnonzero(~((matrix >= 0) & (matrix <= _STRONGEST)).all(axis=1))
    if len(wrong):
        row = int(wrong[0])
        raise UnusableInputError(
            f"{origin}, row {row}: {matrix[row].tolist()} are not numbers from 0 to 3"
        )
    targets = np.zeros((len(matrix), count), np.float32)
    targets[:, [tokens.columns[token] for token in sorted(tokens.columns)]] = matrix > 0
    return targets


def _matrix(values: Any, width: int) -> NDArray[np.float64] | None:  # noqa: ANN401
    """Numbers as (rows, width), None where they are of another shape."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return None
    if array.ndim == 3 and array.shape[1] == 1:
        array = array[:, 0]
    return array if array.ndim == 2 and array.shape[1] == width and len(array) else None
