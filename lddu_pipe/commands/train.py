"""``lddu-pipe train``: a model from a feature store."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lddu_pipe.commands.base import Command
from lddu_pipe.commands.figures import draw_run
from lddu_pipe.commands.options import json_option, message_options
from lddu_pipe.commands.progress import log_lines, progress


def _seeds(context: click.Context, option: click.Parameter, value: str | None) -> list[int]:
    try:
        return [int(seed) for seed in value.split(",")] if value else []
    except ValueError:
        raise click.BadParameter(f"{value!r} is not whole numbers between commas") from None


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe train mosei-aligned data=mosei output=run",
        "lddu-pipe train mosei-aligned data=mosei output=runs --seeds 1,2,3",
        "lddu-pipe train settings.yaml data=own output=run epochs=4 model.dropout=0.1",
        "lddu-pipe train ablations data=mosei output=table --seeds 1,2,3",
    ],
    exit_codes={
        0: "done",
        2: "wrong use or unusable data",
        130: "interrupted; the same command goes on",
    },
)
@click.argument("preset", metavar="PRESET|FILE.yaml")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option(
    "--seeds",
    callback=_seeds,
    metavar="N,N,...",
    help="Train once a seed and report mean and spread; each run is output/seed-N.",
)
@json_option
@message_options
def train(
    preset: str,
    overrides: Sequence[str],
    seeds: list[int],
    as_json: bool,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Train a model on a feature store.

    PRESET is mosei-aligned, mosei-unaligned or m3ed, each with the paper's sizes and lengths, or
    ablations, which trains mosei-aligned and each of its ablations; or a YAML file of settings.
    KEY=VALUE changes a setting; data and output are needed. method=paper trains as the paper did,
    method=default, which is taken where nothing is said, as learns best by validation.

    The epoch, the calibration and the thresholds are chosen on the valid split; where it has fewer
    than 50 rows, or is missing, the model is cross-fitted on the rows of train and valid, 20 or
    more. The test split is scored once, at the end. Several GPUs: torchrun --standalone
    --nproc-per-node 2 -m lddu_pipe.cli train ...
    An interrupted run goes on when the same command is given again.
    """
    from lddu_pipe.training.settings import ABLATIONS, read_settings

    settings = read_settings(preset, overrides)
    from lddu_pipe.datasets.store import open_store
    from lddu_pipe.pipelines import train as pipeline  # brings torch and more
    from lddu_pipe.pipelines.ablations import ablate
    from lddu_pipe.pipelines.plan import plan_of_store
    from lddu_pipe.training.run import is_first
    from lddu_pipe.writers import training as writer

    plan = plan_of_store(open_store(settings.data), settings.seed)
    if plan.folds is not None and is_first() and not quiet:
        click.echo(f"cross-fitting: {plan.describe()}", err=True)
    result: dict[str, Any] | None
    log = log_lines()
    with progress(Path(settings.output).name) as hook:
        if preset == ABLATIONS:
            result = ablate(settings, seeds or [settings.seed], hook, draw_run, log)
        elif seeds:
            result = pipeline.train_seeds(settings, seeds, hook, draw_run, log)
        else:
            run = pipeline.train(settings, hook, draw_run, log)
            result = run.metrics if run else None
    if result is None:  # a process that only helped another
        return
    if as_json:
        click.echo(json.dumps(result, indent=1, allow_nan=False))
        return
    from lddu_pipe.writers.terminal import open_console

    console = open_console(sys.stdout)
    if preset == ABLATIONS:
        writer.print_ablations(result, console)
    elif seeds:
        writer.print_seeds(result, console)
    else:
        writer.print_run(result, settings.output, console)
