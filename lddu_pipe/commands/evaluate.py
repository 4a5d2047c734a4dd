"""``lddu-pipe evaluate``: how good a model is on labelled rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lddu_pipe.commands import loading
from lddu_pipe.commands.base import Command, finish, print_error
from lddu_pipe.commands.figures import draw_run
from lddu_pipe.commands.options import (
    json_option,
    message_options,
    pipeline_options,
    rows_options,
)
from lddu_pipe.commands.progress import progress
from lddu_pipe.commands.saving import make_folder
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.writers.escaping import printable

if TYPE_CHECKING:
    from lddu_pipe.pipelines.evaluate_store import Protocol
    from lddu_pipe.pipelines.evaluation import Evaluation
    from lddu_pipe.pipelines.settings import PipelineSettings


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe evaluate --manifest rows.jsonl --json > figures.json",
        "lddu-pipe evaluate --data mosei --model run --split test --figures pictures",
        "lddu-pipe evaluate --manifest rows.jsonl --predictions scores.parquet",
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
    "--predictions",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the model's answer to each row, for 'compare' and pandas: .parquet or .jsonl.",
)
@click.option(
    "--figures",
    "pictures",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Draw reliability, risk-coverage and more as PNG files into DIR.",
)
@json_option
@pipeline_options()
@message_options
def evaluate(
    manifest: Path | None,
    data: Path | None,
    split: str,
    protocol: Protocol,
    predictions: Path | None,
    pictures: Path | None,
    as_json: bool,
    model: str,
    device: str,
    offline: bool,
    settings: PipelineSettings,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Compare a model with labelled rows.

    Each row of a manifest is one utterance, with any of: video, audio, image, text, transcript.
    A feature store is what 'dataset import' and 'extract' write. Prints figures over all labels
    and for each label, with the 95 % intervals that draws of other rows, or of other speakers
    where they are known, would give, and whether the model is better than answering how frequent
    each label is; --json prints one object.
    """
    if (manifest is None) == (data is None):
        raise click.UsageError("give either --manifest or --data")
    if manifest is not None and protocol != "validation-selected":
        raise click.UsageError("--protocol goes with --data, not with --manifest")
    if predictions is not None:
        _check_target(predictions, manifest)
    if pictures is not None:
        make_folder(pictures)
    skipped: list[dict[str, str]] = []
    if data is not None:
        found = _evaluate_store(data, model, device, offline, split, protocol)
        source = ""  # the store tells
    elif manifest is not None:
        found = _evaluate_manifest(manifest, model, device, offline, settings)
        source, skipped = manifest.name, found.figures["skipped"]
    from lddu_pipe.pipelines.evaluation import with_intervals

    figures = with_intervals(found)
    for row in skipped:
        print_error(f"row {row['id']} was skipped: {row['error']}")
    _show(figures, as_json=as_json, quiet=quiet)  # first: scoring may have taken hours
    if predictions is not None:
        _write_predictions(found, predictions, quiet=quiet)
    if pictures is not None:
        draw_run(pictures, found, source)
    finish(failed=len(skipped), total=len(skipped) + figures["n"])


def _check_target(predictions: Path, manifest: Path | None) -> None:
    """Find out what is wrong with the file's name before hours of scoring, and not after."""
    from lddu_pipe.writers.predictions import check_ending

    check_ending(predictions)
    if not predictions.parent.is_dir():
        raise UnusableInputError(f"{predictions}: there is no folder {predictions.parent}")
    if manifest is not None and predictions.resolve() == manifest.resolve():
        raise UnusableInputError(f"{predictions} is the manifest; give --predictions another FILE")


def _write_predictions(found: Evaluation, path: Path, *, quiet: bool) -> None:
    from lddu_pipe.writers.predictions import write_predictions

    write_predictions(found.answers, path)
    if not quiet:
        click.echo(f"wrote {printable(str(path))}", err=True)


def _evaluate_manifest(
    manifest: Path, model: str, device: str, offline: bool, settings: PipelineSettings
) -> Evaluation:
    from lddu_pipe.datasets.manifest import read_manifest

    rows = read_manifest(manifest)
    with progress(f"loading {model}"):
        pipeline = loading.load_pipeline(model, device=device, offline=offline, settings=settings)
    from lddu_pipe.pipelines.evaluate_manifest import evaluate_manifest

    with progress(manifest.name) as hook:
        return evaluate_manifest(pipeline, rows, hook)


def _evaluate_store(
    data: Path, model: str, device: str, offline: bool, split: str, protocol: Protocol
) -> Evaluation:
    from lddu_pipe.datasets.store import open_store

    store = open_store(data)
    store.split(split)
    with progress(f"loading {model}"):
        checkpoint = loading.load_model(model, device, offline=offline)
    from lddu_pipe.pipelines.evaluate_store import evaluate_store

    with progress(data.name) as hook:
        return evaluate_store(
            checkpoint, store, split, protocol=protocol, tell=lambda share: hook("score", share)
        )


def _show(figures: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    from lddu_pipe.writers.tables import against_base_rates, print_evaluation

    if as_json:
        click.echo(json.dumps(figures, indent=1, ensure_ascii=False, allow_nan=False).encode())
        if figures["better_than_base_rates"] is False and not quiet:
            click.echo(against_base_rates(figures), err=True)
    else:
        from lddu_pipe.writers.terminal import open_console

        print_evaluation(figures, open_console(sys.stdout))
