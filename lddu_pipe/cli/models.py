"""``lddu-pipe models``: weights on this machine, their licences, and models for elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from lddu_pipe.cli.commands import SOME_FAILED, Group, finish, print_error, report
from lddu_pipe.cli.options import DEFAULT_MODEL, json_option, message_options
from lddu_pipe.errors import LdduPipeError
from lddu_pipe.writers.escaping import printable


@click.group(cls=Group, examples=["lddu-pipe models list"])
def models() -> None:
    """List, verify, fetch or export weights."""


@models.command(
    "list",
    examples=["lddu-pipe models list --json"],
    exit_codes={0: "done, also where a model is missing or damaged: see verify"},
)
@json_option
@message_options
def list_models(as_json: bool, verbose: int, quiet: bool, debug: bool) -> None:
    """List every model and its licence.

    With size, where it was found, whether it is the published one, and the sha256 of its files.
    """
    from lddu_pipe.cli.inventory import inventory

    found = inventory()
    if as_json:
        click.echo(json.dumps({"models": found}, indent=1))
        return
    from lddu_pipe.writers.tables import print_models
    from lddu_pipe.writers.terminal import open_console

    print_models(found, open_console(sys.stdout))


@models.command(
    examples=["lddu-pipe models verify"],
    exit_codes={0: "all are right", 1: "one or more are missing or damaged"},
)
@json_option
@message_options
@click.pass_context
def verify(context: click.Context, as_json: bool, verbose: int, quiet: bool, debug: bool) -> None:
    """Check every model by its sha256.

    Each must be here and be the published one.
    """
    from lddu_pipe.cli.inventory import inventory

    found = inventory()
    problems = [model for model in found if not model["verified"]]
    if as_json:
        click.echo(json.dumps({"ok": not problems, "models": found}, indent=1))
    for model in found:
        if model["verified"] and not as_json:
            click.echo(f"{model['name']}: verified")
    for model in problems:
        print_error(model["problem"])
    context.exit(SOME_FAILED if problems else 0)


@models.command(
    examples=["lddu-pipe models fetch", "lddu-pipe models fetch whisper-tiny.en"],
    exit_codes={
        0: "all are here",
        1: "some could not be downloaded",
        2: "none could be downloaded, or wrong use",
    },
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@message_options
def fetch(names: Sequence[str], verbose: int, quiet: bool, debug: bool) -> None:
    """Download missing models.

    Those that are missing or damaged, or of these only the named ones, go to the Hugging Face
    cache (HF_HOME). lddu-base-en is part of the package itself.
    """
    from lddu_pipe import assets

    statuses = [assets.locate(name) for name in names or assets.ASSETS]
    failed = 0
    for status in statuses:
        name = status.asset.name
        if status.verified:
            _note(f"{name} is here already: {status.path}", quiet)
            continue
        _note(f"downloading {name} ({status.asset.size / 1e6:.0f} MB)", quiet)
        try:
            path = assets.fetch(name)
        except LdduPipeError as error:
            report(error, debug=debug)
            failed += 1
        else:
            _note(f"{name} is at {path}", quiet)
    finish(failed=failed, total=len(statuses))


@models.command(
    examples=[
        "lddu-pipe models export --format onnx -o head.onnx",
        "lddu-pipe models export --model runs/mine --format onnx -o mine.onnx",
    ],
    exit_codes={0: "written", 2: "wrong use, or the model cannot be exported"},
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx"]),
    default="onnx",
    show_default=True,
    help="What to write.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The file to write.",
)
@click.option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="NAME|DIR",
    help="A model that ships, or the folder of one.",
)
@json_option
@message_options
def export(
    kind: str, output: Path, model: str, as_json: bool, verbose: int, quiet: bool, debug: bool
) -> None:
    """Export a model's head for other runtimes.

    From features to calibrated probabilities, decisions and doubt in one graph, with labels and
    calibration in its metadata; see docs/export.md. The file is compared with the model before
    it is put in place. Needs the extra `export`.
    """
    from lddu_pipe.cli.loading import load_model
    from lddu_pipe.pipelines.export import export_onnx

    written = export_onnx(load_model(model, "cpu"), output)
    if as_json:
        content = {"path": str(output), "format": kind, "size": written.size}
        click.echo(json.dumps({**content, "difference": written.difference}, indent=1))
    _note(
        f"wrote {printable(str(output))} ({written.size / 1e6:.1f} MB); on random features its "
        f"probabilities are within {written.difference:.1g} of the model's",
        quiet,
    )


def _note(message: str, quiet: bool) -> None:
    if not quiet:
        click.echo(message, err=True)
