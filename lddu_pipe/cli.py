"""The command line. No module of it imports anything heavy: ``--help`` must be quick."""

from __future__ import annotations

import click

from lddu_pipe.commands.annotate import annotate
from lddu_pipe.commands.base import Group
from lddu_pipe.commands.batch import batch
from lddu_pipe.commands.calibrate import calibrate
from lddu_pipe.commands.compare import compare
from lddu_pipe.commands.convert import convert
from lddu_pipe.commands.dataset import dataset
from lddu_pipe.commands.doctor import doctor
from lddu_pipe.commands.evaluate import evaluate
from lddu_pipe.commands.extract import extract
from lddu_pipe.commands.live import live
from lddu_pipe.commands.models import models
from lddu_pipe.commands.serve import serve
from lddu_pipe.commands.train import train


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    examples=["lddu-pipe annotate interview.mp4", "lddu-pipe doctor"],
    exit_codes={
        0: "done",
        1: "some inputs failed",
        2: "wrong use or unusable input",
        130: "interrupted",
    },
)
@click.version_option(package_name="lddu-pipe", prog_name="lddu-pipe")
def main() -> None:
    """Multi-label emotions, with calibrated uncertainty, from raw video, sound and text.

    Results go to standard output, everything else to standard error.
    """


for _command in (
    *(annotate, batch, live, convert, evaluate, compare, calibrate, extract, dataset, train),
    *(serve, models, doctor),
):
    main.add_command(_command)


if __name__ == "__main__":
    main()
