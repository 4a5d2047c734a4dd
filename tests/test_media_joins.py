"""Files that several were joined to, and sound that changes on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import decode_audio, decode_frames, probe
from lddu_pipe.media.joins import MOST_PARTS
from lddu_pipe.types import TimeSpan
from tests.recordings import HIGH, JOINED, LASTS, LOW, ffmpeg, joined, joined_film, tone

RATE = 16_000


def strongest(sound: NDArray[np.float32], start: float, end: float) -> float:
    """The frequency, in Hz, that is loudest between two moments in seconds."""
    part = sound[round(start * RATE) : round(end * RATE)]
    assert np.abs(part).max() > 0.03
    return float(np.abs(np.fft.rfft(part)).argmax() * RATE / len(part))


def assert_one_after_the_other(path: Path) -> None:
    media = probe(path)
    # Encoders of blocks begin and end with up to a tenth of a second of silence each.
    assert media.duration == pytest.approx(2 * LASTS, abs=0.25)
    sound = decode_audio(media)
    assert len(sound) == pytest.approx(media.duration * RATE, abs=0.1 * RATE)
    middle = media.duration / 2
    assert strongest(sound, 0.2, middle - 0.2) == pytest.approx(LOW, abs=10)
    assert strongest(sound, middle + 0.2, middle + 0.6) == pytest.approx(HIGH, abs=10)
    # No part comes twice, and there is no hole between them.
    loud = np.abs(sound).reshape(-1, 1)[: len(sound) // 160 * 160].reshape(-1, 160).max(1) > 0.03
    assert loud.mean() > 0.85
    across = decode_audio(media, span=TimeSpan(middle - 0.4, middle + 0.6))
    assert len(across) == RATE
    assert strongest(across, 0.0, 0.3) == pytest.approx(LOW, abs=10)
    assert strongest(across, 0.6, 1.0) == pytest.approx(HIGH, abs=10)


@pytest.mark.parametrize("suffix", JOINED)
def test_rate_and_channels_change_where_files_were_joined(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str
) -> None:
    high = 24_000 if suffix == "opus" else 44_100
    low = 32_000 if suffix == "mpg" else high // 2
    assert_one_after_the_other(joined(tmp_path / f"a.{suffix}", (low, 1), (high, 2)))
    assert caplog.text == ""


def test_files_without_tags_are_joined_as_well(tmp_path: Path) -> None:
    bare = ("-id3v2_version", "0", "-write_xing", "0")
    assert_one_after_the_other(joined(tmp_path / "a.mp3", (22_050, 1), (44_100, 2), *bare))


def test_a_rate_that_falls_keeps_its_place(tmp_path: Path) -> None:
    assert_one_after_the_other(joined(tmp_path / "a.aac", (44_100, 2), (22_050, 1)))


def test_sound_that_changes_while_time_runs_on(tmp_path: Path) -> None:
    # As in a broadcast, where the advertisements have two channels and the film six.
    later = ("-output_ts_offset", str(LASTS + 0.05))
    path = joined(tmp_path / "a.ts", (48_000, 1), (48_000, 6), *later)
    assert probe(path).parts == ()
    assert_one_after_the_other(path)


def test_joined_films_show_and_sound_one_after_the_other(tmp_path: Path) -> None:
    path = joined_film(tmp_path / "a.ts")
    assert_one_after_the_other(path)
    media = probe(path)
    frames = list(decode_frames(media, 10))
    assert [frame.time for frame in frames] == sorted(frame.time for frame in frames)
    assert len(frames) == pytest.approx(20 * LASTS, abs=2)
    bright = next(frame.time for frame in frames if frame.image.mean() > 120)
    assert bright == pytest.approx(media.parts[0].duration, abs=0.1)
    (later,) = decode_frames(media, 10, span=TimeSpan(bright, bright + 0.05))
    assert later.time == pytest.approx(bright)


@pytest.mark.parametrize("film", [False, True])
def test_more_than_two_short_files(tmp_path: Path, *, film: bool) -> None:
    path = tmp_path / "a.ts"
    if film:
        joined_film(path)
    else:
        joined(path, (22_050, 1), (44_100, 2))
    path.write_bytes(path.read_bytes() * 3)
    media = probe(path)
    assert len(media.parts) == 6
    sound = decode_audio(media)
    begun = 0.0
    for number, part in enumerate(media.parts):
        heard = strongest(sound, begun + 0.25, begun + 0.6)
        assert heard == pytest.approx((LOW, HIGH)[number % 2], abs=10)
        begun += part.duration
        assert (part.video is not None) == film


@pytest.mark.parametrize("suffix", ["ogg", "wav"])
def test_too_many_parts_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    ffmpeg(*tone(LOW, 0.01), *JOINED[suffix], path)
    path.write_bytes(path.read_bytes() * (MOST_PARTS + 1))
    with pytest.raises(UnusableInputError, match="more than 200 files one after another"):
        probe(path)
