"""What microphones and cameras give: late, early, twice, not at all, or too much of it."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import RecentSound
from lddu_pipe.pipelines.live.camera import MOST_WAITING, Camera
from lddu_pipe.pipelines.live.clock import Clock
from lddu_pipe.pipelines.live.microphone import Microphone

RATE = 16_000


def taken(microphone: Microphone) -> NDArray[np.float32]:
    """All that it gives once it is closed."""
    microphone.close()
    parts = []
    while (part := microphone.take(0.0)) is not None:
        parts.append(part)
    return np.concatenate([np.zeros(0, np.float32), *parts])


def ramp(seconds: float, begin: float = 0.0) -> NDArray[np.float32]:
    """Sound that tells its place."""
    places = np.arange(round(begin * RATE), round((begin + seconds) * RATE))
    return (places / (100 * RATE)).astype(np.float32)


def picture(shade: int = 0) -> NDArray[np.uint8]:
    return np.full((8, 12, 3), shade, np.uint8)


def test_pieces_of_any_size_that_jitter_are_one_sound():
    microphone, random = Microphone(RATE, Clock()), np.random.default_rng(1)
    whole, place = ramp(3.0), 0
    while place < len(whole):
        count = int(random.integers(1, 4000))
        at = 1000.0 + place / RATE + (random.uniform(-0.05, 0.05) if place else 0.0)
        microphone.hear(whole[place : place + count], at)
        place += count
    assert np.array_equal(taken(microphone), whole)
    assert microphone.silence == 0.0


def test_a_gap_is_silence_of_its_length_and_an_overlap_is_left_out():
    microphone = Microphone(RATE, Clock())
    microphone.hear(ramp(1.0), 50.0)
    microphone.hear(ramp(1.0, 2.5), 52.5)
    microphone.hear(ramp(1.0, 3.0), 53.0)
    microphone.hear(ramp(0.5, 1.0), 51.0)  # long past
    microphone.hear(ramp(0.5, 4.0), None)
    sound = taken(microphone)
    expected = ramp(4.5)
    expected[RATE : round(2.5 * RATE)] = 0.0
    assert np.array_equal(sound, expected)
    assert microphone.silence == pytest.approx(1.5)


def test_a_gap_of_an_hour_comes_in_pieces():
    microphone = Microphone(RATE, Clock())
    microphone.hear(ramp(0.1), 0.0)
    microphone.hear(ramp(0.1), 3600.0)
    assert max(len(microphone.take(0.0)) for _ in range(100)) <= RATE
    assert microphone.heard == pytest.approx(3600.1)


def test_sound_that_does_not_come_is_silence_after_a_while():
    clock = Clock()
    camera, microphone = Camera(10, 640, clock), Microphone(RATE, clock)
    camera.see(picture(), 7.0)
    microphone.expect(2.0)
    microphone.hear(ramp(1.0), 8.5)  # the second half of it is still of use
    assert len(taken(microphone)) == 2.5 * RATE


def test_another_rate_and_channels_are_resampled_as_a_stream():
    microphone, random = Microphone(44_100, Clock()), np.random.default_rng(2)
    tone = np.sin(np.arange(44_100) * 0.05).astype(np.float32) * 0.5
    place = 0
    while place < len(tone):
        count = int(random.integers(1, 3000))
        piece = (tone[place : place + count] * 32767).astype(np.int16)
        microphone.hear(np.stack([piece, piece], axis=1), 1.0 + place / 44_100)
        place += count
    sound = taken(microphone)
    expected = soxr.resample(tone, 44_100, RATE)
    assert len(sound) == pytest.approx(RATE, abs=2)
    assert np.abs(sound[:15_900] - expected[:15_900]).max() < 1e-3


@pytest.mark.parametrize(
    "samples",
    [np.array([np.nan]), np.zeros((2, 3, 4)), np.zeros(5, np.int32), np.zeros((5, 40)), ["a"]],
)
def test_what_is_no_sound_is_refused_in_one_line(samples):
    with pytest.raises(UnusableInputError) as error:
        Microphone(RATE, Clock()).hear(samples, 0.0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("rate", [0, -1, 1e9, 44_100.5, True, "a"])
def test_what_is_no_rate_is_refused(rate):
    with pytest.raises(UnusableInputError):
        Microphone(rate, Clock())


@pytest.mark.parametrize("at", [np.nan, np.inf, "now", None])
def test_what_is_no_moment_is_refused(at):
    with pytest.raises(UnusableInputError, match="at is a time in seconds"):
        Camera(10, 640, Clock()).see(picture(), at)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), [1]]
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(UnusableInputError, match="a picture is"):
        Camera(10, 640, Clock()).see(image, 0.0)


def test_pictures_are_looked_at_ten_times_a_second_whatever_comes():
    camera = Camera(10, 640, Clock())
    frames = camera.frames()
    seen = []
    for number in range(60):
        camera.see(picture(number), 5.0 + number / 30)
        if number % 3 == 0:
            seen.append(next(frames))
    assert np.allclose(np.diff([frame.time for frame in seen]), 0.1)
    assert camera.dropped == 0.0


def test_who_is_too_slow_gets_the_latest_pictures_and_is_told_how_many_are_missing():
    camera = Camera(10, 640, Clock())
    image = picture()
    for number in range(20):
        image[:] = number  # what was given is a copy
        camera.see(image, number / 10)
    camera.see(picture(99), 0.5)  # older than what came before
    camera.close()
    shades = [int(frame.image[0, 0, 0]) for frame in camera.frames()]
    assert shades == list(range(20 - MOST_WAITING, 20))
    assert camera.dropped == pytest.approx(1 - MOST_WAITING / 20)


def test_large_pictures_are_scaled_when_they_are_taken():
    camera = Camera(10, 640, Clock())
    camera.see(np.zeros((720, 1280, 3), np.uint8), 0.0)
    assert next(camera.frames()).image.shape == (360, 640, 3)


def test_of_sound_that_goes_on_only_the_latest_is_held():
    sound, whole = RecentSound(), ramp(60.0)
    for begin in range(0, len(whole), 1600):
        sound.append(whole[begin : begin + 1600])
        sound.forget(len(sound) - RATE)
    assert len(sound) == len(whole)
    assert np.array_equal(sound[-RATE:], whole[-RATE:])
    assert np.array_equal(sound[len(whole) - 10 : len(whole) + 10], whole[-10:])
    assert not sound[:RATE].any()
    assert sound._held.nbytes < 2**20
