"""From frames to what is known of an utterance."""

from __future__ import annotations

import numpy as np
import pytest

from lddu_pipe.alignment import concatenate
from lddu_pipe.evidence import Absent, ModalitySequence, Present, Reason
from lddu_pipe.pipelines.samples import look_up, make_sample
from lddu_pipe.types import TimeSpan, Utterance, Word

UTTERANCE = Utterance(
    "0",
    TimeSpan(1.0, 2.0),
    "so it",
    words=(Word("so", TimeSpan(1, 1.5)), Word("it", TimeSpan(1.5, 2))),
)


def frames(start: float, heights: list[float]) -> ModalitySequence:
    starts = start + np.arange(len(heights)) / 4
    return ModalitySequence(
        modality="vision",
        values=np.ones((len(heights), 1), np.float32),
        spans=np.stack([starts, starts + 0.25], axis=1),
        valid=np.array(heights) > 0,
        feature_names=("a",),
        fingerprint="x",
        heights=np.array(heights, np.float32),
    )


@pytest.mark.parametrize("aligned", [False, True])
def test_the_face_of_an_utterance_is_as_high_as_in_its_own_frames(aligned: bool) -> None:
    seen = concatenate([frames(0.0, [90] * 4), frames(1.0, [20, 0, 24, 30]), frames(2.0, [90])])
    found = look_up(seen, UTTERANCE)
    assert isinstance(found, Present)
    assert found.height == 24
    words = Absent(Reason.NO_WORDS)
    evidence = {"text": words, "audio": words, "vision": found}
    sample = make_sample(UTTERANCE, evidence, {}, aligned=aligned)
    assert sample.face_height == 24
