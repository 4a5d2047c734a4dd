"""``lddu-pipe batch``: whole folders, each file exactly once."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click
from click.exceptions import Exit

from lddu_pipe.commands import loading
from lddu_pipe.commands.base import INTERRUPTED, SOME_FAILED, Command, print_error
from lddu_pipe.commands.options import (
    format_option,
    json_option,
    message_options,
    pipeline_options,
    schema_option,
)
from lddu_pipe.commands.progress import BatchProgress, progress
from lddu_pipe.commands.saving import SUMMARY
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.writers.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lddu_pipe.pipelines.batch.engine import Engine
    from lddu_pipe.pipelines.batch.run import BatchRun, Result, Todo
    from lddu_pipe.pipelines.settings import PipelineSettings
    from lddu_pipe.schemas import SchemaVersion
    from lddu_pipe.writers.formats import Format


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe batch videos -o annotations",
        "lddu-pipe batch videos -o annotations -f json,eaf --exclude 'raw/*'",
        "lddu-pipe batch 'talks/**/*.mp4' -o annotations --workers 4",
        "lddu-pipe batch list.txt -o annotations --retry-failed",
    ],
    exit_codes={
        0: "done",
        1: "some files failed",
        2: "stopped, as by a full disk, or wrong use",
        130: "interrupted; the same command goes on",
    },
)
@click.argument("inputs", nargs=-1, required=True)
@click.option(
    "-o", "--output", required=True, metavar="DIR", help="Where results and the ledger go."
)
@format_option("Formats of the results, with commas between them", default="json")
@schema_option
@json_option
@click.option(
    "--include",
    multiple=True,
    metavar="PATTERN",
    help="Take only files whose path or name fits; may be repeated. '*.txt' brings in a kind that "
    "a folder is not searched for.",
)
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave out files whose path or name fits; may be repeated.",
)
@click.option(
    "--sidecars/--no-sidecars",
    default=True,
    help="Take the words from a transcript of the same name beside a file.  [default: sidecars]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Files worked on at once.  [default: half the processor cores]",
)
@click.option(
    "--time-limit",
    type=click.FloatRange(1),
    default=3600.0,
    show_default=True,
    metavar="S",
    help="Seconds after which a file has failed.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or actors of a Ray cluster.",
)
@click.option(
    "--address",
    metavar="ADDRESS",
    help="Of a Ray cluster: auto, or ray://host:port.  [default: one is started here]",
)
@click.option(
    "--gpus-per-worker",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    metavar="N",
    help="GPUs that a worker of Ray asks for; 0.25 lets four share one.",
)
@click.option("--retry-failed", is_flag=True, help="Do again what failed before.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why; do nothing.")
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Do at most so many files in this run."
)
@click.option("--shuffle", is_flag=True, help="Do the files in random order.")
@pipeline_options(
    "people", "known", "recogniser", "language", "tiers", "audio_track", "video_track", "speakers"
)
@message_options
def batch(
    inputs: Sequence[str],
    output: str,
    formats: tuple[Format, ...],
    schema: SchemaVersion,
    as_json: bool,
    include: Sequence[str],
    exclude: Sequence[str],
    sidecars: bool,
    workers: int | None,
    time_limit: float,
    engine: str,
    address: str | None,
    gpus_per_worker: float,
    retry_failed: bool,
    dry_run: bool,
    limit: int | None,
    shuffle: bool,
    model: str,
    device: str,
    offline: bool,
    settings: PipelineSettings,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Annotate everything that INPUTS name, each file exactly once.

    An input is a folder, a file, a pattern in quotes, a manifest (.jsonl, .csv, .tsv), a list of
    files (.txt, a line each), or a remote folder (s3://...). Results mirror the folder; a ledger
    beside them (ledger.sqlite) holds what became of every file. Given again, the command does what
    is new or has changed, what was not finished, and what another configuration had made; with
    --retry-failed also what had failed. It may be interrupted or killed at any moment.

    Afterwards index.html shows every file and what was found, in any browser; with the format
    html, it leads to a page of each. Figures of the corpus are in summary.json and summary.png,
    everybody who was seen or heard in people.csv, failures in failures.csv; with the format
    parquet, all rows are also in utterances.parquet.
    """
    from lddu_pipe.pipelines.batch import inputs as finding
    from lddu_pipe.pipelines.batch import run as running
    from lddu_pipe.pipelines.batch.configuration import describe_configuration
    from lddu_pipe.pipelines.batch.storage import is_remote
    from lddu_pipe.pipelines.batch.work import Plan, order_of_formats
    from lddu_pipe.pipelines.folder import pinned

    if engine != "ray" and (address or gpus_per_worker):
        raise click.UsageError("--address and --gpus-per-worker belong to --engine ray")
    names = order_of_formats([item.name for item in formats])
    with progress(f"looking for {model}"):
        # Every worker, on whatever machine, and however long it all takes, uses the same weights.
        plan = Plan(
            output, names, pinned(model, offline=offline), device, offline, settings, schema
        )
    with progress("looking for files"):
        items = finding.find_items(
            inputs,
            include=include,
            exclude=exclude,
            sidecars=sidecars,
            skip=None if is_remote(output) else Path(output),
        )
        config = describe_configuration(plan)
    loading.warn_of(model)
    state = _state_folder(output)
    # A dry run makes no folder: without a ledger everything is new.
    unmade = dry_run and not (state / running.LEDGER_FILE).exists() and not is_remote(output)
    with (
        tempfile.TemporaryDirectory() if unmade else nullcontext(state) as folder,
        running.BatchRun(plan, config, Path(folder)) as held,
    ):
        todo, notes = held.survey(items, retry_failed=retry_failed)
        for note in () if quiet else notes:
            click.echo(note, err=True)
        chosen = running.choose(todo, limit=limit, shuffle=shuffle)
        if dry_run:
            _print_plan(chosen, len(items), as_json=as_json, quiet=quiet)
            return
        make = _engine(held, len(chosen), workers, time_limit, engine, address, gpus_per_worker)
        with BatchProgress(quiet=quiet) as callback:
            result = held.run(chosen, make, callback)
        result.entries = held.entries(items)
        if "parquet" in plan.formats:
            held.write_dataset(result.entries)
        _report(held, result, len(todo) - len(chosen), as_json=as_json, quiet=quiet)


def _engine(
    held: BatchRun,
    tasks: int,
    workers: int | None,
    time_limit: float,
    engine: str,
    address: str | None,
    gpus: float,
) -> Callable[[], Engine]:
    """What starts the workers, once there is something to do."""
    # Those that this process may use, where the system knows such a thing (macOS does not).
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    count = workers or max(1, cores // 2)
    threads = max(1, cores // count)
    count = min(count, max(tasks, 1))
    if engine == "ray":
        from lddu_pipe.pipelines.batch.cluster import RayEngine

        return lambda: RayEngine(
            held.plan,
            workers=count,
            threads=threads,
            time_limit=time_limit,
            address=address,
            gpus=gpus,
        )
    from lddu_pipe.pipelines.batch.engine import LocalEngine

    return lambda: LocalEngine(
        held.plan,
        workers=count,
        threads=threads,
        time_limit=time_limit,
        scratch=held.scratch,
    )


def _report(held: BatchRun, result: Result, left_out: int, *, as_json: bool, quiet: bool) -> None:
    """Write the files that speak of the whole corpus, print it, and leave with the exit code."""
    from lddu_pipe.pipelines.batch import summary
    from lddu_pipe.pipelines.batch.storage import shown
    from lddu_pipe.writers import corpus
    from lddu_pipe.writers.terminal import open_console

    labels = summary.labels_of(result.entries)
    found = summary.summarise(result.entries, labels)
    people = list(summary.people_of(result.entries, labels))
    failures = [(entry.source, entry.error or "") for entry in result.failures]
    text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    held.output.write(SUMMARY, text.encode())
    held.output.write("summary.png", corpus.draw_corpus(found))
    for name, table in (
        ("failures.csv", corpus.failures_table(failures) if failures else None),
        ("people.csv", corpus.people_table(people) if people else None),
    ):
        if table is None:
            held.output.remove(name)
        else:
            held.output.write(name, table)
    page = _write_index(held)
    if as_json:
        click.echo(text, nl=False)
    else:
        place = f"{shown(held.output.place)}/{page}"
        corpus.print_corpus(found, open_console(sys.stdout), place)
    if not quiet:
        errors = open_console(sys.stderr)
        if failures:
            errors.print()
            corpus.print_failures(failures, errors)
        if left_out:
            click.echo(f"{left_out} more were left for another run (--limit)", err=True)
    if result.interrupted:
        print_error(f"interrupted; {result.left} files are left: the same command goes on")
        raise Exit(INTERRUPTED)
    raise Exit(SOME_FAILED if failures else 0)


def _write_index(held: BatchRun) -> str:
    """Write the page of every file in the folder, whichever run made it; return its name."""
    from lddu_pipe.pipelines.batch import summary
    from lddu_pipe.pipelines.batch.storage import shown
    from lddu_pipe.writers.corpus import render_index

    entries = list(held.ledger.entries().values())
    labels = summary.labels_of(entries)
    place = held.output.folder.resolve() if held.output.folder else shown(held.output.place)
    title = PurePath(place).name or str(place)
    name = summary.name_of_index(entries)
    found = summary.summarise(entries, labels)
    held.output.write(name, render_index(title, found, labels, summary.rows_of(entries)))
    return name


def _print_plan(chosen: Sequence[Todo], total: int, *, as_json: bool, quiet: bool) -> None:
    """Say what would be done and why."""
    rows: list[dict[str, Any]] = [
        {
            "source": item.task.item.source,
            "name": item.task.name,
            "reason": item.reason,
            "transcript": item.task.item.transcript,
        }
        for item in chosen
    ]
    if as_json:
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        # Undecodable bytes of a file name become \udc.., which is how JSON writes them.
        click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
        return
    for row in rows:
        words = f"  with {printable(row['transcript'])}" if row["transcript"] else ""
        click.echo(f"{row['reason']:22}  {printable(row['source'] or row['name'])}{words}")
    if not quiet:
        click.echo(f"{len(rows)} of {total} files would be done", err=True)


def _state_folder(output: str) -> Path:
    """Where ledger and lock of an output are: in it, or for a remote one in the cache."""
    from lddu_pipe.pipelines.batch.storage import is_remote, shown

    if not is_remote(output):
        return Path(output)
    import platformdirs

    digest = sha256(shown(output).rstrip("/").encode()).hexdigest()[:16]
    try:
        cache = platformdirs.user_cache_path("lddu-pipe")
    except RuntimeError:
        raise UnusableInputError(
            f"there is no home folder to keep the ledger of {shown(output)} in; "
            "set XDG_CACHE_HOME to a folder you may write to"
        ) from None
    return cache / "batch" / digest
