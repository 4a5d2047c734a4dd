"""Manifests: a table of labelled or unlabelled utterances in JSONL, CSV or TSV.

One row is one utterance and any modality may be absent. Columns: ``id``, ``video``, ``audio``,
``image``, ``text``, ``context``, ``transcript``, ``start``, ``end``, ``speaker``, ``person``,
``split``, ``face_crop``, ``labels``, ``scales``, ``weight``, ``damage``. A column that is left
out, null, or blank in a CSV means "not given"; so a blank ``labels`` cell is an unlabelled row,
and ``none`` or ``[]`` says that no emotion is present.
"""

from __future__ import annotations

import csv
import io
import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import LabelSet

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_NO_LABEL = "none"
_JSON_TEXTS = re.compile(r'\[\s*["\]]')
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class ManifestRow:
    """One utterance of a manifest. Paths are absolute or relative to the working directory."""

    id: str
    """Unique in the manifest; the row's number, from 1, where the manifest gives none."""
    origin: str
    """Where the row stands, for messages: the manifest's path and line."""
    video: Path | None = None
    audio: Path | None = None
    """Replaces the sound of `video`, where both are given."""
    image: Path | None = None
    """A still picture, in place of `video`."""
    text: str | None = None
    """What is said, as words."""
    context: tuple[str, ...] | None = None
    """What was said just before, by whomever, the oldest line first; of more than three the last
    are read. Where it is None, a timed transcript tells what was said before `start`."""
    transcript: Path | None = None
    """What is said, as a transcript file, in place of `text`."""
    start: float | None = None
    """Seconds into the media, >= 0."""
    end: float | None = None
    """Seconds into the media, > start."""
    speaker: str | None = None
    """Who says it, as a transcript names them."""
    person: str | None = None
    """Who is heard or seen, the same in all rows of one person."""
    split: str | None = None
    face_crop: bool = False
    """True where `image` or `video` is already cut to one face."""
    labels: Mapping[str, float] | None = None
    """Probability of each named label, 0..1; unnamed ones are absent. None: unlabelled."""

    scales: Mapping[str, float] | None = None
    """Value of each named scale, such as valence or arousal, -1..1; unnamed ones are unknown."""
    weight: float = 1.0
    """How much the row counts in training beside others, 0..1e6."""
    damage: float = 0.0
    """How much of what it names was spoilt on purpose, 0..1, as by noise."""

    def target(self, label_set: LabelSet) -> NDArray[np.float32]:
        """Return the labels as (labels,) float32 in 0..1, in the order of `label_set`.

        Raises:
            UnusableInputError: the row has no labels, or one that `label_set` does not know.
        """
        if self.labels is None:
            raise UnusableInputError(f"{self.origin}: the row has no labels")
        target = np.zeros(len(label_set), dtype=np.float32)
        for label, probability in self.labels.items():
            try:
                target[label_set.index(label)] = probability
            except UnusableInputError as error:
                raise UnusableInputError(f"{self.origin}: {error}") from None
        return target

    def scale_values(self, names: Sequence[str]) -> NDArray[np.float32]:
        """Return the scales of these names as (scales,) float32 in -1..1, NaN where unknown."""
        known = self.scales or {}
        return np.array([known.get(name, np.nan) for name in names], dtype=np.float32)


def read_manifest(path: Path | str) -> list[ManifestRow]:
    """Read and check every row of a manifest.

    Args:
        path: A ``.jsonl``, ``.ndjson``, ``.csv`` or ``.tsv`` file in UTF-8. Relative paths inside
            it are relative to its folder. In a CSV, ``labels`` holds names, and ``scales``
            ``name: value``, between ``|`` or ``,``, and ``context`` lines between ``|``; or each
            JSON as in a JSONL row. A label that is itself called none is written ``["none"]``.

    Raises:
        UnusableInputError: the file cannot be read, is empty, or a row is wrong; the message names
            the line.
    """
    path = Path(path)
    rows: list[ManifestRow] = []
    lines: dict[str, str] = {}
    for origin, values in _records(path):
        row = _row(values, origin, folder=path.parent, number=len(rows) + 1)
        if row.id in lines:
            raise UnusableInputError(
                f"{origin}: id {row.id!r} was used before, in {lines[row.id]}"
            )
        lines[row.id] = origin
        rows.append(row)
    if not rows:
        raise UnusableInputError(f"{path}: the manifest has no rows")
    return rows


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the origin and the values that are given, of each row."""
    suffix = path.suffix.lower()
    if suffix not in _DELIMITERS and suffix not in _JSON_LINES:
        known = ", ".join((*_JSON_LINES, *_DELIMITERS))
        raise UnusableInputError(f"{path}: a manifest is one of {known}")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnusableInputError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableInputError(f"{path}: cannot read the manifest: {reason}") from None
    if suffix in _JSON_LINES:
        yield from _json_records(path, content)
    else:
        yield from _csv_records(path, content, _DELIMITERS[suffix])


def _json_records(path: Path, content: str) -> Iterator[tuple[str, dict[str, Any]]]:
    # Not splitlines(): it also cuts at characters that may stand inside a JSON string.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        origin = f"{path}, line {number}"
        try:
            values = _parse_json(line)
        except ValueError as error:
            raise UnusableInputError(f"{origin}: the row {error}") from None
        if not isinstance(values, dict):
            raise UnusableInputError(f"{origin}: a row is a JSON object in braces")
        yield origin, {key: value for key, value in values.items() if value is not None}


def _csv_records(path: Path, content: str, delimiter: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = list(reader.fieldnames or ())
        if len(set(columns)) < len(columns):
            raise UnusableInputError(f"{path}, line 1: two columns have the same name")
        for values in reader:
            origin = f"{path}, line {reader.line_num}"
            if None in values:
                raise UnusableInputError(
                    f"{origin}: more cells than columns; quote cells that contain {delimiter!r}"
                )
            yield origin, {key: cell for key, cell in values.items() if cell and cell.strip()}
    except csv.Error as error:
        raise UnusableInputError(f"{path}, line {reader.line_num}: {error}") from None


def _row(values: dict[str, Any], origin: str, *, folder: Path, number: int) -> ManifestRow:
    read: dict[str, Callable[[Any], Any]] = {
        "id": _identifier,
        **dict.fromkeys(("video", "audio", "image", "transcript"), lambda v: _file(v, folder)),
        **dict.fromkeys(("text", "speaker", "person", "split"), _text),
        **dict.fromkeys(("start", "end"), _seconds),
        "context": _context,
        "face_crop": _flag,
        "labels": _labels,
        "scales": _scales,
        "weight": lambda value: _within(value, 1e6),
        "damage": lambda value: _within(value, 1.0),
    }
    for key in values:
        if key not in read:
            raise UnusableInputError(f"{origin}: {_unknown(key, list(read))}")
    given: dict[str, Any] = {"id": str(number)}
    for key, value in values.items():
        try:
            given[key] = read[key](value)
        except ValueError as error:
            raise UnusableInputError(f"{origin}: {key} {error}") from None
    row = ManifestRow(origin=origin, **given)
    problem = _contradiction(row)
    if problem:
        raise UnusableInputError(f"{origin}: {problem}")
    return row


def _contradiction(row: ManifestRow) -> str | None:
    if not (row.video or row.audio or row.image or row.transcript or (row.text or "").strip()):
        return "no modality; give at least one of video, audio, image, text, transcript"
    if row.video and row.image:
        return "video and image are both given; give one"
    if row.text is not None and row.transcript:
        return "text and transcript are both given; give one"
    if row.face_crop and not (row.image or row.video):
        return "face_crop needs an image or a video"
    if row.end is not None and row.end <= (row.start or 0.0):
        return f"end {row.end:g} s does not come after start {row.start or 0.0:g} s"
    return None


def _unknown(key: str, known: list[str]) -> str:
    nearest = get_close_matches(key.lower(), known, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"known are: {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def _parse_json(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot be read as JSON: {error}") from None


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _identifier(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise ValueError(f"is a text or a whole number, got {reprlib.repr(value)}")
    return str(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is a text, got {reprlib.repr(value)}")
    return value


def _file(value: object, folder: Path) -> Path:
    path = folder / _text(value)
    try:
        found = path.is_file()
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be opened: {error.strerror}") from None
    if not found:
        raise ValueError(f"{str(path)!r} is not a file; relative paths start at the manifest")
    return path


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"is a number, got {reprlib.repr(value)}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"is a number, got {reprlib.repr(value)}") from None
    if not isfinite(number):
        raise ValueError(f"is a finite number, got {reprlib.repr(value)}")
    return number


def _seconds(value: object) -> float:
    seconds = _number(value)
    if seconds < 0:
        raise ValueError(f"is in seconds and not negative, got {seconds:g}")
    return seconds


def _within(value: object, most: float) -> float:
    number = _number(value)
    if not 0 <= number <= most:
        raise ValueError(f"lies in 0..{most:g}, got {number:g}")
    return number


def _flag(value: object) -> bool:
    flag = value if isinstance(value, bool) else _FLAGS.get(str(value).strip().lower())
    if flag is None:
        raise ValueError(f"is true or false, got {reprlib.repr(value)}")
    return flag


def _labels(value: object) -> dict[str, float]:
    if isinstance(value, str):
        value = _labels_of_cell(value.strip())
    if isinstance(value, list):
        value = {_text_label(name): 1.0 for name in value}
    if not isinstance(value, dict):
        raise ValueError(f"are names, or name: probability, got {reprlib.repr(value)}")
    return {_text_label(name): _probability(name, number) for name, number in value.items()}


def _labels_of_cell(cell: str) -> object:
    if cell[:1] in ("[", "{"):
        return _parse_json(cell)
    names = _parts_of_cell(cell)
    if _NO_LABEL not in map(str.casefold, names):
        return names
    if len(names) > 1:
        raise ValueError(f"say {_NO_LABEL!r} beside other names, got {reprlib.repr(cell)}")
    return []


def _context(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        cell = value.strip()
        # Lines may begin with what somebody does: [laughs].
        value = _parse_json(cell) if _JSON_TEXTS.match(cell) else cell.split("|")
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise ValueError(f"is a list of texts, the oldest first, got {reprlib.repr(value)}")
    return tuple(line.strip() for line in value if line.strip())


def _parts_of_cell(cell: str) -> list[str]:
    return [part.strip() for part in cell.replace("|", ",").split(",")]


def _scales(value: object) -> dict[str, float]:
    if isinstance(value, str):
        cell = value.strip()
        value = _parse_json(cell) if cell[:1] == "{" else _scales_of_cell(cell)
    if not isinstance(value, dict):
        raise ValueError(f"are name: value, got {reprlib.repr(value)}")
    # As for columns, null stands for what is not given.
    known = {name: number for name, number in value.items() if number is not None}
    return {_text_label(name): _on_scale(name, number) for name, number in known.items()}


def _scales_of_cell(cell: str) -> dict[str, str]:
    pairs = [part.rpartition(":") for part in _parts_of_cell(cell)]
    found = {name.strip(): number for name, colon, number in pairs if colon}
    if len(found) < len(pairs):
        raise ValueError(f"are name: value, each name once, got {reprlib.repr(cell)}")
    return found


def _on_scale(name: str, value: object) -> float:
    try:
        number = _number(value)
    except ValueError as error:
        raise ValueError(f"give {name!r} what {error}") from None
    if not -1 <= number <= 1:
        raise ValueError(f"give {name!r} {number:g}; a scale lies in -1..1")
    return number


def _text_label(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"hold a name that is not a text: {reprlib.repr(name)}")
    return name


def _probability(name: str, value: object) -> float:
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise ValueError(f"give {name!r} {reprlib.repr(value)}; a probability lies in 0..1")
