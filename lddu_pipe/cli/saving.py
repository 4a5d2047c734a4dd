"""Annotations to files: under which names, and with a note of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.formats import Format

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation


def output_names(files: Sequence[Path]) -> list[str]:
    """Return a name without ``.json`` for each file, no two alike whatever their case.

    It is the stem where only one file has it, else the name with its suffix, and with a number
    where that was used too.
    """
    stems = Counter(file.stem.casefold() for file in files)
    names: list[str] = []
    taken: set[str] = set()
    for file in files:
        name = base = file.stem if stems[file.stem.casefold()] == 1 else file.name
        number = 1
        while name.casefold() in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name.casefold())
        names.append(name)
    return names


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


def spare_inputs(results: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Make sure that nothing which is read, as a transcript made by hand, is written over.

    Raises:
        UnusableInputError: a result would be an input.
    """
    read = {path.resolve() for path in inputs}
    for path in results:
        if path.resolve() in read:
            raise UnusableInputError(f"{path} is to be read and written; give another -o DIR")


def save(annotation: Annotation, files: dict[Path, Format], *, quiet: bool) -> Iterator[Path]:
    """Write the files one after the other, say so, and give the path of each that is there.

    Raises:
        UnusableInputError: a file cannot be written; those before it stay.
    """
    for path, item in files.items():
        try:
            item.save(annotation, path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise UnusableInputError(f"{path}: cannot write the annotation: {reason}") from None
        if not quiet:
            click.echo(f"wrote {printable(str(path))}", err=True)
        yield path
