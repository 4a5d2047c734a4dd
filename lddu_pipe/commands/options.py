"""Options that mean the same in every command."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import why_absent
from lddu_pipe.pipelines.settings import SETTINGS, PipelineSettings
from lddu_pipe.schemas import SCHEMA_VERSION, SCHEMA_VERSIONS
from lddu_pipe.writers.formats import FORMATS, Format, choose_formats

_Function = TypeVar("_Function", bound=Callable[..., Any])

DEFAULT_MODEL = "lddu-base-en"


class _ExistingFile(click.Path):
    """A file of this machine; an address is refused as such."""

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

_device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where networks run; auto takes a GPU if there is one.",
)


_channels_option = click.option(
    "--channels-are-speakers",
    is_flag=True,
    help="The same as --speakers channels: a call with one voice a channel.",
)


def pipeline_options(*more: str) -> Callable[[_Function], _Function]:
    """Options of a command that runs a pipeline: the model, where it runs, and settings.

    The command gets `model`, `device`, `offline`, and all settings as one `settings`.

    Args:
        more: names of settings beside those that every such command has.
    """
    names = ("fps", "aligned", "window", "own_extractors", *more)

    def decorate(function: _Function) -> _Function:
        @wraps(function)
        def command(**values: Any) -> Any:  # noqa: ANN401 - as the command has it
            chosen = {name: values.pop(name) for name in names}
            if values.pop("channels_are_speakers", False):
                chosen["speakers"] = "channels"
            try:
                settings = PipelineSettings(**chosen)
            except ValueError as error:  # such as NaN, which click lets pass
                raise click.UsageError(f"--{error}") from None
            return function(**values, settings=settings)

        options = _together(
            *(model_option, _device_option, offline_option, *map(_setting_option, names)),
            *([_channels_option] if "speakers" in names else []),
        )
        return cast(_Function, options(command))

    return decorate


def _setting_option(name: str) -> Callable[[Any], Any]:
    """The option of one setting, as its description has it."""
    setting, default = SETTINGS[name], getattr(PipelineSettings, name)
    kind: click.ParamType[Any] | None = None
    if setting.choices:
        kind = click.Choice(setting.choices)
    elif setting.low is not None and setting.high is not None:
        low, high = setting.low, setting.high
        whole = isinstance(default, int)
        kind = click.IntRange(int(low), int(high)) if whole else click.FloatRange(low, high)
    elif setting.folder:
        kind = click.Path(exists=True, file_okay=False, path_type=Path)
    return click.option(
        f"--{(setting.singular or name).replace('_', '-')}",
        name,
        type=kind,
        is_flag=default is False,
        multiple=bool(setting.singular),
        default=default,
        show_default=not setting.unset and default is not False,
        metavar=setting.metavar,
        help=setting.help + (f"  [default: {setting.unset}]" if setting.unset else ""),
    )
