from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from lddu_pipe.annotation import Annotation, Face, ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.types import TimeSpan, Utterance

LABELS = ("happy", "sad", "anger", "surprise", "disgust", "fear")


def make_prediction(name, start, end, text, probabilities, *, speaker=None, abstained=False):
    scores = tuple(
        EmotionScore(
            label,
            probability,
            "abstain" if abstained else "present" if probability >= 0.5 else "absent",
            max(probability, 1 - probability),
            Uncertainty(0.2 + probability / 2, 0.03),
        )
        for label, probability in zip(LABELS, probabilities, strict=True)
    )
    missing = (
        {"vision": Absent(Reason.NO_FACE)}
        if speaker
        else {"text": Absent(Reason.NO_WORDS), "audio": Absent(Reason.SILENCE)}
    )
    span = TimeSpan(start, end)
    kind = "speech" if text else "silence"
    return Prediction(
        Utterance(name, span, text, (), speaker, kind), scores, missing, abstained=abstained
    )


@pytest.fixture(scope="session")
def predict() -> Callable[..., Prediction]:
    """Makes a prediction for one utterance."""
    return make_prediction


@pytest.fixture(scope="session")
def make_annotation() -> Callable[..., Annotation]:
    """Makes an annotation with overlaps, two speakers, an abstention, silence and Unicode."""
    talk = (
        make_prediction(
            "0000",
            0.0,
            3.104,
            "Größe 😀 <b>“news”</b> & more\nover two lines",
            (0.81, 0.02, 0.1, 0.63, 0.01, 0.05),
            speaker="Ana",
        ),
        make_prediction(
            "0001",
            2.5,
            4.75,
            "わかりました",
            (0.1, 0.7, 0.2, 0.05, 0.02, 0.3),
            speaker="Bo",
        ),
        make_prediction("0002", 5.0, 10.0, "", (0.2, 0.1, 0.1, 0.1, 0.1, 0.1)),
        make_prediction(
            "0003",
            10.001,
            12.3456,
            "Well…",
            (0.4, 0.4, 0.4, 0.4, 0.4, 0.4),
            speaker="Ana",
            abstained=True,
        ),
    )

    def make(
        utterances: Sequence[Prediction] = talk,
        *,
        path="clips/a talk.mp4",
        duration=12.5,
        has_audio=True,
        has_video=True,
    ) -> Annotation:
        return Annotation(
            SourceInfo(path, "ab" * 32, duration, has_audio, has_video),
            ModelInfo("lddu-base-en", "0.2.0", LABELS, False),
            utterances,
            Provenance("2026-01-01T00:00:00+00:00", {"lddu-pipe": "0.1.0"}, {}, {"fps": 10.0}),
        )

    return make


@pytest.fixture
def three_people(make_annotation) -> Annotation:
    """One is named and moves, one is only heard, one is a poster; the last words are nobody's."""
    wordless = {"text": Absent(Reason.NO_WORDS), "audio": Absent(Reason.SILENCE)}
    unseen = {"vision": Absent(Reason.NO_FACE)}
    happy, sad, calm = (0.9, *(0.1,) * 5), (0.1, 0.7, *(0.1,) * 4), (0.1,) * 6

    def said(name, start, end, text, probabilities, person, missing=None, kind=None, **more):
        made = make_prediction(name, start, end, text, probabilities, **more)
        utterance = replace(made.utterance, person=person, kind=kind or made.kind)
        return replace(made, utterance=utterance, missing=missing or {})

    utterances = [
        said("0000", 0.0, 3.0, "Good news!", happy, "p1"),
        said("0001", 1.0, 5.0, "", calm, "p3", wordless),
        said("0002", 2.5, 4.5, "Oh.", sad, "p2", unseen),
        said("0003", 3.0, 6.0, "", calm, "p1", wordless, abstained=True),
        said("0004", 5.0, 9.0, "", sad, "p3", wordless),
        said("0005", 6.0, 7.0, "", happy, "p2", unseen, "sound"),
        said("0006", 8.0, 9.0, "Who?", happy, None, unseen),
    ]
    moving = [(0.3 + step / 500, 0.2, 0.4 + step / 500, 0.5) for step in range(90)]
    return replace(
        make_annotation(utterances, duration=9.0),
        people=[
            Person("p1", "Ana", 8.5, 3.0),
            Person("p2", None, 0.0, 3.0),
            Person("p3", None, 9.0, 0.0),
        ],
        faces=[
            Face("f1", "p1", 0.0, 10.0, (*moving[:40], *(None,) * 5, *moving[45:])),
            Face("f2", "p3", 0.0, 10.0, ((0.7, 0.1, 0.8, 0.3),) * 90, still=True),
        ],
    )
