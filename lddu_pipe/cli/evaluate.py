"""``lddu-pipe evaluate``: how good a model is on labelled rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lddu_pipe.cli import loading
from lddu_pipe.cli.commands import Command, finish, print_error
from lddu_pipe.cli.figures import draw_run
from lddu_pipe.cli.options import (
    json_option,
    message_options,
    pipeline_options,
    pipeline_settings,
    rows_options,
)
from lddu_pipe.cli.progress import progress

if TYPE_CHECKING:
    from lddu_pipe.pipelines.evaluate_store import Protocol
    from lddu_pipe.pipelines.settings import PipelineSettings


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe evaluate --manifest rows.jsonl --json > figures.json",
        "lddu-pipe evaluate --data mosei --model run --split test --figures pictures",
    ],
    exit_codes={
        0: "done",
        1: "some rows could not be used",
        2: "no row could be used, or wrong use",
        130: "interrupted",
    },
)
@rows_options("test")
@click.option(
    "--protocol",
    type=click.Choice(["validation-selected", "paper"]),
    default="validation-selected",
    show_default=True,
    help="With --data: what calibration learned, or the published run's fixed threshold of 0.21.",
)
@click.option(
    "--figures",
    "pictures",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="With --data: draw reliability, risk-coverage and more as PNG files into DIR.",
)
@json_option
@pipeline_options
@message_options
def evaluate(
    manifest: Path | None,
    data: Path | None,
    split: str,
    protocol: Protocol,
    pictures: Path | None,
    as_json: bool,
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
    """Compare a model with labelled rows.

    Each row of a manifest is one utterance, with any of: video, audio, image, text, transcript.
    A feature store is what 'dataset import' and 'extract' write. Prints figures over all labels
    and for each label; --json prints one object.
    """
    if data is not None and manifest is None:
        figures = _evaluate_store(data, model, device, offline, split, protocol, pictures)
        _show(figures, as_json=as_json)
        return
    if manifest is None or data is not None:
        raise click.UsageError("give either --manifest or --data")
    if protocol != "validation-selected" or pictures is not None:
        raise click.UsageError("--protocol and --figures go with --data, not with --manifest")
    figures, count = _evaluate_manifest(
        manifest, model, device, offline, pipeline_settings(fps, aligned, window)
    )
    for row in figures["skipped"]:
        print_error(f"row {row['id']} was skipped: {row['error']}")
    _show(figures, as_json=as_json)
    finish(failed=len(figures["skipped"]), total=count)


def _evaluate_manifest(
    manifest: Path, model: str, device: str, offline: bool, settings: PipelineSettings
) -> tuple[dict[str, Any], int]:
    from lddu_pipe.datasets.manifest import read_manifest

    rows = read_manifest(manifest)
    with progress(f"loading {model}"):
        pipeline = loading.load_pipeline(model, device=device, offline=offline, settings=settings)
    from lddu_pipe.pipelines.evaluate import evaluate_manifest

    with progress(manifest.name) as hook:
        figures = evaluate_manifest(pipeline, rows, hook)
    return figures, len(rows)


def _evaluate_store(
    data: Path,
    model: str,
    device: str,
    offline: bool,
    split: str,
    protocol: Protocol,
    pictures: Path | None,
) -> dict[str, Any]:
    from lddu_pipe.datasets.store import open_store

    store = open_store(data)
    store.split(split)
    with progress(f"loading {model}"):
        checkpoint = loading.load_model(model, device, offline=offline)
    from lddu_pipe.pipelines.evaluate_store import evaluate_store

    with progress(data.name) as hook:
        found = evaluate_store(
            checkpoint, store, split, protocol=protocol, tell=lambda share: hook("score", share)
        )
    if pictures is not None:
        draw_run(pictures, found)
    return found.figures


def _show(figures: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False).encode())
    else:
        from lddu_pipe.writers.tables import print_evaluation
        from lddu_pipe.writers.terminal import open_console

        print_evaluation(figures, open_console(sys.stdout))
