"""``lddu-pipe annotate``: emotions of files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lddu_pipe.commands import loading
from lddu_pipe.commands.base import Command, finish, report
from lddu_pipe.commands.options import (
    EXISTING_FILE,
    format_option,
    json_option,
    message_options,
    output_option,
    pipeline_options,
    schema_option,
)
from lddu_pipe.commands.progress import Bar, progress
from lddu_pipe.commands.saving import make_folder, output_names, save, spare_inputs, targets
from lddu_pipe.writers.escaping import printable
from lddu_pipe.writers.formats import FORMATS, Format

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation
    from lddu_pipe.events import Event
    from lddu_pipe.pipelines.settings import PipelineSettings
    from lddu_pipe.schemas import SchemaVersion
    from lddu_pipe.writers.terminal import Timeline


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe annotate interview.mp4",
        "lddu-pipe annotate interview.mp4 --transcript interview.srt --json",
        "lddu-pipe annotate clips/*.mp4 -o annotations",
        "lddu-pipe annotate interview.mp4 -f json,eaf,srt -o annotations",
    ],
    exit_codes={
        0: "done",
        1: "some files failed",
        2: "all files failed, or wrong use",
        130: "interrupted; files that were finished stay",
    },
)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@output_option("Write DIR/<name>.json, or in the formats of -f; DIR is made if need be.")
@format_option(
    "Formats of the files in DIR, with commas between them, or the one of standard output"
)
@schema_option
@json_option
@click.option(
    "--transcript",
    type=EXISTING_FILE,
    metavar="FILE",
    help="Words of the one FILE, in place of speech recognition: subtitles, JSON of a recogniser, "
    "ELAN, Praat, text and others; see docs/formats.md.",
)
@pipeline_options(
    "people", "known", "recogniser", "language", "tiers", "audio_track", "video_track", "speakers"
)
@message_options
def annotate(
    files: Sequence[Path],
    output: Path | None,
    formats: tuple[Format, ...],
    schema: SchemaVersion,
    as_json: bool,
    transcript: Path | None,
    model: str,
    device: str,
    offline: bool,
    settings: PipelineSettings,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Find the emotions in FILES.

    A file is a video, sound, a picture, a transcript or plain text. Prints a timeline of
    utterances with their emotions, how probable and how sure each is, and what was missing. With
    --json it prints one object for one file, and one line a file for several; with -f and no -o,
    that format.

    With -o, files of one call that share a name keep their suffix: a.mp4 and a.wav become
    a.mp4.json and a.wav.json; where that is not enough they are numbered.
    """
    if transcript and len(files) > 1:
        raise click.UsageError("--transcript belongs to one file; give one FILE")
    given = (*files, *([transcript] if transcript else ()))
    if settings.tiers and not any(map(_has_tiers, given)):
        raise click.UsageError("--tier belongs to a transcript of ELAN or Praat; none is given")
    results: list[dict[Path, Format]] = [{} for _ in files]
    if output:
        make_folder(output)
        chosen = formats or (FORMATS["json"],)
        results = [targets(output, name, chosen) for name in output_names(files)]
        spare_inputs(chain(*results), given)
        shown = FORMATS["json"] if as_json else None
    else:
        shown = _format_to_print(formats, files, as_json=as_json)
    from lddu_pipe.events import annotation_of  # brings numpy

    with progress(f"loading {model}"):
        pipeline = loading.load_pipeline(model, device=device, offline=offline, settings=settings)
    loading.warn_of(model)
    failed = 0
    above: list[Timeline] = []
    for number, (file, new) in enumerate(zip(files, results, strict=True), start=1):
        subject = (f"{number}/{len(files)} " if len(files) > 1 else "") + printable(file.name)
        try:
            with progress(subject) as bar:
                events: Iterator[Event] = pipeline.stream(
                    file, transcript=transcript, hook=bar.hook
                )
                if shown is None:
                    events = _printed(events, bar, above)
                annotation = annotation_of(events)
            content = None
            if shown is not None:
                content = _rendered(annotation, shown, schema, compact=len(files) > 1)
            list(save(annotation, new, schema, quiet=quiet, progress=bar))
            if content is not None:
                click.echo(content, nl=False)
        except Exception as error:
            # Whatever is wrong with one file, the others can still be annotated.
            report(error, debug=debug, subject=str(file))
            failed += 1
    finish(failed=failed, total=len(files))


def _has_tiers(path: Path) -> bool:
    from lddu_pipe.transcripts import TIER_SUFFIXES

    return path.suffix.lower() in TIER_SUFFIXES


def _format_to_print(
    formats: Sequence[Format], files: Sequence[Path], *, as_json: bool
) -> Format | None:
    """Return the format that goes to standard output where there is no ``-o``, or None.

    Raises:
        click.UsageError: what is asked for does not fit on standard output.
    """
    if len(formats) > 1:
        raise click.UsageError("several formats need a folder; give -o DIR")
    chosen = formats[0] if formats else FORMATS["json"] if as_json else None
    if chosen is None:
        return None
    if as_json and chosen.name != "json":
        raise click.UsageError(f"--json and {chosen.name} both want standard output; give -o DIR")
    if chosen.of_video:
        raise click.UsageError(f"{chosen.name} needs a folder; give -o DIR")
    if len(files) > 1 and chosen.name not in {"json", "jsonl"}:
        raise click.UsageError(f"{chosen.name} of several files needs a folder; give -o DIR")
    if chosen.binary and sys.stdout.isatty():
        raise click.UsageError(f"{chosen.name} is nothing for a terminal; give -o DIR")
    return chosen


def _rendered(
    annotation: Annotation, chosen: Format, schema: SchemaVersion, *, compact: bool
) -> bytes:
    """The bytes for standard output; `compact` is one line of JSON."""
    if not compact or chosen.name != "json":
        return chosen.render(annotation, schema=schema)
    values = annotation.to_dict(schema)
    line = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Undecodable bytes of a file name become \udc.., which is how JSON writes them.
    return f"{line}\n".encode("utf-8", "backslashreplace")


def _printed(events: Iterator[Event], bar: Bar, above: list[Timeline]) -> Iterator[Event]:
    """Print a timeline, each utterance when it is judged, below those that stand there already."""
    from lddu_pipe.events import StreamEnded, StreamOpened, UnitJudged
    from lddu_pipe.writers.terminal import Timeline, open_console

    for event in events:
        match event:
            case StreamOpened():
                with bar.away():
                    if above:
                        click.echo()
                    above.append(Timeline(event, open_console(sys.stdout)))
            case UnitJudged(prediction):
                with bar.away():
                    above[-1].add(prediction)
            case StreamEnded():
                above[-1].end()
        yield event
