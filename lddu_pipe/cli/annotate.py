"""``lddu-pipe annotate``: emotions of files."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lddu_pipe.cli import loading
from lddu_pipe.cli.commands import Command, finish, report
from lddu_pipe.cli.options import (
    EXISTING_FILE,
    json_option,
    message_options,
    pipeline_options,
    pipeline_settings,
)
from lddu_pipe.cli.progress import progress
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.writers.escaping import printable

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe annotate interview.mp4",
        "lddu-pipe annotate interview.mp4 --transcript interview.srt --json",
        "lddu-pipe annotate clips/*.mp4 -o annotations",
    ],
    exit_codes={
        0: "done",
        1: "some files failed",
        2: "all files failed, or wrong use",
        130: "interrupted; files that were finished stay",
    },
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write DIR/<name>.json for each file; DIR is made if need be.",
)
@click.option(
    "-f",
    "--format",
    "file_format",
    type=click.Choice(["json"]),
    help="Format of the files in DIR, or of standard output without -o.",
)
@json_option
@click.option(
    "--transcript",
    type=EXISTING_FILE,
    metavar="FILE",
    help="Words of the one FILE, in place of speech recognition: .srt, .vtt, .json or .txt.",
)
@pipeline_options
@message_options
def annotate(
    files: Sequence[Path],
    output: Path | None,
    file_format: str | None,
    as_json: bool,
    transcript: Path | None,
    model: str,
    device: str,
    offline: bool,
    fps: float,
    aligned: bool,
    window: float,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Find the emotions in FILES.

    A file is a video, sound, a picture, subtitles or plain text. Prints a timeline of utterances
    with their emotions, how probable and how sure each is, and what was missing. With --json it
    prints one object for one file, and one line a file for several.

    With -o, files of one call that share a name keep their suffix: a.mp4 and a.wav become
    a.mp4.json and a.wav.json; where that is not enough they are numbered.
    """
    if transcript and len(files) > 1:
        raise click.UsageError("--transcript belongs to one file; give one FILE")
    settings = pipeline_settings(fps, aligned, window)
    if output:
        _make_folder(output)
    as_json = as_json or (file_format == "json" and output is None)
    with progress(f"loading {model}"):
        pipeline = loading.load_pipeline(model, device=device, offline=offline, settings=settings)
    failed = 0
    for number, (file, name) in enumerate(zip(files, output_names(files), strict=True), start=1):
        subject = (f"{number}/{len(files)} " if len(files) > 1 else "") + printable(file.name)
        try:
            with progress(subject) as hook:
                annotation = pipeline(file, transcript=transcript, hook=hook)
            text = _json(annotation, compact=len(files) > 1) if as_json else ""
            if output:
                _save(annotation, output / f"{name}.json", quiet)
        except Exception as error:
            # Whatever is wrong with one file, the others can still be annotated.
            report(error, debug=debug, subject=str(file))
            failed += 1
            continue
        _print(annotation, text, first=number == failed + 1)
    finish(failed=failed, total=len(files))


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


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnusableInputError(f"{folder}: cannot make the folder: {error.strerror}") from None


def _save(annotation: Annotation, target: Path, quiet: bool) -> None:
    try:
        annotation.save(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableInputError(f"{target}: cannot write the annotation: {reason}") from None
    if not quiet:
        click.echo(f"wrote {printable(str(target))}", err=True)


def _json(annotation: Annotation, *, compact: bool) -> str:
    if not compact:
        return annotation.to_json()
    values = annotation.to_dict()
    line = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return line + "\n"


def _print(annotation: Annotation, text: str, *, first: bool) -> None:
    if text:
        # Undecodable bytes of a file name become \udc.., which is how JSON writes them.
        click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
        return
    from lddu_pipe.writers.terminal import open_console, print_timeline

    if not first:
        click.echo()
    print_timeline(annotation, open_console(sys.stdout))
