"""Commands whose every failure is one line on standard error and one exit code."""

from __future__ import annotations

import errno
import gc
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn

import click
from click.exceptions import Abort, Exit, NoArgsIsHelpError

from lddu_pipe.errors import LdduPipeError
from lddu_pipe.writers.escaping import printable

PROGRAM = "lddu-pipe"
SOME_FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130
COLLECT_RARELY = (50_000, 20, 20)
"""Objects to be made before Python looks for garbage. What torch makes when it is imported
stays; at Python's own rate, looking through it takes a quarter of a short command."""

_LIBRARY = re.compile(r"(?:.*/)?(lib[\w.+-]+\.so[\w.]*): ")
"""How the system's loader begins its complaint about a library."""


class _Documented(click.Command):
    """A command whose help ends with examples and its exit codes."""

    def __init__(
        self,
        *args: Any,
        examples: Sequence[str] = (),
        exit_codes: Mapping[int, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.examples = examples
        self.exit_codes = exit_codes or {}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what stands below the options."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"  {example}\n")
        if self.exit_codes:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), text) for code, text in self.exit_codes.items()])


class Command(_Documented):
    """A command that keeps other libraries quiet and turns exceptions into one line."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - as click has it
        """Run the command; an exception ends it with exit code 2."""
        from lddu_pipe.commands.noise import only_our_messages  # not needed for the help

        gc.set_threshold(*COLLECT_RARELY)
        debug = ctx.params["debug"]
        with only_our_messages(ctx.params["verbose"], quiet=ctx.params["quiet"], native=debug):
            try:
                return super().invoke(ctx)
            except (click.ClickException, Exit, Abort, BrokenPipeError):
                raise  # click's own, and a pipe whose reader has closed it
            except Exception as error:
                # Whatever it is: a person gets one line, and the traceback only when asked for.
                report(error, debug=debug)
                ctx.exit(UNUSABLE)


class Group(_Documented, click.Group):
    """A group of `Command`; as the program itself it also reports wrong use in one line."""

    command_class = Command
    group_class = type

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:  # noqa: ANN401
        """Run the program and leave it with one of the documented exit codes."""
        # The name is fixed: it would be another one where the program was started as a module.
        run: Callable[[], Any] = partial(
            super().main, args, PROGRAM, complete_var, standalone_mode=False, **extra
        )
        if not standalone_mode:
            return run()
        try:
            code = run()
        except NoArgsIsHelpError as error:
            error.show()
            code = UNUSABLE
        except click.ClickException as error:
            print_error(_wrong_use(error, sys.argv[1:] if args is None else args))
            code = UNUSABLE
        except Abort:
            # As the program: threads that are at work would not survive the interpreter's end.
            if args is None:
                leave_interrupted()
            _tell_interrupted()
            code = INTERRUPTED
        sys.exit(code)


def report(error: Exception, *, debug: bool, subject: str = "") -> None:
    """Tell of a failure on standard error.

    Args:
        error: an `LdduPipeError`, whose text is for people, or something unexpected.
        debug: print the traceback as well.
        subject: the file it happened with; named where the text does not name it.
    """
    if debug:
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    message = str(error)
    if not isinstance(error, LdduPipeError):
        message = _missing_library(error) or _too_long_name(error) or _unexpected(error)
    if printable(subject) not in printable(message):
        message = f"{subject}: {message}"
    print_error(message)


def _missing_library(error: Exception) -> str | None:
    """What to do where a library of the system is missing, as is likely on a new machine."""
    found = _LIBRARY.match(str(error)) if isinstance(error, ImportError | OSError) else None
    if found is None:
        return None
    return (
        f"the system library {found[1]} is missing or broken; "
        f"'{PROGRAM} doctor' says how to install it"
    )


def _too_long_name(error: Exception) -> str | None:
    """What is wrong where a name is longer than any file's can be, wherever it was looked for."""
    if not isinstance(error, OSError) or error.errno != errno.ENAMETOOLONG:
        return None
    return f"no file has so long a name: {error.filename}"


def _unexpected(error: Exception) -> str:
    cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"unexpected error ({cause}); run again with --debug for the traceback"


def print_error(message: str) -> None:
    """Print one line on standard error, whatever is in `message`."""
    click.echo(f"{PROGRAM}: error: {printable(message)}", err=True)


def print_warning(message: str) -> None:
    """Print one line on standard error of what a person should know and need not mend."""
    click.echo(f"{PROGRAM}: warning: {printable(message)}", err=True)


def finish(*, failed: int, total: int) -> NoReturn:
    """Leave with the exit code for `failed` of `total` inputs."""
    code = SOME_FAILED if failed else 0
    raise Exit(UNUSABLE if failed and failed == total else code)


def leave_interrupted() -> NoReturn:
    """Leave as after Ctrl-C, but at once: without the interpreter's farewell to its threads."""
    _tell_interrupted()
    with suppress(OSError):  # nobody may read it any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(INTERRUPTED)


def _tell_interrupted() -> None:
    click.echo(f"{PROGRAM}: interrupted", err=True)


def _wrong_use(error: click.ClickException, given: Sequence[str]) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = context.command_path if context else PROGRAM
    message = error.format_message()
    hint = "".join(
        f" The file {word} is named by ./{word}, or after --."
        for word in given
        if word.startswith("-") and os.path.lexists(word)
    )
    return (
        f"{message}{'' if message.endswith(('.', '?', ')')) else '.'}{hint} See '{where} --help'."
    )
