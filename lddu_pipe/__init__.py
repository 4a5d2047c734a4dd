"""lddu-pipe: raw video, sound and transcripts in, emotions with calibrated confidence out."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation
    from lddu_pipe.errors import LdduPipeError
    from lddu_pipe.extractors.features import FeatureSet
    from lddu_pipe.pipelines.annotate import EmotionPipeline
    from lddu_pipe.pipelines.live import Live
    from lddu_pipe.pipelines.settings import PipelineSettings
    from lddu_pipe.predictions import EmotionScore, Prediction

__all__ = [
    "Annotation",
    "EmotionPipeline",
    "EmotionScore",
    "FeatureSet",
    "LdduPipeError",
    "Live",
    "PipelineSettings",
    "Prediction",
]

# Newer releases of onnxruntime than the one we ask for collect usage data, and send it, unless
# this is set before they are imported. A tool that looks at faces sends nothing.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_HOMES = {
    "Annotation": "lddu_pipe.annotation",
    "EmotionPipeline": "lddu_pipe.pipelines.annotate",
    "EmotionScore": "lddu_pipe.predictions",
    "FeatureSet": "lddu_pipe.extractors.features",
    "LdduPipeError": "lddu_pipe.errors",
    "Live": "lddu_pipe.pipelines.live",
    "PipelineSettings": "lddu_pipe.pipelines.settings",
    "Prediction": "lddu_pipe.predictions",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any of the public names
    """Import a public name when it is first used, so that ``import lddu_pipe`` is cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
