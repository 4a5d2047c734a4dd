from __future__ import annotations

import json
from math import inf

import numpy as np

from lddu_pipe.annotation import ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.events import (
    FacesSeen,
    FollowedFace,
    StreamEnded,
    StreamOpened,
    UnitClosed,
    UnitJudged,
    WordsHeard,
)
from lddu_pipe.evidence import Absent, ModalitySequence, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.types import Cue, TimeSpan, Utterance, Word
from lddu_pipe.writers.events import event_values

HAPPY = EmotionScore("happy", 0.81234, "present", 0.8, Uncertainty(0.2, 0.03))
UTTERANCE = Utterance("0003", TimeSpan(1.00049, 2.5), "Hello", person="p1", language="en")


def values(event):
    """As a reader of the JSON sees them."""
    return json.loads(json.dumps(event_values(event), allow_nan=False))


def test_the_beginning_and_the_end():
    info = SourceInfo("", "", 0.0, True, False)
    model = ModelInfo("lddu-base-en", "1.0.0", ("happy",), False)
    opened = values(StreamOpened(info, model, {"vision": Absent(Reason.PICTURES_NOT_GIVEN)}))
    assert (opened["type"], opened["model"]["labels"]) == ("opened", ["happy"])
    assert opened["missing"] == {"vision": "no pictures given"}
    people = (Person("p1", "Ann", 2.0, 1.0),)
    ended = values(StreamEnded(Provenance("now", {}, {}, {}), people, (), 12.34567))
    assert (ended["type"], ended["duration"]) == ("ended", 12.346)
    assert ended["people"][0]["name"] == "Ann"
    assert values(StreamEnded(Provenance("now", {}, {}, {})))["duration"] is None


def test_words_with_their_times():
    words = (Word("Hello", TimeSpan(1.0, 1.5), speaker="Ann"),)
    heard = WordsHeard((Cue("Hello", TimeSpan(1, 1.5), words),), voices=(TimeSpan(2, 3),), until=3)
    assert values(heard) == {
        "type": "words",
        "words": [{"text": "Hello", "start": 1.0, "end": 1.5, "speaker": "Ann"}],
        "voices": [[2, 3]],
        "until": 3,
    }
    assert values(WordsHeard((Cue("Hello", TimeSpan(1, 2), words),), until=inf))["until"] is None
    assert event_values(WordsHeard(until=4.0)) is None


def test_faces_with_their_boxes():
    steps = ModalitySequence(
        values=np.zeros((2, 1), np.float32),
        valid=np.array([True, False]),
        modality="vision",
        spans=np.array([[0.0, 0.1], [0.1, 0.2]]),
        feature_names=("x",),
        fingerprint="",
    )
    face = FollowedFace(2, steps, ((-0.1, 0.2, 0.333333, 1.2), None), person="p1")
    assert values(FacesSeen((face,), 0.2)) == {
        "type": "faces",
        "faces": [
            {
                "track": 2,
                "person": "p1",
                "still": False,
                "times": [0.0, 0.1],
                "boxes": [[0.0, 0.2, 0.3333, 1.0], None],
            }
        ],
        "until": 0.2,
    }
    assert event_values(FacesSeen((), inf)) is None


def test_utterances_as_in_an_annotation():
    closed = values(UnitClosed(UTTERANCE))
    assert (closed["type"], closed["utterance"]["person"]) == ("closed", "p1")
    judged = values(UnitJudged(Prediction(UTTERANCE, (HAPPY,)), False, "~2"))
    assert (judged["type"], judged["final"], judged["replaces"]) == ("judged", False, "~2")
    assert judged["utterance"]["emotions"][0]["probability"] == 0.8123
    assert judged["utterance"]["start"] == 1.0
