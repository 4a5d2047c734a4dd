"""The one place where the command line gets its pipelines and models from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lddu_pipe.pipelines.annotate import EmotionPipeline
    from lddu_pipe.pipelines.checkpoint import Checkpoint
    from lddu_pipe.pipelines.settings import PipelineSettings


def load_pipeline(
    model: str, *, device: str, offline: bool, settings: PipelineSettings
) -> EmotionPipeline:
    """Load a pipeline; see `EmotionPipeline.from_pretrained` for what it raises."""
    from lddu_pipe.pipelines.annotate import EmotionPipeline  # brings torch and more

    return EmotionPipeline.from_pretrained(
        model, device=device, offline=offline, settings=settings
    )


def load_model(model: str, device: str, *, offline: bool) -> Checkpoint:
    """Load a checkpoint without extractors, its model on `device`."""
    from lddu_pipe.pipelines.checkpoint import load_checkpoint
    from lddu_pipe.pipelines.components import choose_device

    checkpoint = load_checkpoint(model, offline=offline)
    checkpoint.model.to(choose_device(device))  # type: ignore[arg-type]  # transformers hides it
    return checkpoint
