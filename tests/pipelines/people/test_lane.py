"""What somebody shows who does not speak: where it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.pipelines.people.lane import Lane
from lddu_pipe.types import TimeSpan

FPS = 10


def shown(begin: float, end: float, happy: float = 0.0, *, valid: bool = True) -> ModalitySequence:
    starts = np.arange(round(begin * FPS), round(end * FPS)) / FPS
    values = np.log([[max(happy, 1e-3), max(1 - happy, 1e-3)]] * len(starts))
    return ModalitySequence(
        modality="vision",
        values=values.astype(np.float32).reshape(-1, 2),
        spans=np.stack([starts, starts + 1 / FPS], axis=1),
        valid=np.full(len(starts), valid),
        feature_names=("log_probability_happy", "log_probability_sad"),
        fingerprint="vision:0",
    )


def stretches(lane: Lane, until: float = np.inf) -> list[tuple[float, float]]:
    return [(round(span.start, 6), round(span.end, 6)) for span in lane.closed(until)]


def test_a_long_stretch_is_cut_after_a_window_and_the_rest_is_not_too_short() -> None:
    lane = Lane(5.0)
    lane.see(shown(1.0, 11.5))
    assert stretches(lane, 6.9) == []  # the expression could still change in the second after it
    assert stretches(lane, 7.1) == [(1.0, 6.0)]
    assert stretches(lane) == [(6.0, 8.7), (8.7, 11.5)]


def test_it_is_cut_where_the_expression_changes() -> None:
    lane = Lane(5.0)
    lane.see(shown(0.0, 2.4, happy=0.05))
    lane.see(shown(2.4, 4.4, happy=0.95))
    lane.see(shown(4.4, 4.8, happy=0.05))  # shorter than a change
    assert stretches(lane) == [(0.0, 2.4), (2.4, 4.8)]


def test_words_and_times_in_which_nobody_is_seen_are_left_out() -> None:
    lane = Lane(5.0)
    lane.see(shown(0.0, 9.0))
    lane.see(shown(9.0, 9.5, valid=False))  # lost for a moment
    lane.see(shown(9.5, 11.0))
    lane.see(shown(13.0, 13.5))  # too short
    lane.speak(TimeSpan(2.05, 4.0))
    lane.speak(TimeSpan(5.0, 7.0))
    lane.speak(TimeSpan(12.0, 13.0))
    assert stretches(lane) == [(0.0, 2.05), (4.0, 5.0), (7.0, 11.0)]
    assert lane.begin == np.inf


@given(
    st.lists(st.floats(0, 30), max_size=6),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 6)), max_size=3),
    st.lists(st.floats(0, 1), min_size=1, max_size=8),
)
def test_stretches_do_not_depend_on_when_they_are_asked_for(
    asked: list[float], spoken: list[tuple[float, float]], smiles: list[float]
) -> None:
    parts = [shown(3.0 * n, 3.0 * n + 2.6, smile) for n, smile in enumerate(smiles)]
    speech = [TimeSpan(start, start + length) for start, length in spoken]
    at_once, step_by_step = Lane(5.0), Lane(5.0)
    for part in parts:
        at_once.see(part)
    for span in speech:
        at_once.speak(span)
    expected = stretches(at_once)
    found: list[tuple[float, float]] = []
    told = 0.0
    for until in [*sorted(asked), np.inf]:
        for part in parts:
            step_by_step.see(
                part.rows((part.spans[:, 0] >= told) & (part.spans[:, 0] < until)),
            )
        for span in speech:
            if told <= span.start < until:
                step_by_step.speak(span)
        found += stretches(step_by_step, until)
        told = until
    assert found == pytest.approx(expected)
    assert all(0.8 - 1e-6 <= end - start <= 5.0 + 1e-6 for start, end in found)
    assert all(TimeSpan(*one).overlap(span) < 1e-6 for one in found for span in speech)
