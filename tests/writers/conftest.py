from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from lddu_pipe.annotation import Annotation, ModelInfo, Provenance, SourceInfo
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
