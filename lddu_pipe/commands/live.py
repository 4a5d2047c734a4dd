"""``lddu-pipe live``: emotions while they are shown."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.exceptions import Exit

from lddu_pipe.commands import loading
from lddu_pipe.commands.base import SOME_FAILED, Command, leave_interrupted, report
from lddu_pipe.commands.devices import choose_devices, print_devices
from lddu_pipe.commands.options import (
    format_option,
    json_option,
    message_options,
    pipeline_options,
    schema_option,
)
from lddu_pipe.commands.progress import progress
from lddu_pipe.commands.saving import make_folder, named_targets, save
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.writers.formats import Format

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation
    from lddu_pipe.commands.feeding import Feeding, Supply
    from lddu_pipe.commands.showing import Show
    from lddu_pipe.media.capture import Capture
    from lddu_pipe.pipelines.live import Live
    from lddu_pipe.pipelines.settings import PipelineSettings
    from lddu_pipe.schemas import SchemaVersion

_STANDARD_INPUT = 0
"""Its descriptor."""


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe live",
        "lddu-pipe live --no-camera -o talk.json -f eaf,html",
        "lddu-pipe live --device-list",
        "lddu-pipe live - --json < talk.mkv",
    ],
    exit_codes={
        0: "done; Ctrl-C is the way to end it, and what was seen is written",
        1: "a device ended by itself; what was seen is written",
        2: "nothing to listen to or to look at, or wrong use",
        130: "interrupted before it began, or by Ctrl-C given twice; nothing is written",
    },
)
@click.argument("source", required=False, metavar="[-]")
@click.option("--camera", metavar="NAME", help="Which camera.  [default: the first]")
@click.option(
    "--microphone", metavar="NAME", help="Which microphone.  [default: that of the system]"
)
@click.option("--no-camera", is_flag=True, help="Listen only.")
@click.option("--no-microphone", is_flag=True, help="Look only.")
@click.option(
    "--device-list", is_flag=True, help="List cameras and microphones, and say what is missing."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what was seen when the session ends, in the format of FILE's suffix; in a folder, "
    "session.json.",
)
@format_option("Further formats, each in a file beside FILE; of these all but mp4")
@schema_option
@json_option
@pipeline_options("people", "known", "recogniser")
@message_options
def live(
    source: str | None,
    camera: str | None,
    microphone: str | None,
    no_camera: bool,
    no_microphone: bool,
    device_list: bool,
    output: Path | None,
    formats: tuple[Format, ...],
    schema: SchemaVersion,
    as_json: bool,
    model: str,
    device: str,
    offline: bool,
    settings: PipelineSettings,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Find the emotions of whoever is in front of a camera and a microphone.

    On a terminal, what everybody shows is redrawn in place; elsewhere an utterance is a line once
    it has ended. With --json an event is a line of JSON. Ctrl-C ends the session: what is open
    is judged, and -o is written. Neither sound nor pictures are kept.

    With - a container is read from standard input as it comes: Matroska, WebM, fragmented MP4,
    MPEG-TS, WAV and others. A file that is given there, as < talk.mkv, goes at its own speed.

    NAME is part of a device's description, or its name as --device-list has it.
    """
    if device_list:
        print_devices(as_json=as_json)
        return
    hears, sees = not no_microphone, not no_camera
    _check(source, {"camera": camera, "microphone": microphone}, hears=hears, sees=sees)
    files = _files(output, formats)
    chosen = [] if source else choose_devices(camera, microphone, hears=hears, sees=sees)
    from lddu_pipe.commands.feeding import Feeding
    from lddu_pipe.media.capture import SAMPLE_RATE, capture_device, capture_stream

    def opened(capture: AbstractContextManager[Capture]) -> Capture:
        return stack.enter_context(capture)

    size = (settings.fps, settings.side)
    with ExitStack() as stack:
        captures: list[Capture] = []
        if source:
            stream = capture_stream(_STANDARD_INPUT, *size, sound=hears, pictures=sees)
            captures = [opened(stream)]
            hears, sees = captures[0].has_sound, captures[0].has_pictures
        with progress(f"loading {model}"):
            pipeline = loading.load_pipeline(
                model, device=device, offline=offline, settings=settings
            )
            session = stack.enter_context(
                pipeline.live(audio_rate=SAMPLE_RATE if hears else None, camera=sees)
            )
        loading.warn_of(model)
        captures += [opened(capture_device(item, *size)) for item in chosen]
        show = _show(session, captures, as_json=as_json, quiet=quiet)
        feeding = Feeding(captures, session, _supply(source))
        annotation = _annotated(feeding, session, show)
    if feeding.error is not None and not feeding.given:
        raise feeding.error
    list(save(annotation, files, schema, quiet=quiet, progress=lambda stage, share: None))
    if feeding.error is not None:
        report(feeding.error, debug=debug)
        raise Exit(SOME_FAILED)


def _check(
    source: str | None, names: Mapping[str, str | None], *, hears: bool, sees: bool
) -> None:
    """Raise `click.UsageError` where arguments do not fit together."""
    if source not in (None, "-"):
        raise click.UsageError(f"live takes - or nothing; a file: lddu-pipe annotate {source}")
    if not (hears or sees):
        raise click.UsageError("--no-camera and --no-microphone leave nothing to go by")
    for kind, wanted in (("camera", sees), ("microphone", hears)):
        if names[kind] is not None and not wanted:
            raise click.UsageError(f"--{kind} and --no-{kind} exclude each other")
        if names[kind] is not None and source:
            raise click.UsageError(f"--{kind} has no place beside -, which is standard input")
    if source and not _is_open(_STANDARD_INPUT):
        raise click.UsageError("standard input is closed; send a stream of media there")
    if source and os.isatty(_STANDARD_INPUT):
        raise click.UsageError("standard input is a terminal; send a stream of media there")


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _files(output: Path | None, formats: Sequence[Format]) -> dict[Path, Format]:
    """What will be written, by path; its folder is made.

    Raises:
        click.UsageError: a format cannot be had, or there is no place for it.
        UnusableInputError: nothing can be written there.
    """
    if output is None:
        if formats:
            raise click.UsageError("-f names formats beside -o; give -o FILE")
        return {}
    if output.is_dir():
        output /= "session"
    files = named_targets(output, formats)
    for item in files.values():
        if item.of_video:
            raise click.UsageError(
                f"{item.name} is drawn on a video, and a live session keeps none"
            )
    make_folder(output.parent)
    if not os.access(output.parent, os.W_OK):
        # Said now: once the session is over, it is too late.
        raise UnusableInputError(f"{output.parent} cannot be written to; give another -o FILE")
    return files


def _supply(source: str | None) -> Supply:
    """Where it comes from."""
    from lddu_pipe.commands.feeding import Supply

    if not source:
        return Supply.DEVICES
    return Supply.FILE if stat.S_ISREG(os.fstat(_STANDARD_INPUT).st_mode) else Supply.PIPE


def _show(session: Live, captures: Sequence[Capture], *, as_json: bool, quiet: bool) -> Show:
    """How it is shown on standard output."""
    from lddu_pipe.commands import showing
    from lddu_pipe.writers.live import Pace

    def pace() -> Pace:
        return Pace(session.delay, session.dropped)

    if as_json:
        return showing.ShownAsJson(pace)
    if not sys.stdout.isatty():
        return showing.ShownAsLines(quiet=quiet)
    return showing.ShownInPlace(", ".join(capture.name for capture in captures), pace)


def _annotated(feeding: Feeding, session: Live, show: Show) -> Annotation:
    """Let the session go on until it ends or is ended; return what it comes to."""
    from lddu_pipe.commands.feeding import ended_by_signals
    from lddu_pipe.events import annotation_of

    def end() -> None:
        show.finish()
        feeding.stop()

    try:
        # Whoever presses Ctrl-C as soon as it begins means the same.
        with ended_by_signals(end), feeding:
            return annotation_of(show(session.events()))
    except KeyboardInterrupt:
        leave_interrupted()  # without waiting for what is being judged
