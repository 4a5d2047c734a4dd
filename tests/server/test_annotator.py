"""The annotator over the pipeline, here one that only notes its calls: limits and options."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.server.annotator import PipelineAnnotator
from lddu_pipe.training.progress import ignore


class FakePipeline:
    def __init__(self, settings=None, calls=None):
        self.settings = settings or PipelineSettings(passes=4)
        self.calls = [] if calls is None else calls

    def adjusted(self, settings):
        return FakePipeline(settings, self.calls)

    def __call__(self, source, *, transcript, hook):
        self.calls.append((source, transcript, self.settings))
        return "annotation"


@pytest.fixture
def pipeline():
    return FakePipeline()


def annotate(pipeline, media, longest=10.0, options=None, transcript=None):
    annotator = PipelineAnnotator(lambda: pipeline, longest)
    return annotator.annotate(media, transcript, options or {}, ignore)


def test_options_change_settings_of_one_job(pipeline, clip):
    assert (
        annotate(pipeline, clip, options={"fps": 2.0, "aligned": True, "window": None})
        == "annotation"
    )
    annotate(pipeline, clip)
    assert [settings for _, _, settings in pipeline.calls] == [
        replace(pipeline.settings, fps=2.0, aligned=True),
        pipeline.settings,
    ]


def test_media_that_last_too_long_are_refused_before_anything_is_loaded(clip):
    def load():
        raise AssertionError

    annotator = PipelineAnnotator(load, 1.0)
    with pytest.raises(UnusableInputError, match="lasts 2 s, and this server takes 1 s"):
        annotator.annotate(clip, None, {}, ignore)


def test_transcripts_alone_are_not_probed(pipeline, tmp_path):
    path = tmp_path / "media.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    annotate(pipeline, path)
    assert pipeline.calls[0][0] == path


def test_the_pipeline_is_loaded_once(pipeline, clip):
    loads = []
    annotator = PipelineAnnotator(lambda: loads.append(1) or pipeline, 10.0)
    for _ in range(3):
        annotator.annotate(clip, None, {}, ignore)
    assert len(loads) == 1
