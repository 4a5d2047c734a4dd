"""Annotations to files: under which names, and with a note of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import distinct_names
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.formats import FORMATS, Format

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation
    from lddu_pipe.schemas import SchemaVersion
    from lddu_pipe.training.progress import ProgressCallback


SUMMARY = "summary.json"
"""Figures of all files of a batch, beside its results."""


def output_names(files: Sequence[Path]) -> list[str]:
    """Return a name without ``.json`` for each file, no two alike whatever their case.

    It is the stem where only one file has it, else the name with its suffix, and with a number
    where that was used too.
    """
    return distinct_names((file.stem, file.name) for file in files)


def make_folder(folder: Path) -> None:
    """Make the folder of ``-o`` where it is not there yet.

    Raises:
        UnusableInputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableInputError(f"{folder}: cannot make the folder: {error.strerror}") from None


def targets(folder: Path, name: str, formats: Sequence[Format]) -> dict[Path, Format]:
    """The files that an annotation of this name gets, with the format of each."""
    return {folder / f"{name}{item.suffix}": item for item in formats}


def named_targets(path: Path, formats: Sequence[Format]) -> dict[Path, Format]:
    """A file that a person names, in the format of its suffix, and others beside it.

    A name without a suffix stands for its formats alone, JSON where none is given.

    Raises:
        UnusableInputError: the suffix is that of no format.
    """
    name = path.name.casefold()
    own = [item for item in FORMATS.values() if name.endswith(item.suffix.casefold())]
    if not own:
        if path.suffix:
            raise UnusableInputError(
                f"{path}: no format has this suffix; -o takes "
                + ", ".join(item.suffix for item in FORMATS.values() if not item.of_video)
            )
        return targets(path.parent, path.name, formats or (FORMATS["json"],))
    first = max(own, key=lambda item: len(item.suffix))
    stem = path.name[: -len(first.suffix)]
    others = [item for item in formats if item != first]
    return {path: first, **targets(path.parent, stem, others)}


def spare_inputs(results: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Make sure that nothing which is read, as a transcript made by hand, is written over.

    Raises:
        UnusableInputError: a result would be an input.
    """
    read = {path.resolve() for path in inputs}
    for path in results:
        if path.resolve() in read:
            raise UnusableInputError(f"{path} is to be read and written; give another -o DIR")


def save(
    annotation: Annotation,
    files: dict[Path, Format],
    schema: SchemaVersion,
    *,
    quiet: bool,
    progress: ProgressCallback,
) -> Iterator[Path]:
    """Write the files one after the other, say so, and give the path of each that is there.

    Args:
        annotation: what to write.
        files: the formats, by path.
        schema: version of the JSON contract.
        quiet: say nothing.
        progress: called with the stage and the share of it that is done, of what takes long.

    Raises:
        UnusableInputError: a file cannot be written; those before it stay.
    """
    # What may be refused, and takes long, comes last.
    for path, item in sorted(files.items(), key=lambda pair: pair[1].of_video):
        try:
            item.save(annotation, path, schema, partial(progress, "draw"))
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnusableInputError(f"{path}: cannot write the annotation: {reason}") from None
        if not quiet:
            click.echo(f"wrote {printable(str(path))}", err=True)
        yield path
