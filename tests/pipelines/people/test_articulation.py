"""Mouths and sounds as numbers, and how well one foretells the other."""

from __future__ import annotations

import numpy as np
import pytest

from lddu_pipe.extractors.faces import BLENDSHAPE_NAMES
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.pipelines.people.articulation import (
    MOUTH,
    SHAPES,
    HeardSound,
    coherence,
    movement,
    shapes_of,
    without_trend,
)


def test_a_mouth_is_made_of_blendshapes_that_there_are() -> None:
    assert set(MOUTH) <= set(BLENDSHAPE_NAMES)
    assert len(set(MOUTH)) == len(MOUTH)


def test_both_sides_make_one_shape_and_a_smile_is_no_movement() -> None:
    mouth = np.zeros((3, len(MOUTH)), np.float32)
    mouth[1, MOUTH.index("mouth_stretch_left")] = 0.6
    mouth[1, MOUTH.index("jaw_open")] = 0.1
    mouth[2] = mouth[1]
    mouth[2, [MOUTH.index(f"mouth_smile_{side}") for side in ("left", "right")]] = 1.0
    shapes = shapes_of(mouth)
    assert sorted(shapes[1][shapes[1] > 0]) == pytest.approx([0.1, 0.3])
    assert movement(shapes) == pytest.approx([2.0 * 0.1 + 0.5 * 0.3, 0.0])


def test_how_a_sound_is_cut_and_what_follows_change_nothing() -> None:
    generator = np.random.default_rng(0)
    sound = generator.normal(scale=0.1, size=5 * SAMPLE_RATE).astype(np.float32)
    times = np.linspace(0, 3, 31)
    whole, cut = HeardSound(), HeardSound()
    assert whole.around(times, 3.0) is None
    whole.add(sound)
    for part in np.split(sound[: 3 * SAMPLE_RATE], [7, 100, 9000, 9001, 30000]):
        cut.add(part)
    expected = cut.around(times, 3.0)
    assert expected is not None
    assert (whole.around(times, 3.0) == expected).all()
    assert not (whole.around(times, 5.0) == expected).all()
    later = whole.around(times[20:], 5.0)
    whole.forget(times[20])
    assert (whole.around(times[20:], 5.0) == later).all()


def test_a_tone_is_heard_when_and_where_it_sounds() -> None:
    moments = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    tone = np.where((moments >= 2) & (moments < 2.3), 0.3 * np.sin(2 * np.pi * 500 * moments), 0)
    heard = HeardSound()
    heard.add(tone.astype(np.float32))
    around = heard.around(np.array([1.5, 2.05, 2.15]), 4.0)
    assert around is not None
    bands = around[:, 8:16]  # no lag
    assert bands[1:].argmax(axis=1).tolist() == [2, 2]  # 400 to 650 Hz
    assert bands[0].max() < 0.5
    assert bands[1:].max(axis=1).min() > 2  # 20 dB


def test_what_follows_the_sound_is_foretold_and_what_does_not_is_not() -> None:
    generator = np.random.default_rng(1)
    times = np.arange(400) / 10
    sound = generator.normal(size=(400, 6))
    mouth = np.clip(0.3 + 0.1 * sound @ generator.normal(size=(6, SHAPES)), 0, 1)
    own = without_trend(mouth.astype(np.float32), times)
    other = without_trend(mouth[::-1].astype(np.float32), times)
    assert coherence(sound, own) > 400
    assert coherence(sound, other) < 40
    assert coherence(sound[:5], own[:5]) == 0.0
