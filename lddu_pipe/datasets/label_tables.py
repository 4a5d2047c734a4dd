"""Tables of labels beside a file of features."""

from __future__ import annotations

import ast
import csv
import math
import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.segments import name_of, segment_of
from lddu_pipe.datasets.targets import (
    SPLIT_NAMES,
    Tokens,
    is_matrix,
    label_of,
    targets_of,
    text_of,
)
from lddu_pipe.errors import UnusableInputError

_VIDEO_COLUMNS = ("id", "video_id", "video", "vid")
_SEGMENT_COLUMNS = ("segment_id", "clip_id", "segment", "clip")
_MODE_COLUMNS = ("mode", "split")
_NEAR = 0.05  # seconds by which two tables may differ on the start of a segment


@dataclass(frozen=True)
class _Line:
    """One line of a table."""

    number: int
    """In the file, from 1."""
    cells: Mapping[str, str | None]
    split: str | None
    video: str | None
    key: Hashable | None
    """Its segment, None where the table has no ids."""


@dataclass(frozen=True)
class Joined:
    """Labels that a table has for the rows of a split."""

    targets: NDArray[np.float32]
    """(rows, labels) float32 of 0 and 1."""
    remarks: tuple[str, ...]
    """What people should know of how they were found."""


class LabelTable:
    """A CSV of labels beside a file of features.

    It has a column ``tgt`` of token lists, or a column for each label with its intensity; ids
    (``id``, or ``id`` or ``video_id`` with ``segment_id`` or ``clip_id``), or ``mode``, or both.
    """

    def __init__(self, path: Path, tokens: Tokens) -> None:
        """Read a table.

        Args:
            path: a CSV in UTF-8; blanks around names of columns do not matter.
            tokens: what those of ``tgt`` mean.

        Raises:
            UnusableInputError: it cannot be read, has other columns, or a mode that is no split.
        """
        self.path, self._tokens = path, tokens
        columns, cells = _read(path)
        video = next((name for name in _VIDEO_COLUMNS if name in columns), None)
        segment = next((name for name in _SEGMENT_COLUMNS if name in columns), None)
        mode = next((name for name in _MODE_COLUMNS if name in columns), None)
        self._id_column, self._has_ids, self._has_modes = (
            video,
            video is not None,
            mode is not None,
        )
        self._has_starts = "start" in columns
        self._by_tokens = "tgt" in columns
        self._emotions: dict[str, str] = {}
        for name in columns:
            label = label_of(name, tokens.label_set)
            if label is not None and self._emotions.setdefault(label, name) != name:
                raise UnusableInputError(
                    f"{path} has two columns for {label}: {self._emotions[label]} and {name}"
                )
        if not self._by_tokens and len(self._emotions) < len(tokens.label_set):
            missing = [name for name in tokens.label_set if name not in self._emotions]
            raise UnusableInputError(
                f"{path} needs the columns mode and tgt, or id, segment_id and "
                f"{', '.join(tokens.label_set)}; it has no {', '.join(missing)}"
            )
        if video is None and mode is None:
            raise UnusableInputError(
                f"{path} needs the columns mode and tgt, or id and segment_id: nothing tells "
                "which row of features a line is of"
            )
        self._lines = [self._line(number, row, video, segment, mode) for number, row in cells]
        self._by_key: dict[Hashable, list[_Line]] = {}
        self._by_video: dict[str, list[_Line]] = {}
        for line in self._lines if self._has_ids else ():
            self._by_key.setdefault(line.key, []).append(line)
            self._by_video.setdefault(str(line.video), []).append(line)

    def _line(
        self,
        number: int,
        row: Mapping[str, str | None],
        video: str | None,
        segment: str | None,
        mode: str | None,
    ) -> _Line:
        split = None
        if mode is not None:
            split = SPLIT_NAMES.get((row[mode] or "").strip().lower())
            if split is None:
                raise UnusableInputError(
                    f"{self.path}, line {number}: {mode} {row[mode]!r:.40} is none of "
                    f"{', '.join(SPLIT_NAMES)}"
                )
        if video is None:
            return _Line(number, row, split, None, None)
        name = (row[video] or "").strip()
        part = (row[segment] or "").strip() if segment is not None else ""
        if not part:
            key = segment_of(name)
            named = key[0] if isinstance(key, tuple) else name
            return _Line(number, row, split, str(named), key)
        # 00, 0 and 0.0 are one segment; what is no number is left as it is
        whole = re.fullmatch(r"(\d+)(?:\.0+)?", part)
        key = (name, int(whole[1])) if whole else segment_of(f"{name}_{part}")
        return _Line(number, row, split, name, key)

    def targets(self, split: str, ids: Sequence[Any] | None, rows: int) -> Joined:
        """Labels of the rows of a split: by id where both have ids, else in their order.

        Args:
            split: "train", "valid" or "test".
            ids: of the rows, None where the features have none.
            rows: how many there are.

        Raises:
            UnusableInputError: a row has no line, or several that differ; the order alone is
                left and the counts differ; a cell is no number or no list of tokens.
        """
        if self._has_ids and ids is not None:
            return self._by_id(split, ids)
        whose = "the features have" if self._has_ids else f"{self.path.name} has"
        lines = [line for line in self._lines if line.split == split]
        if self._has_ids and not lines and any(line.split is None for line in self._lines):
            raise UnusableInputError(
                f"{self.path} names segments, and the features have no id to find them by"
            )
        if len(lines) != rows:
            raise UnusableInputError(
                f"{self.path}: {len(lines)} rows of mode {split}, the features have {rows}"
            )
        remark = f"labels are joined by the order of rows alone: {whose} no ids"
        return self._joined(lines, split, [remark])

    def _by_id(self, split: str, ids: Sequence[Any]) -> Joined:
        chosen = []
        twice: Counter[int] = Counter()
        for index, identifier in enumerate(ids):
            where = f"{name_of(identifier)!r:.60} ({split}, row {index})"
            try:
                found = self._find(identifier, where)
            except (TypeError, ValueError) as error:
                raise UnusableInputError(f"{self.path}, for {where}: {error}") from None
            lines = [line for line in found if line.split in (None, split)]
            if not lines:
                others = sorted({str(line.split) for line in found})
                why = f"; one of mode {', '.join(others)} is there" if others else ""
                order = (
                    f"; without its column {self._id_column}, lines are joined by their order"
                    if self._has_modes
                    else ""
                )
                raise UnusableInputError(
                    f"{self.path} has no line for {where}{why}; ids are VIDEO$_$SEGMENT, "
                    f"VIDEO[SEGMENT], VIDEO_SEGMENT or (VIDEO, START, END){order}"
                )
            if len(lines) > 1:
                targets = self._of_lines(lines, split)
                if (targets != targets[0]).any():
                    numbers = " and ".join(str(line.number) for line in lines[:2])
                    raise UnusableInputError(
                        f"{self.path}, lines {numbers} give {where} different labels"
                    )
                twice[lines[0].number] = len(lines) - 1
            chosen.append(lines[0])
        remarks = []
        if twice:
            remarks.append(
                f"{split}: lines of {self.path.name} that stand twice, with the same labels: "
                f"{twice.total()}"
            )
        used = {line.key for line in chosen}
        unused = sum(line.split == split and line.key not in used for line in self._lines)
        if unused:
            remarks.append(f"{split}: lines of {self.path.name} that are of no row: {unused}")
        return self._joined(chosen, split, remarks)

    def _joined(self, lines: Sequence[_Line], split: str, remarks: list[str]) -> Joined:
        if self._by_tokens and is_matrix([self._list(line) for line in lines], self._tokens):
            order = ", ".join(self._tokens.order)
            remarks.append(f"{split}: columns of tgt are taken for {order}")
        return Joined(self._of_lines(lines, split), tuple(remarks))

    def _find(self, identifier: Any, where: str) -> list[_Line]:  # noqa: ANN401
        parts = np.ravel(np.asarray(identifier, object))
        if len(parts) != 3:
            name = text_of(parts[0]) if len(parts) == 1 else name_of(identifier)
            return self._by_key.get(segment_of(name), [])
        if not self._has_starts:
            raise UnusableInputError(
                f"{self.path} needs the column start: {where} is (VIDEO, START, END)"
            )
        begin = float(text_of(parts[1]))
        near = []
        for line in self._by_video.get(text_of(parts[0]), ()):
            distance = abs(float(line.cells["start"] or "nan") - begin)
            if distance < _NEAR:
                near.append((distance, line))
        nearest = min((distance for distance, _ in near), default=0.0)
        return [line for distance, line in near if distance == nearest]

    def _of_lines(self, lines: Sequence[_Line], split: str) -> NDArray[np.float32]:
        if self._by_tokens:
            lists = [self._list(line) for line in lines]
            return targets_of(lists, self._tokens, f"{self.path}, {split}")
        targets = [self._intensities(line, split) for line in lines]
        return np.asarray(targets, np.float32).reshape(len(lines), -1)

    def _list(self, line: _Line) -> Any:  # noqa: ANN401
        text = line.cells["tgt"]
        try:
            return ast.literal_eval(text or "")  # values only: no name, no call
        except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
            raise UnusableInputError(
                f"{self.path}, line {line.number}: tgt {text!r:.60} is no list of tokens"
            ) from None

    def _intensities(self, line: _Line, split: str) -> list[bool]:
        present = []
        for label in self._tokens.label_set:
            cell = line.cells[self._emotions[label]]
            try:
                number = float(cell or "nan")
            except ValueError:
                number = math.nan
            if not 0 <= number < math.inf:
                raise UnusableInputError(
                    f"{self.path}, line {line.number} ({split}): {label} {cell!r:.40} is no "
                    "intensity from 0 on"
                )
            present.append(number > 0)
        return present


def _read(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str | None]]]]:
    """Names of the columns, and the lines with their numbers."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            # spreadsheets of some countries write semicolons
            delimiter = max(",;\t", key=header.count)
            reader = csv.DictReader(file, delimiter=delimiter, skipinitialspace=True)
            columns = [name.strip().lower() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            lines = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise UnusableInputError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnusableInputError(f"{path} is no CSV in UTF-8: {error}") from None
    return columns, lines
