"""The formats in which an annotation can be written."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.schemas import SCHEMA_VERSION, SchemaVersion

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation  # brings numpy, which the help can do without

Render: TypeAlias = "Callable[..., bytes]"
"""Gives the bytes of a file. Arguments: an `Annotation`; the folder the file will stand in, or
None, from which links to the media are made; where the format is `versioned`, the schema."""


@dataclass(frozen=True)
class Format:
    """One way to write an annotation."""

    name: str
    """As ``-f`` takes it."""
    suffix: str
    """Of its files, with the dot."""
    opens_in: str
    """What reads it, for people."""
    module: str
    """Of `lddu_pipe.writers`: has a function ``render``. Imported when it is first needed."""
    binary: bool = False
    """True where the bytes are not text and must not go to a terminal."""
    versioned: bool = False
    """True where it is laid out as the JSON contract, of which there are several versions."""
    of_video: bool = False
    """True where it is made of the video itself: written as it is made, by a function ``save`` of
    the module, as it may be larger than the memory, and nothing for other media."""

    def render(
        self,
        annotation: Annotation,
        folder: Path | None = None,
        schema: SchemaVersion = SCHEMA_VERSION,
    ) -> bytes:
        """Return the bytes of the file.

        Args:
            annotation: what to write.
            folder: where the file will stand; links to the media are relative to it. Without it
                they are as the annotation names the media.
            schema: version of the JSON contract, for formats that are `versioned`.

        Raises:
            ValueError: it is `of_video`, which only `save` writes.
        """
        if self.of_video:
            raise ValueError(f"{self.name} is only written to files")
        module = importlib.import_module(f"lddu_pipe.writers.{self.module}")
        versions = (schema,) if self.versioned else ()
        return cast(Render, module.render)(annotation, folder, *versions)

    def save(
        self,
        annotation: Annotation,
        path: Path,
        schema: SchemaVersion = SCHEMA_VERSION,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Path:
        """Write the file, whole or not at all.

        Args:
            annotation: what to write.
            path: of the file.
            schema: version of the JSON contract, for formats that are `versioned`.
            progress: called with the share that is done, 0..1, of what is `of_video`.

        Raises:
            OSError: the folder does not exist or cannot be written.
            UnusableInputError: it is `of_video`, and there is none, or not any more.
        """
        if self.of_video:
            module = importlib.import_module(f"lddu_pipe.writers.{self.module}")
            cast("Callable[..., None]", module.save)(annotation, path, progress)
            return path
        write_whole(path, self.render(annotation, path.parent, schema))
        return path


FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        Format("json", ".json", "anything; the contract", "contract", versioned=True),
        Format("jsonl", ".jsonl", "anything, a line an utterance", "lines", versioned=True),
        Format("csv", ".csv", "spreadsheets, pandas, R", "csv"),
        Format("parquet", ".parquet", "pandas, Polars, DuckDB, Spark", "parquet", binary=True),
        Format("srt", ".srt", "video players", "subrip"),
        Format("vtt", ".vtt", "browsers, video players", "webvtt"),
        Format("eaf", ".eaf", "ELAN", "elan"),
        Format("TextGrid", ".TextGrid", "Praat", "praat"),
        Format("label-studio", ".label-studio.json", "Label Studio", "label_studio"),
        Format("png", ".png", "anything that shows pictures", "picture", binary=True),
        Format("mp4", ".overlay.mp4", "video players", "overlay", binary=True, of_video=True),
        Format("html", ".html", "any browser", "page"),
    )
}
"""Every format, by name, in the order in which the help lists them."""


def choose_formats(names: str) -> tuple[Format, ...]:
    """Return the formats of a list with commas, each once; case and dashes do not matter.

    Raises:
        UnusableInputError: a name is none of a format.
    """
    by_key = {_key(name): item for name, item in FORMATS.items()}
    chosen: dict[str, Format] = {}
    for name in names.split(","):
        if not name.strip():
            continue
        found = by_key.get(_key(name))
        if found is None:
            raise UnusableInputError(
                f"{name.strip()!r} is not a format; choose from {', '.join(FORMATS)}"
            )
        chosen[found.name] = found
    if not chosen:
        raise UnusableInputError(f"no format given; choose from {', '.join(FORMATS)}")
    return tuple(chosen.values())


def _key(name: str) -> str:
    return name.strip().casefold().replace("-", "").replace("_", "").lstrip(".")
