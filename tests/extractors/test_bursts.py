"""Voices without words are found where a head hears them, and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.bursts import BurstFinder
from lddu_pipe.extractors.companions import SHIPPED, Companions
from lddu_pipe.extractors.heard import HEARD, SoundConfig, SoundNetwork
from lddu_pipe.pipelines.checkpoint import copy_checkpoint, load_checkpoint
from lddu_pipe.types import TimeSpan

RATE = 16_000
HIGH, LOW = 3000.0, 200.0
"""Hz of tones: one that the head below takes for a burst, one for another sound."""


def crossings(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """An encoder of one feature: the share of samples whose sign changes, each 20 ms."""
    frames = np.resize(waveform, (-(-len(waveform) // 320), 320))
    return (np.diff(np.signbit(frames), axis=1).mean(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def head() -> SoundNetwork:
    """Weights by hand: a burst is what changes its sign often."""
    network = SoundNetwork(SoundConfig(encoder_size=1, hidden=1)).eval()
    first, _, last = network.classify
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[100.0, 0.0]]))
        first.bias.fill_(-15.0)
        last.weight.zero_()
        last.weight[HEARD.index("burst")] = 5.0
        last.bias.copy_(torch.tensor([0.0, -1.0, 5.0, 0.0]))
    return network


@pytest.fixture
def finder(head: SoundNetwork) -> BurstFinder:
    return BurstFinder(crossings, head)  # type: ignore[arg-type]


def scene(parts: Sequence[tuple[float, float]]) -> NDArray[np.float32]:
    """Tones of some Hz (0: nearly nothing) for some seconds each."""
    noise = np.random.default_rng(1)
    return np.concatenate(
        [
            0.1 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * RATE)) / RATE)
            + 1e-4 * noise.normal(size=round(seconds * RATE))
            for pitch, seconds in parts
        ]
    ).astype(np.float32)


def test_a_burst_lasts_from_its_first_to_its_last_loud_moment(finder: BurstFinder) -> None:
    sound = scene([(0, 3), (HIGH, 1.5), (0, 2), (LOW, 2), (0, 1), (HIGH, 0.6), (0, 1.5)])
    bursts = finder.over(sound)
    (found,) = bursts.within(TimeSpan(0, len(sound) / RATE))
    assert (found.start, found.end) == (pytest.approx(3, abs=0.1), pytest.approx(4.5, abs=0.1))
    # Nothing else is listened to than what is asked for.
    assert bursts.within(TimeSpan(0, 3)) == bursts.within(TimeSpan(3.9, 11)) == []
    assert bursts.within(TimeSpan(3.2, 4.2)) == [TimeSpan(3.2, 4.2)]


def test_who_laughs_draws_breath_and_may_laugh_from_end_to_end(finder: BurstFinder) -> None:
    breath = scene([(HIGH, 0.6), (0, 0.3), (HIGH, 0.6), (0, 1.0), (HIGH, 1.0)])
    spans = finder.over(breath).within(TimeSpan(0, len(breath) / RATE))
    assert [round(span.duration, 1) for span in spans] == [1.5, 1.0]
    whole = scene([(HIGH, 4)])
    assert finder.over(whole).within(TimeSpan(0, 4)) == [TimeSpan(0, 4)]
    assert finder.over(whole * 1e-3).within(TimeSpan(0, 4)) == []  # too quiet to be heard


def test_a_burst_goes_on_where_it_is_less_sure_than_at_its_surest(
    finder: BurstFinder, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = np.zeros((17, len(HEARD)), np.float32)
    monkeypatch.setattr(finder, "probabilities", lambda _: steps)
    sound, burst = finder.over(scene([(HIGH, 4)])), HEARD.index("burst")
    steps[4:9, burst] = 0.3
    assert sound.within(TimeSpan(0, 4)) == []
    steps[6, burst] = 0.6
    assert sound.within(TimeSpan(0, 4)) == [TimeSpan(4 * 0.24, 9 * 0.24)]


def test_a_head_goes_with_its_checkpoint(head: SoundNetwork, tmp_path: Path) -> None:
    source = load_checkpoint(SHIPPED, offline=True)
    assert Companions.load(tmp_path).sound is None
    copy_checkpoint(source, tmp_path / "plain", source.calibration)
    head.save(tmp_path / "plain")
    with_head = load_checkpoint(tmp_path / "plain", offline=True)
    copy_checkpoint(with_head, tmp_path / "copy", with_head.calibration)
    copied = load_checkpoint(tmp_path / "copy", offline=True)
    assert copied.weights == with_head.weights
    assert copied.weights.keys() >= source.weights.keys() | {"sound.safetensors"}
    loaded = copied.parts.companions.without(("audio", "vision", "text")).sound
    assert loaded is not None
    assert loaded.config == head.config
    frames = np.random.default_rng(0).random((40, 1), np.float32)
    np.testing.assert_allclose(loaded.probabilities(frames), head.probabilities(frames), atol=1e-3)
    assert {
        tensor.dtype for tensor in load_file(tmp_path / "copy/sound.safetensors").values()
    } == {torch.float16}
    settings = json.loads((tmp_path / "copy/sound.json").read_text())
    (tmp_path / "copy/sound.json").write_text(json.dumps(settings | {"hidden": 1_000_000_000}))
    with pytest.raises(IncompatibleModelError, match="cannot be loaded"):
        load_checkpoint(tmp_path / "copy", offline=True)
