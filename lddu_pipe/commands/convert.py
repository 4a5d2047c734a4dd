"""``lddu-pipe convert``: annotations in other formats, without annotating again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import click

from lddu_pipe.commands.base import Command, finish, report
from lddu_pipe.commands.options import (
    format_option,
    json_option,
    message_options,
    output_option,
    schema_option,
)
from lddu_pipe.commands.progress import progress
from lddu_pipe.commands.saving import (
    SUMMARY,
    make_folder,
    output_names,
    save,
    spare_inputs,
    targets,
)
from lddu_pipe.schemas import SchemaVersion
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.formats import Format


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe convert interview.json -f eaf",
        "lddu-pipe convert annotations/*.json -f csv,srt -o tables",
        "lddu-pipe convert annotations/*.json -f json --schema 1.1 -o old",
        "lddu-pipe convert annotations/*.json -f eaf --corrections annotations",
    ],
    exit_codes={0: "done", 1: "some files failed", 2: "all files failed, or wrong use"},
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@format_option("Formats to write, with commas between them", required=True)
@schema_option
@click.option(
    "--corrections",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="With people as reviewers say in DIR, the output of a batch or the data folder of a "
    "server, to which FILES belong.",
)
@output_option("Write to DIR, and not beside each of FILES; DIR is made if need be.")
@json_option
@message_options
def convert(
    files: Sequence[Path],
    formats: tuple[Format, ...],
    schema: SchemaVersion,
    corrections: Path | None,
    output: Path | None,
    as_json: bool,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Write the annotations in FILES in other formats.

    FILES are what annotate wrote as json, with any --schema; talk.json becomes talk.eaf, and so
    on. Links to the media in the new files start at the folder in which they stand; mp4 draws on
    the video that was annotated, which must be where the annotation says. With --json
    the list of the files that were written goes to standard output.
    """
    from lddu_pipe.commands.reviewing import opened_annotations

    if output:
        make_folder(output)
    # A folder of a batch has its figures, too, which annotations/*.json names as well.
    files = [file for file in files if len(files) == 1 or file.name != SUMMARY]
    written: list[str] = []
    failed = 0
    with opened_annotations(corrections) as read:
        for file, (folder, name) in zip(files, _places(files, output), strict=True):
            try:
                new = targets(folder, name, formats)
                spare_inputs(new, files)
                annotation = read(file)
                with progress(printable(file.name)) as bar:
                    for path in save(annotation, new, schema, quiet=quiet, progress=bar):
                        written.append(str(path))
            except Exception as error:
                # Whatever is wrong with one file, the others can still be converted.
                report(error, debug=debug, subject=str(file))
                failed += 1
    if as_json:
        listing = json.dumps({"files": written}, indent=1, ensure_ascii=False)
        click.echo(listing.encode("utf-8", "backslashreplace"))
    finish(failed=failed, total=len(files))


def _places(files: Sequence[Path], output: Path | None) -> list[tuple[Path, str]]:
    """The folder and the name without ending for the results of each file."""
    if output:
        return [(output, name) for name in output_names(files)]
    ordered = sorted(enumerate(files), key=lambda item: str(item[1].parent))
    places: dict[int, tuple[Path, str]] = {}
    for folder, group in groupby(ordered, key=lambda item: item[1].parent):
        numbers, there = zip(*group, strict=True)
        places |= zip(numbers, ((folder, name) for name in output_names(there)), strict=True)
    return [places[number] for number in range(len(files))]
