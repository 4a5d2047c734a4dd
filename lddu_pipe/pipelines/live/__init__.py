"""Emotions while they are shown: sound and pictures come in, results come out soon after."""

from lddu_pipe.pipelines.live.session import Live

__all__ = ["Live"]
