from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lddu_pipe.alignment import align_to_words, limit_steps, pool_to_spans, pooling_weights
from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.types import Modality, TimeSpan, Word


def sequence(
    values: object,
    spans: object,
    valid: object | None = None,
    modality: Modality = "audio",
) -> ModalitySequence:
    array = np.asarray(values, dtype=np.float32)
    return ModalitySequence(
        modality=modality,
        values=array,
        spans=np.asarray(spans, dtype=np.float64).reshape(-1, 2),
        valid=np.ones(len(array), bool) if valid is None else np.asarray(valid, dtype=bool),
        feature_names=tuple(f"f{index}" for index in range(array.shape[1])),
        fingerprint="test",
    )


def pooled(steps: ModalitySequence, *spans: tuple[float, float]) -> tuple[list[float], list[bool]]:
    result = pool_to_spans(steps, np.array(spans, dtype=np.float64))
    return result.values[:, 0].tolist(), result.valid.tolist()


FOUR = sequence([[1], [2], [3], [4]], [(0, 1), (1, 2), (2, 3), (3, 4)])


def test_pools_by_seconds_shared() -> None:
    values, valid = pooled(FOUR, (0, 4), (0.5, 2), (1.25, 1.5), (3.5, 9))
    assert values == pytest.approx([2.5, (0.5 * 1 + 1 * 2) / 1.5, 2, 4])
    assert valid == [True] * 4


def test_spans_outside_or_that_only_touch_are_not_valid() -> None:
    _, valid = pooled(FOUR, (4, 5), (-2, 0), (4 - 1e-12, 5), (7, 8))
    assert valid == [False] * 4


def test_invalid_steps_do_not_count() -> None:
    steps = replace(FOUR, valid=np.array([True, False, False, True]))
    values, valid = pooled(steps, (0, 4), (0, 3), (1, 3), (1, 1))
    assert values[:2] == [2.5, 1]
    assert valid == [True, True, False, False]


def test_a_moment_takes_the_step_that_contains_it() -> None:
    values, valid = pooled(FOUR, (0, 0), (1, 1), (2.5, 2.5), (4, 4), (4.1, 4.1))
    assert values[:4] == [1, 2, 3, 4]
    assert valid == [True, True, True, True, False]


def test_a_still_picture_counts_in_the_span_around_it() -> None:
    still = sequence([[7]], [(0, 0)], modality="vision")
    values, valid = pooled(still, (0, 0), (0, 3), (1, 3), (-3, 0))
    assert values[:2] == [7, 7]
    assert valid == [True, True, False, False]


def test_overlapping_steps_share_by_their_seconds() -> None:
    values, _ = pooled(sequence([[0], [9]], [(0, 2), (1, 2)]), (0, 2), (1, 2), (1.5, 1.5))
    assert values == [3, 4.5, 4.5]


def test_no_steps_or_no_spans() -> None:
    none = sequence(np.zeros((0, 3)), np.zeros((0, 2)))
    result = pool_to_spans(none, np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert result.values.shape == (2, 3)
    assert not result.present
    assert len(pool_to_spans(FOUR, np.zeros((0, 2)))) == 0


# --- properties --------------------------------------------------------------------------------

# Times lie on a grid, so that moving and scaling them is exact and neither makes a touch overlap.
moments = st.integers(0, 4000).map(lambda number: number / 64)


@st.composite
def spans_of(draw: st.DrawFn, min_size: int = 0) -> NDArray[np.float64]:
    pairs = draw(st.lists(st.tuples(moments, moments), min_size=min_size, max_size=12))
    return np.array([sorted(pair) for pair in pairs], dtype=np.float64).reshape(-1, 2)


@st.composite
def sequences(draw: st.DrawFn, min_size: int = 0) -> ModalitySequence:
    spans = draw(spans_of(min_size))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    return sequence(rng.normal(size=(len(spans), 3)), spans, rng.random(len(spans)) < 0.7)


@settings(deadline=None)
@given(sequences(), spans_of())
def test_weights_are_a_mean_over_valid_steps(
    steps: ModalitySequence, spans: NDArray[np.float64]
) -> None:
    weights = pooling_weights(steps.spans, steps.valid, spans)
    assert weights.shape == (len(spans), len(steps))
    assert (weights >= 0).all()
    assert (weights[:, ~steps.valid] == 0).all()
    total = weights.sum(axis=1)
    assert np.all((np.abs(total - 1) < 1e-12) | (total == 0))


@settings(deadline=None)
@given(sequences(), spans_of())
def test_pooling_agrees_with_a_plain_loop(
    steps: ModalitySequence, spans: NDArray[np.float64]
) -> None:
    result = pool_to_spans(steps, spans)
    for row, (start, end) in enumerate(spans):
        if start == end:
            continue
        shares = [
            max(0.0, min(b, end) - max(a, start)) if valid else 0.0
            for (a, b), valid in zip(steps.spans, steps.valid, strict=True)
        ]
        if sum(shares) > 0:
            expected = sum(w * v.astype(float) for w, v in zip(shares, steps.values, strict=True))
            np.testing.assert_allclose(result.values[row], expected / sum(shares), atol=1e-5)
            assert result.valid[row]


@settings(deadline=None)
@given(sequences(), spans_of(), st.floats(-1e6, 1e6, width=32))
def test_constant_features_stay_constant(
    steps: ModalitySequence, spans: NDArray[np.float64], level: float
) -> None:
    flat = replace(steps, values=np.full_like(steps.values, level))
    result = pool_to_spans(flat, spans)
    np.testing.assert_allclose(result.values[result.valid], level, rtol=1e-6)
    short = limit_steps(flat, 3)
    np.testing.assert_allclose(short.values[short.valid], level, rtol=1e-6)


@settings(deadline=None)
@given(sequences(), spans_of(), st.integers(1, 5))
def test_values_of_invalid_steps_never_show(
    steps: ModalitySequence, spans: NDArray[np.float64], most: int
) -> None:
    changed = steps.values.copy()
    changed[~steps.valid] = 3e38
    other = replace(steps, values=changed)
    np.testing.assert_array_equal(
        pool_to_spans(steps, spans).values, pool_to_spans(other, spans).values
    )
    first, second = limit_steps(steps, most), limit_steps(other, most)
    np.testing.assert_array_equal(first.values[first.valid], second.values[second.valid])
    np.testing.assert_array_equal(first.valid, second.valid)


@settings(deadline=None)
@given(sequences(), spans_of(), st.integers(-500, 500), st.sampled_from([0.25, 0.5, 1, 8]))
def test_moving_and_scaling_time_changes_nothing_else(
    steps: ModalitySequence, spans: NDArray[np.float64], shift: int, scale: float
) -> None:
    there = pool_to_spans(replace(steps, spans=steps.spans * scale + shift), spans * scale + shift)
    here = pool_to_spans(steps, spans)
    np.testing.assert_allclose(there.values, here.values, atol=1e-6)
    np.testing.assert_array_equal(there.valid, here.valid)
    np.testing.assert_array_equal(there.spans, spans * scale + shift)


@settings(deadline=None)
@given(sequences(min_size=1), st.integers(1, 12))
def test_limited_steps_keep_time_and_validity(steps: ModalitySequence, most: int) -> None:
    short = limit_steps(steps, most)
    assert len(short) == min(len(steps), most)
    assert short.present == steps.present
    assert short.spans.min() == steps.spans.min()
    assert short.spans.max() == steps.spans.max()
    if len(steps) <= most:
        assert short is steps


def test_limit_steps_pools_even_groups_of_valid_neighbours() -> None:
    steps = sequence(
        [[1], [3], [5], [100], [7], [9]],
        [(i, i + 1) for i in range(6)],
        [True, True, True, False, False, False],
    )
    short = limit_steps(steps, 3)
    assert short.values[:2, 0].tolist() == [2, 5]
    assert short.valid.tolist() == [True, True, False]
    assert short.spans.tolist() == [[0, 2], [2, 4], [4, 6]]
    counts = np.diff(
        limit_steps(sequence(np.zeros((11, 1)), [(i, i + 1) for i in range(11)]), 4).spans
    )
    assert sorted(counts[:, 0]) == [2, 3, 3, 3]
    with pytest.raises(ValueError, match="at least 1"):
        limit_steps(steps, 0)


# --- words -------------------------------------------------------------------------------------

WORDS = [Word("hello", TimeSpan(0.0, 1.5)), Word("you", TimeSpan(1.5, 4.0))]


def test_every_modality_gets_one_step_a_word() -> None:
    text = sequence([[5], [6]], [(0, 1.5), (1.5, 4)], [True, False], modality="text")
    aligned = align_to_words({"text": text, "audio": FOUR}, WORDS)
    assert aligned["text"] is text
    assert aligned["audio"].values[:, 0].tolist() == pytest.approx([2 / 1.5, (1 + 3 + 4) / 2.5])
    assert aligned["audio"].spans.tolist() == [[0, 1.5], [1.5, 4]]
    assert aligned["audio"].feature_names == FOUR.feature_names


def test_aligning_needs_words() -> None:
    with pytest.raises(ValueError, match="at least one word"):
        align_to_words({"audio": FOUR}, [])
