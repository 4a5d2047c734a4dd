"""``lddu-pipe extract``: features of labelled recordings, to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lddu_pipe.commands import loading
from lddu_pipe.commands.base import Command, finish, print_error, print_warning
from lddu_pipe.commands.options import (
    manifest_option,
    message_options,
    pipeline_options,
)
from lddu_pipe.commands.progress import progress

if TYPE_CHECKING:
    from lddu_pipe.pipelines.settings import PipelineSettings
    from lddu_pipe.types import Modality


def _labels(context: click.Context, option: click.Parameter, value: str | None) -> list[str]:
    names = [name.strip() for name in value.split(",") if name.strip()] if value else []
    if len(set(names)) != len(names):
        raise click.BadParameter(f"{value!r} names a label twice", context, option)
    return names


@click.command(
    cls=Command,
    examples=[
        "lddu-pipe extract --manifest rows.jsonl -o features",
        "lddu-pipe extract --manifest rows.jsonl -o features --text-encoder my-bert",
    ],
    exit_codes={
        0: "done",
        1: "some rows could not be used",
        2: "no row could be used, or wrong use",
        130: "interrupted; the same command goes on",
    },
)
@manifest_option(required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The feature store to make; it must not be there yet.",
)
@click.option(
    "--labels",
    callback=_labels,
    metavar="NAME,NAME,...",
    help="The label set and its order; by default that of MOSEI or M3ED if it holds all labels "
    "of the rows, else those labels.",
)
@click.option(
    "--text-encoder",
    metavar="ID|DIR",
    help="A text encoder of the Hugging Face hub, such as BERT, or the folder of one, in place of "
    "the model's.",
)
@click.option(
    "--audio-encoder",
    metavar="ID|DIR",
    help="The same for sound: one such as wav2vec 2.0, HuBERT or WavLM.",
)
@pipeline_options()
@message_options
def extract(
    manifest: Path,
    output: Path,
    labels: list[str],
    text_encoder: str | None,
    audio_encoder: str | None,
    model: str,
    device: str,
    offline: bool,
    settings: PipelineSettings,
    verbose: int,
    quiet: bool,
    debug: bool,
) -> None:
    """Extract features of labelled recordings into a store.

    'train' learns from the store, and the model it makes annotates raw media. Rows name their
    split; rows that do not are shared out 70 / 15 / 15 by speaker, or by recording. An interrupted
    extraction goes on when the same command is given again. Before it begins, it says where
    'train' would cross-fit these rows or refuse them.

    Rows may have values on scales beside labels, such as {"valence": 0.4}, -1 to 1, which the
    model then gives as well.

    The extractors are those of --model, which itself is not asked. Encoders that are named take
    their place: their weights must be in safetensors. The store and the models trained on it
    remember which they were; one with other content is refused. An extractor of your own has to
    be named again wherever such a model is used.
    """
    from lddu_pipe.datasets.manifest import read_manifest
    from lddu_pipe.labels import LabelSet

    label_set = LabelSet("own", tuple(labels)) if labels else None
    rows = read_manifest(manifest)
    from lddu_pipe.pipelines.extract import extract_manifest, look_ahead

    warnings = look_ahead(rows, label_set)
    for warning in () if quiet else warnings:
        print_warning(warning)
    named: dict[Modality, str | None] = {"text": text_encoder, "audio": audio_encoder}
    encoders = {name: source for name, source in named.items() if source is not None}
    with progress(f"loading {model}"):
        features = loading.load_extractors(
            model, device=device, offline=offline, encoders=encoders, own=settings.own_extractors
        )
    with progress(manifest.name) as hook:
        skipped = extract_manifest(
            features,
            settings,
            rows,
            output,
            name=manifest.stem,
            label_set=label_set,
            progress=hook,
        )
    for row in skipped:
        print_error(f"row {row['id']} was left out: {row['error']}")
    if not quiet:
        click.echo(f"{output}: {len(rows) - len(skipped)} of {len(rows)} rows", err=True)
    finish(failed=len(skipped), total=len(rows))
