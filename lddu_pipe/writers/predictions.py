"""Scores by row as a table, a row an utterance and label: written, and read to be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import json as arrow_json
from pyarrow import parquet

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.predictions import Answers
from lddu_pipe.types import MODALITIES
from lddu_pipe.writers.escaping import encodable

PARQUET = (".parquet",)
JSON_LINES = (".jsonl", ".ndjson")

_MODALITIES = {f"has_{name}": pa.bool_() for name in MODALITIES}
_UNCERTAINTY = {"aleatoric": pa.float64(), "epistemic": pa.float64()}
_NEEDED = {
    "id": pa.string(),
    "label": pa.string(),
    "truth": pa.bool_(),
    "probability": pa.float64(),
    "decision": pa.bool_(),
}
_TYPES = {
    **dict.fromkeys(("model", "protocol", "id", "split", "speaker"), pa.string()),
    **_MODALITIES,
    "abstained": pa.bool_(),
    **_NEEDED,
    **_UNCERTAINTY,
}
SCHEMA = pa.schema([pa.field(name, kind, name not in _NEEDED) for name, kind in _TYPES.items()])
"""Columns, in order. Those that tell what was asked and answered are never null."""


def check_ending(path: Path) -> None:
    """Make sure that the ending of a file names a format.

    Raises:
        UnusableInputError: it names none.
    """
    if path.suffix.lower() not in (*PARQUET, *JSON_LINES):
        known = ", ".join((*PARQUET, *JSON_LINES))
        raise UnusableInputError(f"{path}: predictions end in one of {known}")


def to_table(answers: Answers) -> pa.Table:
    """Return all answers in `SCHEMA`: row after row, of each row label after label."""
    labels, rows = len(answers.labels), len(answers.ids)
    of_row: dict[str, Any] = {
        "model": [answers.model] * rows,
        "protocol": [answers.protocol] * rows,
        "id": answers.ids,
        "split": answers.splits,
        "speaker": answers.speakers,
        "abstained": answers.abstained,
    }
    if answers.present is not None:
        of_row |= dict(zip(_MODALITIES, answers.present.T, strict=True))
    of_label = {
        "truth": answers.truth,
        "probability": answers.probabilities,
        "decision": answers.decisions,
        **answers.uncertainty,
    }
    columns: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    columns |= {name: np.repeat(np.asarray(column), labels) for name, column in of_row.items()}
    columns |= {name: values.ravel() for name, values in of_label.items()}
    columns["label"] = np.tile(answers.labels, rows)
    return pa.table(
        [_array(columns[field.name], field, rows * labels) for field in SCHEMA], SCHEMA
    )


def write_predictions(answers: Answers, path: Path) -> None:
    """Write answers as a file that is there whole or not at all.

    Args:
        answers: of a model.
        path: ``.parquet``, or ``.jsonl`` for an object a line; its folder must exist.

    Raises:
        UnusableInputError: the ending names no format, or the file cannot be written.
    """
    check_ending(path)
    table = to_table(answers)
    if path.suffix.lower() in PARQUET:
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink)
        content: bytes = sink.getvalue().to_pybytes()
    else:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist())
        content = "".join(lines).encode()
    try:
        write_whole(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableInputError(f"{path}: cannot write the predictions: {reason}") from None


def read_predictions(path: Path) -> Answers:
    """Read what `write_predictions` wrote, or a table of one's own with the needed columns.

    Needed are ``id``, ``label``, ``truth``, ``probability`` and ``decision``; rows may stand in
    any order, but each id needs each label once.

    Raises:
        UnusableInputError: the file is no such table; the message is one line.
    """
    check_ending(path)
    table = _read_table(path)
    columns = {name: table[name].to_numpy(zero_copy_only=False) for name in SCHEMA.names}
    for name in _NEEDED:
        if table[name].null_count:
            some = "some" if table[name].null_count < table.num_rows else "all"
            raise UnusableInputError(f"{path}: {name} is missing in {some} rows")
    ids, labels, places = _places(path, columns["id"], columns["label"])
    probabilities = columns["probability"][places].astype(np.float64)
    outside = ~((probabilities >= 0) & (probabilities <= 1))  # NaN is outside, too
    if outside.any():
        row, label = np.argwhere(outside)[0]
        raise UnusableInputError(
            f"{path}: the probability of {labels[label]} in {ids[row]} is "
            f"{probabilities[row, label]:g}; it lies in 0..1"
        )
    first = {name: values[places[:, 0]] for name, values in columns.items()}
    known = {name for name in SCHEMA.names if not table[name].null_count}
    return Answers(
        model=_only(path, "model", columns["model"]) or path.stem,
        protocol=_only(path, "protocol", columns["protocol"]) or "",
        labels=labels,
        ids=ids,
        splits=tuple(first["split"]),
        speakers=tuple(first["speaker"]),
        truth=columns["truth"][places].astype(np.bool_),
        probabilities=probabilities,
        decisions=columns["decision"][places].astype(np.bool_),
        abstained=np.array([bool(silent) for silent in first["abstained"]]),
        uncertainty={
            name: columns[name][places].astype(np.float64)
            for name in _UNCERTAINTY
            if name in known
        },
        present=np.stack([first[name].astype(np.bool_) for name in _MODALITIES], axis=1)
        if known.issuperset(_MODALITIES)
        else None,
    )


def _array(column: NDArray[Any] | None, field: pa.Field, length: int) -> pa.Array:
    if column is None:
        return pa.nulls(length, field.type)
    values = column.tolist()
    if pa.types.is_string(field.type):
        values = [None if text is None else encodable(text) for text in values]
    return pa.array(values, field.type)


def _read_table(path: Path) -> pa.Table:
    try:
        if path.suffix.lower() in PARQUET:
            table = parquet.read_table(path)
        else:
            options = arrow_json.ParseOptions(
                explicit_schema=pa.schema(list(_TYPES.items())), unexpected_field_behavior="ignore"
            )
            table = arrow_json.read_json(path, parse_options=options)
        for name in [name for name in SCHEMA.names if name not in table.column_names]:
            if name in _NEEDED:
                raise UnusableInputError(f"{path}: there is no column {name!r}")
            table = table.append_column(name, pa.nulls(table.num_rows, _TYPES[name]))
        given = table.select(SCHEMA.names)
        table = given.cast(pa.schema(list(_TYPES.items())))
        _check_answers(path, given, table)
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnusableInputError(f"{path}: cannot read the predictions: {reason}") from None
    if not table.num_rows:
        raise UnusableInputError(f"{path}: there are no predictions in it")
    return table


def _check_answers(path: Path, given: pa.Table, table: pa.Table) -> None:
    """Refuse shares of votes and the like, of which any but 0 would be taken for yes."""
    for name, kind in _NEEDED.items():
        column = given[name]
        number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
        if kind == pa.bool_() and number and table[name].cast(column.type) != column:
            raise UnusableInputError(f"{path}: {name} is neither 0 nor 1 in some rows")


def _places(
    path: Path, ids: NDArray[Any], labels: NDArray[Any]
) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.intp]]:
    """Ids and labels in the order in which they come, and (ids, labels) rows of the table."""
    known_ids = {name: index for index, name in enumerate(dict.fromkeys(ids))}
    known_labels = {name: index for index, name in enumerate(dict.fromkeys(labels))}
    places = np.full((len(known_ids), len(known_labels)), -1, np.intp)
    for place, (name, label) in enumerate(zip(ids, labels, strict=True)):
        index = known_ids[name], known_labels[label]
        if places[index] >= 0:
            raise UnusableInputError(f"{path}: id {name!r} has the label {label!r} twice")
        places[index] = place
    lacking = np.argwhere(places < 0)
    if len(lacking):
        name, label = tuple(known_ids)[lacking[0][0]], tuple(known_labels)[lacking[0][1]]
        raise UnusableInputError(f"{path}: id {name!r} lacks the label {label!r}")
    return tuple(known_ids), tuple(known_labels), places


def _only(path: Path, name: str, values: NDArray[Any]) -> str | None:
    found = list(dict.fromkeys(value for value in values if value is not None))
    if len(found) > 1:
        raise UnusableInputError(
            f"{path}: {name} is {found[0]!r} and {found[1]!r}; a file holds one to be compared"
        )
    return found[0] if found else None
