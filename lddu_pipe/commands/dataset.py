"""``lddu-pipe dataset``: published feature files and synthetic ones into stores."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from lddu_pipe.commands.base import Group, finish, print_error
from lddu_pipe.commands.options import EXISTING_FILE, json_option, message_options

STORE = click.Path(path_type=Path)
KIND = click.Choice(["mosei", "m3ed"])
SHARES = {"train": 0.7, "valid": 0.1, "test": 0.2}
OUTPUT = click.option(
    "-o",
    "--output",
    type=STORE,
    required=True,
    metavar="DIR",
    help="The feature store to make; it must not be there yet.",
)


def _sizes(context: click.Context, option: click.Parameter, value: str) -> dict[str, int]:
    if re.fullmatch(r"\d+/\d+/\d+", value):
        sizes = dict(zip(SHARES, map(int, value.split("/")), strict=True))
    elif value.isdecimal():
        sizes = {split: round(int(value) * share) for split, share in SHARES.items()}
    else:
        raise click.BadParameter(f"{value!r} is not a number of rows, nor TRAIN/VALID/TEST")
    if min(sizes.values()) < 1:
        raise click.BadParameter(f"{value!r} leaves a split without rows")
    return sizes


@click.group(cls=Group, examples=["lddu-pipe dataset inspect mosei"])
def dataset() -> None:
    """Feature stores, and what reviewers said as manifests."""


@dataset.command(
    "import",
    examples=[
        "lddu-pipe dataset import mosei aligned_50.pkl --labels label.csv -o mosei",
        "lddu-pipe dataset import m3ed m3ed_data_60.pt -o m3ed",
    ],
    exit_codes={0: "done", 2: "an unusable file, or wrong use"},
)
@click.argument("kind", type=KIND)
@click.argument("source", metavar="FILE", type=EXISTING_FILE)
@click.option(
    "--labels",
    type=EXISTING_FILE,
    metavar="CSV",
    help="Labels, where FILE has none: a column tgt, or one for each label with its intensity; "
    "with id and segment_id (video_id and clip_id) to find the rows of FILE, or with mode alone, "
    "row by row in their order.",
)
@OUTPUT
@message_options
def import_features(
    kind: str,
    source: Path,
    labels: Path | None,
    output: Path,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Bring a published feature file into a store.

    FILE is the pickle or torch file of CMU-MOSEI or M3ED features, in the present or the older
    (src-text, src-audio, src-visual) layout, an .npz, or the list of ten of RUCM3ED; compressed or
    not. It is read without running anything in it: a file that holds code is refused. Padding is
    cut, infinite and NaN values become 0 and rows without any modality are left out. What was
    counted, assumed or joined by order alone is told, and kept in the store.
    """
    from lddu_pipe.datasets.official import import_official
    from lddu_pipe.writers.datasets import cleaned_lines

    info = import_official(source, output, kind, labels=labels)
    if not quiet:
        for line in cleaned_lines(info.notes):
            click.echo(line, err=True)
        rows = ", ".join(f"{split} {count}" for split, count in info.rows.items())
        click.echo(f"{output}: {rows}; look at it with 'lddu-pipe dataset inspect'", err=True)


@dataset.command(
    "inspect",
    examples=["lddu-pipe dataset inspect mosei --picture mosei.png"],
    exit_codes={0: "done", 2: "not a store, or wrong use"},
)
@click.argument("folder", metavar="DIR", type=STORE)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw prevalence and co-occurrence of the labels as a PNG.",
)
@json_option
@message_options
def inspect(
    folder: Path, picture: Path | None, as_json: bool, verbose: int, quiet: bool, debug: bool
) -> None:
    """Show what a store holds: sizes, lengths, labels."""
    from lddu_pipe.datasets.inspection import inspect_store
    from lddu_pipe.datasets.store import open_store
    from lddu_pipe.writers.datasets import draw_store, print_store

    found = inspect_store(open_store(folder))
    if picture is not None:
        draw_store(found, picture)
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False).encode())
        return
    from lddu_pipe.writers.terminal import open_console

    print_store(found, open_console(sys.stdout))


@dataset.command(
    "synthesize",
    examples=[
        "lddu-pipe dataset synthesize --like mosei -n 2900 -o toy",
        "lddu-pipe dataset synthesize --like mosei -n 2000/300/600 --official -o toy.pkl",
    ],
    exit_codes={0: "done", 2: "wrong use"},
)
@click.option("--like", "kind", type=KIND, required=True, help="Whose labels and feature sizes.")
@click.option(
    "-n",
    "--rows",
    "sizes",
    callback=_sizes,
    required=True,
    metavar="ROWS|TRAIN/VALID/TEST",
    help="How many rows; one number is shared out 70 / 10 / 20.",
)
@click.option("--unaligned", is_flag=True, help="Sound and pictures keep their own rates.")
@click.option(
    "--official", is_flag=True, help="Write the published pickle and label CSV, not a store."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same data.")
@OUTPUT
@message_options
def synthesize_features(
    kind: str,
    sizes: dict[str, int],
    unaligned: bool,
    official: bool,
    seed: int,
    output: Path,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Make up data that can be learned from, for tests and tutorials.

    They are marked synthetic, and so is every figure that is computed on them.
    """
    from lddu_pipe.datasets.synthetic import synthesize

    synthesize(kind, sizes, output, seed=seed, aligned=not unaligned, official=official)
    if not quiet:
        click.echo(f"{output}: synthetic, {'/'.join(map(str, sizes.values()))} rows", err=True)


@dataset.command(
    "corrections",
    examples=[
        "lddu-pipe dataset corrections annotations -o corrected.jsonl",
        "lddu-pipe dataset corrections lddu-pipe-data --split train -o corrected.jsonl",
    ],
    exit_codes={
        0: "done",
        1: "some corrections have lost what they were of, and are left out",
        2: "nothing was corrected, or wrong use",
    },
)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="FILE",
    help="The manifest to write: .jsonl.",
)
@click.option("--split", metavar="NAME", help="Split of all rows: train, valid or test.")
@message_options
def export_corrections(
    folder: Path, output: Path, split: str | None, verbose: int, quiet: bool, debug: bool
) -> None:
    """Write what reviewers said as a manifest of labelled rows.

    DIR is the output of a batch, or the data folder of a server. Every utterance that was
    corrected or confirmed is a row, with the labels that are in force, under the path of its media
    as seen from FILE; where the media is gone, the text alone. Utterances of which a reviewer
    could not tell are left out. calibrate, evaluate, extract and train take the manifest.
    """
    from lddu_pipe.commands.reviewing import opened_desk
    from lddu_pipe.review.manifest import write_manifest

    with opened_desk(folder) as (desk, owners):
        found = desk.rows(*owners)
    write_manifest(found, output, split=split)
    if not quiet:
        counts = [f"{len(found.rows)} rows"]
        counts += [f"{found.unsure} left out: the reviewer could not tell"] if found.unsure else []
        counts += [f"{found.text_alone} are text alone: media gone"] if found.text_alone else []
        click.echo(f"{output}: {'; '.join(counts)}", err=True)
    if found.lost:
        print_error(f"{found.lost} corrections are left out: their media are gone, without text")
    finish(failed=found.lost, total=found.lost + len(found.rows))
