"""Files with several sound and picture streams, and with channels that cancel each other out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import decode_audio, decode_frames, probe
from lddu_pipe.media.mixing import mixed
from tests.recordings import HIGH, LOW, several_tracks

RATE = 16_000
Helper = Callable[..., Any]
SOUNDS = {f"sine=f={LOW}:d=1:r=16000": "deu", f"sine=f={HIGH}:d=1:r=16000": "eng"}
PICTURES = {"color=black:s=32x32:d=1:r=5": "und", "color=white:s=64x32:d=1:r=5": "und"}


def pitch(sound: NDArray[np.float32]) -> float:
    return float(np.abs(np.fft.rfft(sound)).argmax() * RATE / len(sound))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracks") / "film.mkv"
    return several_tracks(
        path, SOUNDS, PICTURES, "-disposition:a:0", "0", "-disposition:a:1", "default"
    )


@pytest.mark.parametrize(
    ("wanted", "hertz"), [(None, HIGH), (1, LOW), ("2", HIGH), ("ger", LOW), ("EN", HIGH)]
)
def test_the_sound_that_is_asked_for_or_else_the_default(
    film: Path, wanted: int | str | None, hertz: int
) -> None:
    media = probe(film, audio_track=wanted)
    assert media.sound_tracks.listed == ("1 (deu, pcm_s16le)", "2 (eng, pcm_s16le)")
    assert pitch(decode_audio(media)) == pytest.approx(hertz, abs=2)


@pytest.mark.parametrize(("wanted", "level"), [(None, 0), (1, 0), (2, 255)])
def test_the_pictures_that_are_asked_for(film: Path, wanted: int | None, level: int) -> None:
    media = probe(film, video_track=wanted)
    assert len(media.picture_tracks.listed) == 2
    frame = next(decode_frames(media, 5))
    assert frame.image.mean() == pytest.approx(level, abs=2)
    assert frame.image.shape[1] == 32 * (wanted or 1)


@pytest.mark.parametrize(
    "wanted", [{"audio_track": 3}, {"audio_track": "fra"}, {"video_track": 9}]
)
def test_a_track_that_is_not_there_names_those_that_are(
    film: Path, wanted: dict[str, int | str]
) -> None:
    with pytest.raises(UnusableInputError, match=r"has no .* track .*; it has 1 \(.*, 2 \("):
        probe(film, **wanted)  # type: ignore[arg-type]


def test_a_track_that_does_not_decode_is_passed_over(film: Path, tmp_path: Path) -> None:
    content = film.read_bytes().replace(b"A_PCM/INT/LIT", b"A_XYZ/INT/LIT", 1)
    (tmp_path / "film.mkv").write_bytes(content)
    media = probe(tmp_path / "film.mkv")
    assert media.sound_tracks.usable == (2,)
    assert pitch(decode_audio(media)) == pytest.approx(HIGH, abs=2)


def test_a_channel_alone(tmp_path: Path, write_wav: Helper) -> None:
    time = np.arange(RATE) / RATE
    two = np.stack([np.sin(2 * np.pi * hertz * time) / 2 for hertz in (LOW, HIGH)], axis=1)
    path = write_wav(tmp_path / "call.wav", two.astype(np.float32))
    for channel, hertz in enumerate((LOW, HIGH)):
        one = decode_audio(probe(path), channel=channel)
        np.testing.assert_allclose(one, two[:, channel], atol=1e-3)
        assert pitch(one) == pytest.approx(hertz, abs=2)


# --- opposite phase ----------------------------------------------------------------------


@pytest.fixture
def voice() -> NDArray[np.float32]:
    """Two seconds that are as irregular as speech."""
    return np.random.default_rng(5).normal(0, 0.1, 2 * RATE).astype(np.float32)


@pytest.mark.parametrize("factor", [-1.0, -0.97, -0.5])
def test_channels_that_cancel_each_other_out_leave_one(
    tmp_path: Path, write_wav: Helper, voice: NDArray[np.float32], factor: float
) -> None:
    both = np.stack([voice, factor * voice], axis=1)
    path = write_wav(tmp_path / "turned.wav", both)
    np.testing.assert_allclose(decode_audio(probe(path)), voice, atol=1e-3)


def test_front_channels_that_cancel_each_other_out_leave_one(
    tmp_path: Path, write_wav: Helper, voice: NDArray[np.float32]
) -> None:
    around = np.zeros((len(voice), 6), np.float32)
    around[:, 0], around[:, 1] = voice, -voice
    path = write_wav(tmp_path / "5.1.wav", around)
    np.testing.assert_allclose(decode_audio(probe(path)), voice, atol=1e-3)
    around[:, 2] = voice[::-1]  # somebody speaks in the middle
    path = write_wav(tmp_path / "middle.wav", around)
    heard = decode_audio(probe(path))
    assert abs(np.corrcoef(heard, voice[::-1])[0, 1]) > 0.99


def test_only_the_seconds_that_are_lost_are_taken_from_one(voice: NDArray[np.float32]) -> None:
    right = voice.copy()
    right[RATE:] *= -1
    channels = np.stack([(voice + right) / 2, voice, right], axis=1)
    parts = np.array_split(channels, 7)
    np.testing.assert_array_equal(np.concatenate(list(mixed(parts, RATE))), voice)


@pytest.mark.parametrize("kind", ["one side", "unrelated", "a room", "silence"])
def test_a_sum_that_loses_little_stays_a_sum(voice: NDArray[np.float32], kind: str) -> None:
    other = np.random.default_rng(6).normal(0, 0.1, len(voice)).astype(np.float32)
    right = {
        "one side": 0 * voice,
        "unrelated": other,
        # Speech in the middle, and a room around it that is the opposite left and right.
        "a room": voice - 0.5 * other,
        "silence": -voice * 1e-5,
    }[kind]
    left = {"a room": voice + 0.5 * other, "silence": voice * 1e-5}.get(kind, voice)
    total = ((left + right) / 2).astype(np.float32)
    channels = np.stack([total, left, right], axis=1).astype(np.float32)
    np.testing.assert_array_equal(np.concatenate(list(mixed([channels], RATE))), total)
