"""``lddu-pipe serve``: the HTTP API."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lddu_pipe.commands import loading
from lddu_pipe.commands.base import Command, leave_interrupted
from lddu_pipe.commands.options import (
    message_options,
    pipeline_options,
)
from lddu_pipe.errors import MissingAssetError
from lddu_pipe.server.limits import Limits, LiveLimits

if TYPE_CHECKING:
    from lddu_pipe.pipelines.settings import PipelineSettings

_MEBIBYTE = 1 << 20


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe serve",
        "lddu-pipe serve --review annotations",
        "lddu-pipe serve --data /srv/emotions --port 9000",
        "lddu-pipe serve --max-duration 10 --keep-media 0",
    ],
    exit_codes={2: "wrong use, or the model cannot be loaded", 130: "interrupted"},
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen at; one that others can reach needs a token.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    metavar="N",
    help="Port to listen at; 0 takes a free one.",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    envvar="LDDU_PIPE_TOKEN",
    metavar="TEXT",
    help="Who sends it may call; may be given again, and each has jobs of its own. Better set "
    "LDDU_PIPE_TOKEN: other users of a machine see options.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("lddu-pipe-data"),
    show_default=True,
    metavar="DIR",
    help="Folder of jobs and uploads; it is made if need be.",
)
@click.option(
    "--max-upload",
    type=click.IntRange(min=1),
    default=Limits.upload // _MEBIBYTE,
    show_default=True,
    metavar="MB",
    help="Size of media, at most.",
)
@click.option(
    "--max-duration",
    type=click.FloatRange(min=0, min_open=True),
    default=Limits.duration / 60,
    show_default=True,
    metavar="MINUTES",
    help="Duration of media, at most.",
)
@click.option(
    "--max-waiting",
    type=click.IntRange(min=1),
    default=Limits.waiting,
    show_default=True,
    metavar="N",
    help="Jobs of a token that wait or run, at most.",
)
@click.option(
    "--rate",
    type=click.IntRange(min=1),
    default=Limits.requests,
    show_default=True,
    metavar="N",
    help="Requests of a client in a minute, at most.",
)
@click.option(
    "--max-live",
    type=click.IntRange(min=0),
    default=LiveLimits.sessions,
    show_default=True,
    metavar="N",
    help="Live sessions at once, at most; 0: there are none.",
)
@click.option(
    "--max-live-each",
    type=click.IntRange(min=1),
    default=LiveLimits.each,
    show_default=True,
    metavar="N",
    help="Live sessions of a token at once, at most.",
)
@click.option(
    "--max-live-duration",
    type=click.FloatRange(min=0, min_open=True),
    default=LiveLimits.duration / 60,
    show_default=True,
    metavar="MINUTES",
    help="Duration of a live session, at most; then it is ended as if its client had.",
)
@click.option(
    "--keep-media",
    type=click.FloatRange(min=0),
    default=Limits.keep_media / 60,
    show_default=True,
    metavar="MINUTES",
    help="How long uploads are kept once their job has ended; results stay until a client "
    "deletes them.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="URL",
    help="Where pages come from whose scripts may call, such as http://localhost:9000; may be "
    "given again.",
)
@click.option(
    "--review",
    "reviewed",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Output folder of a batch, to be looked through and corrected in a browser; whoever may "
    "call sees it, and its media.",
)
@pipeline_options("people", "recogniser")
@message_options
def serve(
    host: str,
    port: int,
    tokens: Sequence[str],
    data: Path,
    max_upload: int,
    max_duration: float,
    max_waiting: int,
    rate: int,
    max_live: int,
    max_live_each: int,
    max_live_duration: float,
    keep_media: float,
    origins: Sequence[str],
    reviewed: Path | None,
    model: str,
    device: str,
    offline: bool,
    settings: PipelineSettings,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Annotate what others upload or send live over HTTP, and correct it in a browser.

    One model in memory does all jobs, in order of arrival. Jobs survive a restart. Without a token
    only this machine can call. docs/api.md describes the API, docs/review.md the review, examples/
    holds clients.
    """
    if importlib.util.find_spec("fastapi") is None or importlib.util.find_spec("uvicorn") is None:
        raise MissingAssetError(
            "the server's packages are not installed; pip install 'lddu-pipe[server]'"
        )
    from lddu_pipe.server.annotator import PipelineAnnotator
    from lddu_pipe.server.app import Access
    from lddu_pipe.server.listening import StuckInterrupt
    from lddu_pipe.server.listening import serve as listen

    limits = Limits(
        upload=max_upload * _MEBIBYTE,
        duration=max_duration * 60,
        waiting=max_waiting,
        requests=rate,
        keep_media=keep_media * 60,
        live=LiveLimits(sessions=max_live, each=max_live_each, duration=max_live_duration * 60),
    )

    def listening(address: str) -> None:
        if not quiet:
            click.echo(f"listening at {address}; open it in a browser; Ctrl-C stops", err=True)

    try:
        listen(
            PipelineAnnotator(
                lambda: loading.load_pipeline(
                    model, device=device, offline=offline, settings=settings
                ),
                limits.duration,
            ),
            data,
            host=host,
            port=port,
            limits=limits,
            access=Access(tokens, origins),
            reviewed=reviewed,
            listening=listening,
        )
    except StuckInterrupt:
        leave_interrupted()
