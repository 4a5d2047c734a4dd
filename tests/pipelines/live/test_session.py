"""Whole sessions with the real networks."""

from __future__ import annotations

import time
from difflib import SequenceMatcher
from itertools import pairwise

import numpy as np
import pytest

from lddu_pipe import EmotionPipeline
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import FacesSeen, StreamEnded, StreamOpened, UnitJudged, annotation_of
from lddu_pipe.evidence import Reason
from lddu_pipe.media import decode_frames, decode_waveform, probe


@pytest.mark.slow
def test_a_clip_that_is_shown_gives_what_its_file_gives(pipe, sample, sample_video):
    """As quickly as it can be looked at, and no picture is left out.

    Sentences may be cut or heard a little otherwise, since what follows is not there yet.
    """
    media = probe(sample_video)
    sound = decode_waveform(media)[:]
    with pipe.live(audio_rate=16_000) as live:
        for frame in decode_frames(media, 10.0):
            begin = round(frame.time * 16_000)
            live.see(frame.image, 100.0 + frame.time)
            live.hear(sound[begin : begin + 1600], 100.0 + begin / 16_000)
            deadline = time.monotonic() + 20
            while live.delay > 0.25 and time.monotonic() < deadline:
                time.sleep(0.005)
        live.close()
        events = list(live.events())
    assert isinstance(events[0], StreamOpened)
    assert isinstance(events[-1], StreamEnded)
    assert live.dropped < 0.1
    found = annotation_of(events)
    said = [" ".join(item.utterance.text for item in x.utterances) for x in (found, sample)]
    assert SequenceMatcher(None, *said, autojunk=False).ratio() > 0.85
    assert found.media.duration == pytest.approx(sample.media.duration, abs=0.2)
    assert [person.id for person in found.people] == ["p1"]
    for item in found.utterances:
        assert {"happy"} <= {score.label for score in item.present}
    spans = [item.utterance.span for item in found.utterances if item.utterance.person == "p1"]
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(spans))
    results = [event for event in events if isinstance(event, UnitJudged)]
    passing = {item.prediction.utterance.id for item in results if not item.final}
    replaced = [item.replaces for item in results if item.replaces is not None]
    assert passing
    assert all(name.startswith("~") for name in passing)
    assert set(replaced) <= passing
    assert len(set(replaced)) == len(replaced)
    faces = [face for event in events if isinstance(event, FacesSeen) for face in event.faces]
    assert {face.person for face in faces[5:]} == {"p1"}


@pytest.mark.slow
def test_sessions_without_one_of_both_and_beside_each_other(pipe: EmotionPipeline):
    quiet = np.zeros(16_000, np.float32)
    grey = np.full((48, 64, 3), 128, np.uint8)
    with (
        pipe.live(camera=False) as hears,
        pipe.live(audio_rate=None, people=1) as sees,
    ):
        for second in range(3):
            hears.hear(quiet)
            for tenth in range(10):
                sees.see(grey, second + tenth / 10)
        with pytest.raises(UnusableInputError, match="no camera"):
            hears.see(grey, 0.0)
        with pytest.raises(UnusableInputError, match="no microphone"):
            sees.hear(quiet)
        hears.close()
        hears.close()
        with pytest.raises(UnusableInputError, match="was closed"):
            hears.hear(quiet)
    (only,) = annotation_of(hears.events()).utterances
    assert only.missing["vision"].why is Reason.PICTURES_NOT_GIVEN
    assert only.missing["audio"].why is Reason.NO_SPEECH
    (only,) = annotation_of(sees.events()).utterances
    assert only.missing["text"].why is Reason.NO_SOUND_TO_RECOGNISE
    assert only.missing["vision"].why is Reason.NO_FACE


@pytest.mark.parametrize(
    "wrong", [{"audio_rate": None, "camera": False}, {"audio_rate": 5}, {"people": 0}]
)
def test_what_is_no_session_is_refused(pipe: EmotionPipeline, wrong, monkeypatch):
    monkeypatch.setattr(type(pipe.extractors), "warm_up", lambda *_, **__: None)
    with pytest.raises(UnusableInputError) as error:
        pipe.live(**{"camera": False, **wrong})
    assert "\n" not in str(error.value)


def test_an_error_in_a_thread_ends_the_session(pipe: EmotionPipeline, monkeypatch):
    monkeypatch.setattr(type(pipe.extractors), "warm_up", lambda *_, **__: None)
    live = pipe.live(camera=False)

    def fail() -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(live._studio._judge, "judged", fail)
    with live:
        live.hear(np.zeros(16_000, np.float32), 0.0)
        with pytest.raises(OSError, match="the disk is gone"):
            list(live.events())
