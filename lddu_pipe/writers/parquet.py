"""One row an utterance and label, as Parquet: `Annotation.to_dataframe` with fixed types."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from lddu_pipe.annotation import COLUMNS, Annotation
from lddu_pipe.schemas import SCHEMA_VERSION
from lddu_pipe.types import MODALITIES
from lddu_pipe.writers.escaping import encodable

_TYPES = {
    **dict.fromkeys(("start", "end", "probability", "confidence"), pa.float64()),
    **dict.fromkeys(("aleatoric", "epistemic"), pa.float64()),
    **{f"has_{name}": pa.bool_() for name in MODALITIES},
}
"""Of the columns that are no text."""

_NULLABLE = ("kind", "person", "person_name", "language", "speaker")
"""Columns that may be empty; ``kind`` only in rows of files that had no such column."""

SCHEMA = pa.schema(
    [
        pa.field(name, _TYPES.get(name, pa.string()), nullable=name in _NULLABLE)
        for name in ("media", *COLUMNS)
    ]
)
"""Columns of every such file, so that a folder of them opens as one data set. Times in seconds.

Those of a model with scales have more, of numbers or null; see `Annotation.columns`.
"""


def to_table(annotation: Annotation) -> pa.Table:
    """Return the rows of an annotation, none where it has no utterances, in its model's schema.

    The table's metadata name the model and its version, and the schema of the JSON contract.
    """
    scales = annotation.columns[len(COLUMNS) :]
    schema = pa.schema([*SCHEMA, *(pa.field(encodable(name), pa.float64()) for name in scales)])
    rows = [{"media": annotation.media.path, **row} for row in annotation.to_rows()]
    table = pa.Table.from_pylist(
        [
            {
                encodable(key): encodable(item) if isinstance(item, str) else item
                for key, item in row.items()
            }
            for row in rows
        ],
        schema=schema,
    )
    return table.replace_schema_metadata(
        {
            "model": f"{annotation.model.name} {annotation.model.version}",
            "schema_version": SCHEMA_VERSION,
        }
    )


def render(annotation: Annotation, folder: Path | None = None) -> bytes:
    """Return a Parquet file of `to_table`."""
    sink = pa.BufferOutputStream()
    parquet.write_table(to_table(annotation), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def join(files: Iterable[bytes], target: Path) -> None:
    """Write one file with the rows of several, a row group each, holding one of them in memory.

    Args:
        files: from `render`, of one model; what older ones have no column for is null.
        target: written in place: put it where readers look when it is whole.
    """
    tables = (
        parquet.read_table(pa.BufferReader(content)).replace_schema_metadata(None)
        for content in files
    )
    first = next(tables, SCHEMA.empty_table())
    schema = pa.schema(
        [*SCHEMA, *(field for field in first.schema if field.name not in SCHEMA.names)]
    )
    with parquet.ParquetWriter(target, schema) as writer:
        for table in chain([first], tables):
            if table.num_rows:
                whole = pa.concat_tables([schema.empty_table(), table], promote_options="default")
                writer.write_table(whole.cast(schema))
