"""``lddu-pipe models``: weights on this machine, their licences, and models for elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from lddu_pipe.commands.base import SOME_FAILED, Group, finish, print_error, report
from lddu_pipe.commands.options import (
    EXISTING_FILE,
    card_options,
    json_option,
    message_options,
    model_option,
    offline_option,
)
from lddu_pipe.errors import LdduPipeError, UnusableInputError
from lddu_pipe.writers.escaping import printable


@click.group(cls=Group, examples=["lddu-pipe models list"])
def models() -> None:
    """List, verify, fetch, export or share weights."""


@models.command(
    "list",
    examples=["lddu-pipe models list --json"],
    exit_codes={0: "done, also where a model is missing or damaged: see verify"},
)
@json_option
@message_options
def list_models(as_json: bool, verbose: int, quiet: bool, debug: bool) -> None:
    """List every model and its licence.

    Emotion models of the Hugging Face hub are among them once they are in the cache.
    With size, where it was found, whether it is the published one, and the sha256 of its files.
    """
    from lddu_pipe.commands.inventory import inventory

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
    from lddu_pipe.commands.inventory import inventory

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
    examples=[
        "lddu-pipe models fetch",
        "lddu-pipe models fetch whisper-tiny.en",
        "lddu-pipe models fetch user/model@v2",
    ],
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
    cache (HF_HOME). lddu-base-en is part of the package itself. USER/MODEL or USER/MODEL@REVISION
    is an emotion model of the Hugging Face hub; what is new of it is downloaded, too, and the
    encoders by others that it reads with.
    """
    from lddu_pipe import assets
    from lddu_pipe.pipelines.hub import HubName

    wanted = [HubName.parse(name) or assets.locate(name) for name in names or assets.ASSETS]
    failed = 0
    for item in wanted:
        shown = printable(str(item) if isinstance(item, HubName) else item.asset.name)
        if isinstance(item, assets.AssetStatus) and item.verified:
            _note(f"{shown} is here already: {item.path}", quiet)
            continue
        try:
            if isinstance(item, HubName):
                from lddu_pipe.pipelines.sharing import fetch_model  # brings torch and more

                _note(f"downloading {shown}", quiet)
                path = fetch_model(item)
            else:
                _note(f"downloading {shown} ({item.asset.size / 1e6:.0f} MB)", quiet)
                path = assets.fetch(item.asset.name)
        except LdduPipeError as error:
            report(error, debug=debug)
            failed += 1
        else:
            _note(f"{shown} is at {path}", quiet)
    finish(failed=failed, total=len(wanted))


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
@model_option
@offline_option
@json_option
@message_options
def export(
    kind: str,
    output: Path,
    model: str,
    offline: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Export a model's head for other runtimes.

    From features to calibrated probabilities, decisions and doubt in one graph, with labels and
    calibration in its metadata; see docs/export.md. The file is compared with the model before
    it is put in place. Needs the extra `export`.
    """
    from lddu_pipe.commands.loading import load_model
    from lddu_pipe.pipelines.export import export_onnx

    written = export_onnx(load_model(model, "cpu", offline=offline), output)
    if as_json:
        content = {"path": str(output), "format": kind, "size": written.size}
        click.echo(json.dumps({**content, "difference": written.difference}, indent=1))
    _note(
        f"wrote {printable(str(output))} ({written.size / 1e6:.1f} MB); on random features its "
        f"probabilities are within {written.difference:.1g} of the model's",
        quiet,
    )


@models.command(
    examples=[
        "lddu-pipe models card run --licence cc-by-4.0 > card.md",
        "lddu-pipe models card run user/model > card.md",
    ],
    exit_codes={0: "printed", 2: "wrong use, or there is no such model"},
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("name", metavar="[USER/MODEL]", required=False)
@card_options
@message_options
def card(
    folder: Path,
    name: str | None,
    licence: str | None,
    languages: Sequence[str],
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Print the model card of FOLDER.

    FOLDER is a run or a model. The card says what the model was trained on, how right it is, by
    metrics.json of its run or evaluation.json beside it, how to use it, and its limits. Nothing is
    sent. See docs/models.md.
    """
    from lddu_pipe.pipelines.hub import target_of
    from lddu_pipe.pipelines.sharing import make_card
    from lddu_pipe.writers.model_card import PLACEHOLDER

    repo_id = target_of(name).repo_id if name else PLACEHOLDER
    content = make_card(folder, repo_id, licence=licence, languages=languages)
    click.echo(content.encode("utf-8", "backslashreplace"), nl=False)


@models.command(
    examples=[
        "lddu-pipe models push run user/model --licence cc-by-4.0",
        "lddu-pipe models push run user/model --private --card card.md",
    ],
    exit_codes={0: "uploaded", 2: "wrong use, no token, or the upload failed"},
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("name", metavar="USER/MODEL")
@click.option("--private", is_flag=True, help="Only people whom you allow see the model.")
@click.option(
    "--card",
    "written",
    type=EXISTING_FILE,
    metavar="FILE",
    help="A card of your own, in place of what 'models card' prints.",
)
@card_options
@json_option
@message_options
def push(
    folder: Path,
    name: str,
    private: bool,
    written: Path | None,
    licence: str | None,
    languages: Sequence[str],
    as_json: bool,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Upload the model in FOLDER to the Hugging Face hub.

    FOLDER is a run or a model. The model's own files go, and its card, in one commit; nothing else
    of the folder does. Others then take it with --model USER/MODEL. Needs a token: log in with
    'hf auth login', or set HF_TOKEN. See docs/models.md.
    """
    from lddu_pipe.pipelines.sharing import push_checkpoint

    if written and (licence or languages):
        raise click.UsageError("--licence and --language are part of the card; leave out --card")
    pushed = push_checkpoint(
        folder,
        name,
        private=private,
        card=_read_card(written) if written else None,
        licence=licence,
        languages=languages,
    )
    if as_json:
        click.echo(json.dumps(asdict(pushed), indent=1))
    _note(
        f"uploaded {len(pushed.files)} files to {name} ({pushed.revision[:12]}); use it with "
        f"--model {name}",
        quiet,
    )


def _read_card(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UnusableInputError(f"{path} is not in UTF-8") from None


def _note(message: str, quiet: bool) -> None:
    if not quiet:
        click.echo(message, err=True)
