"""The one place where the command line loads pipelines and models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lddu_pipe.commands.base import print_warning

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lddu_pipe.extractors.features import FeatureSet
    from lddu_pipe.pipelines.annotate import EmotionPipeline
    from lddu_pipe.pipelines.checkpoint import Checkpoint
    from lddu_pipe.pipelines.settings import PipelineSettings
    from lddu_pipe.types import Modality


def load_pipeline(
    model: str, *, device: str, offline: bool, settings: PipelineSettings
) -> EmotionPipeline:
    """Load a pipeline; see `EmotionPipeline.from_pretrained` for what it raises."""
    from lddu_pipe.pipelines.annotate import EmotionPipeline  # brings torch and more

    return EmotionPipeline.from_pretrained(
        model, device=device, offline=offline, settings=settings
    )


def warn_of(model: str) -> None:
    """Warn of a model that was found useless when it was trained, unless ``-q`` was given."""
    from lddu_pipe.pipelines.folder import is_no_better_than_base_rates

    if not click.get_current_context().params["quiet"] and is_no_better_than_base_rates(model):
        print_warning(
            "this model was no better than always answering each label's frequency when it was "
            "trained; what it says of an input means little"
        )


def load_extractors(
    model: str,
    *,
    device: str,
    offline: bool,
    encoders: Mapping[Modality, str],
    own: Sequence[str],
) -> FeatureSet:
    """Load the extractors of a checkpoint, with other ones or other encoders for some modalities.

    Raises:
        UnusableInputError: one of `own` is no extractor, or an encoder is named for its modality.
    """
    from lddu_pipe.errors import UnusableInputError
    from lddu_pipe.extractors.hub import EncoderSource
    from lddu_pipe.extractors.own import find_extractors
    from lddu_pipe.pipelines.checkpoint import load_parts
    from lddu_pipe.pipelines.components import Extractors, choose_device

    named = {modality: EncoderSource(source) for modality, source in encoders.items()}
    new = find_extractors(own)
    for modality in new.keys() & named.keys():
        raise UnusableInputError(
            f"--extractor and --{modality}-encoder both say where {modality} features come from; "
            "give one"
        )
    parts = load_parts(model, offline=offline).replaced(named, new)
    return Extractors(parts, choose_device(device), offline=offline, own=own)


def load_model(model: str, device: str, *, offline: bool) -> Checkpoint:
    """Load a checkpoint without extractors, its model on `device`."""
    from lddu_pipe.pipelines.checkpoint import load_checkpoint
    from lddu_pipe.pipelines.components import choose_device

    checkpoint = load_checkpoint(model, offline=offline)
    checkpoint.model.to(choose_device(device))
    return checkpoint
