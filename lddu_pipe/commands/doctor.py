"""``lddu-pipe doctor``: is this machine ready?"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from lddu_pipe.commands.base import SOME_FAILED, Command
from lddu_pipe.commands.options import json_option, message_options


@click.command(
    cls=Command,
    examples=["lddu-pipe doctor"],
    exit_codes={0: "all is well", 1: "something is wrong"},
)
@json_option
@message_options
@click.pass_context
def doctor(context: click.Context, as_json: bool, verbose: int, quiet: bool, debug: bool) -> None:
    """Check that this machine is ready.

    Looks at system libraries, ffmpeg, the device and the weights, and says how to cure what is
    wrong.
    """
    from lddu_pipe.diagnostics import run_checks

    checks = run_checks()
    well = all(check.ok for check in checks)
    if as_json:
        result = {"ok": well, "checks": [asdict(check) for check in checks]}
        click.echo(json.dumps(result, indent=1))
    else:
        from lddu_pipe.writers.tables import print_checks
        from lddu_pipe.writers.terminal import open_console

        print_checks(checks, open_console(sys.stdout))
    context.exit(0 if well else SOME_FAILED)
