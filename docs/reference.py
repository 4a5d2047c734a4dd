"""The reference of the command line, made from the help that people see.

``python docs/reference.py > docs/cli.md`` brings the page up to date.
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from lddu_pipe.cli import main
from lddu_pipe.commands.base import PROGRAM
from lddu_pipe.writers.terminal import HIGH_ALEATORIC, HIGH_EPISTEMIC

_WIDTH = 78  # columns: what a terminal of 80 or more shows

_INTRODUCTION = f"""\
# Command line

Results go to standard output; progress, notes and errors go to standard error. An error is one
line: what is wrong, with which file, what to do. A moving progress bar is shown only on a
terminal, and not with `-q`, `-v` or `--debug`.

## Reading the timeline

```text
interview.mp4
8.1 s · sound and pictures · lddu-base-en

0:00.0 \N{EN DASH} 0:03.1   Anna: I did not expect this, what wonderful news!
                  happy     ━━━━━━━━━━━━━━━━━━──  91 %  confidence  91 %
                  surprise  ━━━━━━━━━━━━────────  62 %  confidence  62 %  uncertain: model

0:03.1 \N{EN DASH} 0:05.0   Ben: Well.
                  no emotion present; most probable is happy, 20 %
                  missing: vision (no face found)
```

- The percentage beside the bar is the calibrated probability that the emotion is present.
- `confidence` is the calibrated probability that the decision is right.
- `uncertain: data` marks an aleatoric uncertainty of {HIGH_ALEATORIC} or more: what is seen and
  heard is itself ambiguous. `uncertain: model` marks an epistemic uncertainty of
  {HIGH_EPISTEMIC} or more: the model does not know such cases well.
- `abstained` means that the model is too unsure to decide; the most probable emotion is named all
  the same, unless every modality is missing.
- `missing` names each modality that is absent and why; what every utterance lacks for the same
  reason stands once, at the top.
- A model that was trained on scales adds where the utterance lies on each, from -1 to 1, and the
  interval that holds the truth of 90 % of utterances: `arousal +0.77 (+0.29 to +1.00)`.
- Plain text and pictures have no time: utterances show their id instead.

Without a terminal the timeline is the same, 100 columns wide and without colour. For programs
there is `--json`.

## Commands
"""


def reference() -> str:
    """Return the page as Markdown."""
    sections = (
        f"### {context.command_path}\n\n```text\n{_help(context)}\n```\n"
        for context in _contexts(main, PROGRAM, None)
    )
    return "\n".join((_INTRODUCTION, *sections))


def _help(context: click.Context) -> str:
    return context.command.get_help(context).rstrip()


def _contexts(
    command: click.Command, name: str, parent: click.Context | None
) -> Iterator[click.Context]:
    """The command and, in the order of the help, all those below it."""
    context = click.Context(
        command, parent, info_name=name, terminal_width=_WIDTH, **command.context_settings
    )
    yield context
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            yield from _contexts(command.commands[child], child, context)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
