"""``lddu-pipe compare``: two models on the same rows."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from lddu_pipe.commands.base import Command
from lddu_pipe.commands.options import EXISTING_FILE, json_option, message_options


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe compare before.parquet after.parquet",
        "lddu-pipe compare base.jsonl mine.jsonl --json > differences.json",
    ],
    exit_codes={0: "done", 2: "files of other rows, or wrong use"},
)
@click.argument("first", metavar="A", type=EXISTING_FILE)
@click.argument("second", metavar="B", type=EXISTING_FILE)
@json_option
@message_options
def compare(
    first: Path, second: Path, as_json: bool, verbose: int, quiet: bool, debug: bool
) -> None:
    """Compare two models on the same rows.

    A and B are what 'evaluate --predictions' wrote, or tables of your own with the columns id,
    label, truth, probability and decision. Prints each figure of A and of B, the difference B - A
    and its 95 % interval over draws of the same rows, or of the same speakers where they are
    known. A star marks an interval that leaves out 0: such a difference is hardly chance.
    """
    from lddu_pipe.pipelines import compare as pipeline
    from lddu_pipe.writers.predictions import read_predictions

    answers = {path: read_predictions(path) for path in (first, second)}
    found = pipeline.compare(answers[first], answers[second], names=(str(first), str(second)))
    files = {
        name: {
            "file": str(path),
            "model": answers[path].model,
            "protocol": answers[path].protocol,
        }
        for name, path in (("a", first), ("b", second))
    }
    found = {**files, **found}
    if as_json:
        text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
        click.echo(text.encode("utf-8", "backslashreplace"))
        return
    from lddu_pipe.writers.tables import print_comparison
    from lddu_pipe.writers.terminal import open_console

    print_comparison(found, open_console(sys.stdout))
