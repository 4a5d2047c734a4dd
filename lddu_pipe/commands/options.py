"""Options that mean the same in every command."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import why_absent
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.schemas import SCHEMA_VERSION, SCHEMA_VERSIONS
from lddu_pipe.writers.formats import FORMATS, Format, choose_formats

_Function = TypeVar("_Function", bound=Callable[..., Any])

DEFAULT_MODEL = "lddu-base-en"


class _ExistingFile(click.Path):
    """A file of this machine; of an address it is said that it is none."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Return the path."""
        if not os.path.lexists(value):
            self.fail(f"{os.fspath(value)} {why_absent(Path(value))}", param, ctx)
        return Path(super().convert(value, param, ctx))  # type: ignore[arg-type]


EXISTING_FILE = _ExistingFile()


def _together(*options: Callable[[Any], Any]) -> Callable[[_Function], _Function]:
    """One decorator for several options; the help lists them in this order."""

    def decorate(function: _Function) -> _Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on standard output."
)

message_options = _together(
    click.option("-v", "--verbose", count=True, help="Say what is done; -vv says everything."),
    click.option("-q", "--quiet", is_flag=True, help="No progress and no notes, only errors."),
    click.option("--debug", is_flag=True, help="Print tracebacks."),
)


def output_option(text: str) -> Callable[[_Function], _Function]:
    """The option that names a folder for results."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help=text,
    )


def format_option(
    text: str, *, default: str | None = None, required: bool = False
) -> Callable[[_Function], _Function]:
    """The option that names formats of annotations; without a default an empty tuple."""
    return click.option(
        "-f",
        "--format",
        "formats",
        multiple=True,
        default=None if default is None else [default],
        show_default=default is not None,
        required=required,
        callback=_chosen,
        metavar="NAME,...",
        help=f"{text}: {', '.join(FORMATS)}.",
    )


schema_option = click.option(
    "--schema",
    type=click.Choice(SCHEMA_VERSIONS),
    default=SCHEMA_VERSION,
    show_default=True,
    help="Version of the layout of json and jsonl; an earlier one leaves out what it lacks.",
)


def _chosen(
    context: click.Context, parameter: click.Parameter, names: tuple[str, ...]
) -> tuple[Format, ...]:
    try:
        return choose_formats(",".join(names)) if names else ()
    except UnusableInputError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def manifest_option(*, required: bool) -> Callable[[_Function], _Function]:
    """The option of a command that takes labelled rows."""
    return click.option(
        "--manifest",
        type=EXISTING_FILE,
        required=required,
        metavar="FILE",
        help="Labelled rows of raw media and text: .jsonl, .csv or .tsv.",
    )


def rows_options(split: str) -> Callable[[_Function], _Function]:
    """Options of a command that takes rows from a manifest or from a split of a feature store."""
    return _together(
        manifest_option(required=False),
        click.option(
            "--data",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            metavar="DIR",
            help="A feature store, in place of a manifest.",
        ),
        click.option(
            "--split",
            type=click.Choice(["train", "valid", "test"]),
            default=split,
            show_default=True,
            help="Rows of the store to use.",
        ),
    )


model_option = click.option(
    "--model",
    default=DEFAULT_MODEL,
    show_default=True,
    metavar="NAME|DIR|USER/MODEL",
    help="A model that ships, the folder of one, or one of the Hugging Face hub (of a revision: "
    "USER/MODEL@REVISION), which is downloaded once.",
)
offline_option = click.option("--offline", is_flag=True, help="Never download weights.")

card_options = _together(
    click.option(
        "--licence",
        "--license",
        metavar="ID",
        help="Licence of the weights, such as cc-by-4.0; without it the card says that none is "
        "stated.",
    ),
    click.option(
        "--language",
        "languages",
        multiple=True,
        metavar="CODE",
        help="Language of the training data, such as en; may be given again.",
    ),
)

pipeline_options = _together(
    model_option,
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda", "mps"]),
        default="auto",
        show_default=True,
        help="Where networks run; auto takes a GPU if there is one.",
    ),
    offline_option,
    click.option(
        "--fps",
        type=float,
        default=PipelineSettings.fps,
        show_default=True,
        metavar="N",
        help="Frames a second in which faces are looked for.",
    ),
    click.option(
        "--aligned", is_flag=True, help="Pool every modality to one step a word before scoring."
    ),
    click.option(
        "--window",
        type=float,
        default=PipelineSettings.window,
        show_default=True,
        metavar="S",
        help="Seconds of an utterance where nobody speaks.",
    ),
)

tier_option = click.option(
    "--tier",
    "tiers",
    multiple=True,
    metavar="NAME",
    help="Of transcripts of ELAN and Praat, a tier that holds speech; may be given again.  "
    "[default: by their names]",
)

track_options = _together(
    click.option(
        "--audio-track",
        metavar="N|LANGUAGE",
        help="Which sound of files that have several: its number, from 1, or its language as the "
        "file has it.  [default: what the file prefers and somebody speaks in]",
    ),
    click.option(
        "--video-track",
        metavar="N|LANGUAGE",
        help="Which pictures of files that have several.  [default: what the file prefers and "
        "shows something]",
    ),
    click.option(
        "--speakers",
        type=click.Choice(["unknown", "channels"]),
        default=PipelineSettings.speakers,
        show_default=True,
        help="channels: each channel of the sound is a speaker, as the two sides of a call.",
    ),
)

recogniser_option = click.option(
    "--recogniser",
    default=PipelineSettings.recogniser,
    show_default=True,
    metavar="NAME|DIR",
    help="What recognises words: a size of faster-whisper such as small.en, which is downloaded "
    "once, or the folder of one. Larger ones understand more and take longer.",
)


def pipeline_settings(**chosen: Any) -> PipelineSettings:
    """Return the settings, or say which option is out of range.

    Raises:
        click.UsageError: a value is out of range.
    """
    try:
        return PipelineSettings(**chosen)
    except ValueError as error:
        raise click.UsageError(f"--{error}") from None
