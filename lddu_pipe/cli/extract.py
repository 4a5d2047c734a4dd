"""``lddu-pipe extract``: features of labelled recordings, to train on."""

from __future__ import annotations

from pathlib import Path

import click

from lddu_pipe.cli import loading
from lddu_pipe.cli.commands import Command, finish, print_error, print_warning
from lddu_pipe.cli.options import (
    manifest_option,
    message_options,
    pipeline_options,
    pipeline_settings,
)
from lddu_pipe.cli.progress import progress


def _labels(context: click.Context, option: click.Parameter, value: str | None) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()] if value else []
    if len(set(names)) != len(names):
        raise click.BadParameter(f"{value!r} names a label twice", context, option)
    return names


@click.command(
    cls=Command,
    examples=["lddu-pipe extract --manifest rows.jsonl -o features"],
    exit_codes={
        0: "done",
        1: "some rows could not be used",
        2: "no row could be used, or wrong use",
        130: "interrupted; the same command goes on",
    },
)
@manifest_option(required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The feature store to make; it must not be there yet.",
)
@click.option(
    "--labels",
    callback=_labels,
    metavar="NAME,NAME,...",
    help="The label set and its order; by default that of MOSEI or M3ED if it holds all labels "
    "of the rows, else those labels.",
)
@pipeline_options
@message_options
def extract(
    manifest: Path,
    output: Path,
    labels: list[str],
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
    """Extract features of labelled recordings into a store.

    'train' learns from the store, and the model it makes annotates raw media. Rows name their
    split; rows that do not are shared out 70 / 15 / 15 by speaker, or by recording. An interrupted
    extraction goes on when the same command is given again. Before it begins, it says where
    'train' would cross-fit these rows or refuse them.
    """
    from lddu_pipe.datasets.manifest import read_manifest
    from lddu_pipe.labels import LabelSet

    settings = pipeline_settings(fps, aligned, window)
    label_set = LabelSet("own", tuple(labels)) if labels else None
    rows = read_manifest(manifest)
    from lddu_pipe.pipelines.extract import extract_manifest, look_ahead

    warnings = look_ahead(rows, label_set)
    for warning in () if quiet else warnings:
        print_warning(warning)
    with progress(f"loading {model}"):
        pipeline = loading.load_pipeline(model, device=device, offline=offline, settings=settings)
    with progress(manifest.name) as hook:
        skipped = extract_manifest(
            pipeline, rows, output, name=manifest.stem, label_set=label_set, tell=hook
        )
    for row in skipped:
        print_error(f"row {row['id']} was left out: {row['error']}")
    if not quiet:
        click.echo(f"{output}: {len(rows) - len(skipped)} of {len(rows)} rows", err=True)
    finish(failed=len(skipped), total=len(rows))
