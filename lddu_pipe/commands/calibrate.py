"""``lddu-pipe calibrate``: make a model's probabilities right on other rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lddu_pipe.commands import loading
from lddu_pipe.commands.base import Command, finish, print_error
from lddu_pipe.commands.options import (
    json_option,
    message_options,
    pipeline_options,
    pipeline_settings,
    rows_options,
)
from lddu_pipe.commands.progress import progress

if TYPE_CHECKING:
    from lddu_pipe.models.calibration import Method


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe calibrate --manifest own.jsonl -o mine",
        "lddu-pipe calibrate --model run --data mosei --target precision:0.8 -o precise",
        "lddu-pipe calibrate --manifest own.jsonl --risk 0.1 --coverage 0.9 -o careful",
    ],
    exit_codes={0: "done", 1: "some rows could not be used", 2: "wrong use or unusable rows"},
)
@rows_options("valid")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the newly calibrated model; it must not be there yet.",
)
@click.option(
    "--method",
    type=click.Choice(["temperature", "platt", "isotonic", "matrix"]),
    default="platt",
    show_default=True,
    help="From logits to probabilities, per label and set of present modalities.",
)
@click.option(
    "--target",
    default="f1",
    show_default=True,
    metavar="f1|micro-f1|label-f1|top-1|half|precision:P",
    help="What thresholds are chosen for; f1 is the sum of micro- and macro-F1.",
)
@click.option(
    "--risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="R",
    help="Abstain so that the share of wrong decisions among the answered stays below R.",
)
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="C",
    help="Add label sets that hold all true labels in a share C of utterances.",
)
@json_option
@pipeline_options
@message_options
def calibrate(
    manifest: Path | None,
    data: Path | None,
    split: str,
    output: Path,
    method: Method,
    target: str,
    risk: float | None,
    coverage: float | None,
    as_json: bool,
    model: str,
    device: str,
    offline: bool,
    fps: float,
    aligned: bool,
    window: float,
    own_extractors: tuple[str, ...],
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Calibrate a model on labelled rows.

    Use rows that its training has not seen, 50 or more. Writes a copy of the model with new
    probabilities, thresholds and abstention; every command takes it with --model. Sets of
    modalities that the rows do not have keep the calibration they had. The figures it prints are
    of rows that the calibration was not fitted on.
    """
    from lddu_pipe.models.calibration import parse_target

    chosen = parse_target(target)
    settings = pipeline_settings(
        fps=fps, aligned=aligned, window=window, own_extractors=own_extractors
    )
    skipped: list[dict[str, str]] = []
    total = 0
    if manifest is not None and data is None:
        from lddu_pipe.datasets.manifest import read_manifest

        rows = read_manifest(manifest)
        total = len(rows)
        with progress(f"loading {model}"):
            pipeline = loading.load_pipeline(
                model, device=device, offline=offline, settings=settings
            )
        from lddu_pipe.pipelines.recalibrate import scores_of_manifest

        checkpoint = pipeline.checkpoint
        with progress(manifest.name) as hook:
            raw, skipped = scores_of_manifest(pipeline, rows, hook)
    elif data is not None and manifest is None:
        from lddu_pipe.datasets.store import open_store

        store = open_store(data)
        with progress(f"loading {model}"):
            checkpoint = loading.load_model(model, device, offline=offline)
        from lddu_pipe.pipelines.recalibrate import scores_of_store

        with progress(data.name) as hook:
            raw = scores_of_store(checkpoint, store, split, hook)
    else:
        raise click.UsageError("give either --manifest or --data")
    from lddu_pipe.pipelines.recalibrate import recalibrate

    report = recalibrate(
        checkpoint, raw, output, method=method, target=chosen, risk=risk, coverage=coverage
    )
    for row in skipped:
        print_error(f"row {row['id']} was skipped: {row['error']}")
    _show(report, checkpoint.config.labels, as_json=as_json)
    if not quiet:
        click.echo(f"written to {output}; use it with --model {output}", err=True)
    if total:
        finish(failed=len(skipped), total=total)


def _show(report: Mapping[str, Any], labels: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(report, indent=1, allow_nan=False))
        return
    from lddu_pipe.writers.tables import print_calibration
    from lddu_pipe.writers.terminal import open_console

    print_calibration(report, labels, open_console(sys.stdout))
