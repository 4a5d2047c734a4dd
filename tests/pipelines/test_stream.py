"""A stream of a file: in which order things are told, how early, and that it is the annotation."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from lddu_pipe import EmotionPipeline
from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import (
    FacesSeen,
    StreamEnded,
    StreamOpened,
    UnitClosed,
    UnitJudged,
    WordsHeard,
    annotation_of,
)


@pytest.mark.slow
def test_a_stream_of_a_file_is_its_annotation(
    pipe: EmotionPipeline, sample: Annotation, sample_video: Path
) -> None:
    events = list(pipe.stream(sample_video))
    assert isinstance(events[0], StreamOpened)
    assert isinstance(events[-1], StreamEnded)
    whole = annotation_of(events).to_dict()
    assert whole["utterances"] == sample.to_dict()["utterances"]
    closed = [event.utterance.id for event in events if isinstance(event, UnitClosed)]
    judged = [event.prediction.id for event in events if isinstance(event, UnitJudged)]
    assert closed == judged == ["0000", "0001", "0002"]
    words = [event for event in events if isinstance(event, WordsHeard)]
    assert words[-1].until == float("inf")
    seen = [event for event in events if isinstance(event, FacesSeen)]
    steps = [face.steps for event in seen for face in event.faces]
    assert sum(map(len, steps)) > 80
    with pytest.raises(ValueError, match="whole stream"):
        annotation_of(events[:-1])


@pytest.mark.slow
def test_an_utterance_is_judged_before_the_rest_is_heard(
    pipe: EmotionPipeline, sample_video: Path
) -> None:
    """Three minutes, of which the first seconds come out before a second block is listened to."""
    from lddu_pipe.media import decode_audio, probe

    speech = decode_audio(probe(sample_video))
    silence = np.zeros(16_000 * 175, np.float32)
    sound = np.concatenate([speech, silence, speech])
    order = [type(event) for event in pipe.stream(audio=(sound, 16_000))]
    first = order.index(UnitJudged)
    assert WordsHeard in order[first:]
    assert order[first + 1 :].count(UnitJudged) > 30


def test_texts_come_in_order_without_a_thread(pipe: EmotionPipeline) -> None:
    before = set(threading.enumerate())
    events = pipe.stream(text="I am so happy. " * 100)
    opened = next(events)
    assert isinstance(opened, StreamOpened)
    assert {name: str(why) for name, why in opened.missing.items()} == {
        "audio": "no sound given",
        "vision": "no pictures given",
    }
    assert set(threading.enumerate()) <= before  # those of other tests may have ended
    judged = [event.prediction.id for event in events if isinstance(event, UnitJudged)]
    assert judged == [f"{number:04d}" for number in range(100)]


def test_a_stream_that_is_left_leaves_the_pipeline_to_others(pipe: EmotionPipeline) -> None:
    events = pipe.stream(audio=(np.zeros(16_000 * 60, np.float32), 16_000))
    next(events)
    with pytest.raises(RuntimeError, match="open in this thread"):
        pipe(text="Well.")
    events.close()
    assert pipe(text="Well.").utterances
    with pytest.raises(UnusableInputError, match="nothing to annotate"):
        next(pipe.stream())
    assert pipe(text="Well.").utterances
