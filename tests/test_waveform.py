"""Sound of any length reads like an array, from memory or from disk."""

from __future__ import annotations

import gc
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.media import Waveform, decode_audio, decode_waveform, probe, waveform


def open_files() -> list[Path]:
    """What this process has open."""
    return [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


@pytest.mark.parametrize("held", [100, 1 << 20])
def test_slices_are_those_of_an_array(held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveform, "HELD", held)
    samples = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    sound = Waveform(np.array_split(samples, 7))
    assert len(sound) == 1000
    for part in (
        *(slice(0, 1000), slice(3, 10), slice(990, 2000), slice(5, 5)),
        *(slice(8, 2), slice(-5, None), slice(None)),
    ):
        found = sound[part]
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, samples[part])
    with pytest.raises(ValueError, match="step"):
        sound[::2]


def test_samples_are_taken_in_as_they_are_asked_for() -> None:
    taken: list[int] = []

    def parts() -> Iterator[NDArray[np.float32]]:
        for number in range(10):
            taken.append(number)
            yield np.full(100, number, np.float32)
        raise UnusableInputError("the rest is damaged")

    sound = Waveform(parts())
    assert taken == []
    assert sound[250:260].tolist() == [2.0] * 10
    assert taken == [0, 1, 2]
    assert sound[0:10].tolist() == [0.0] * 10
    assert sound[990:1000].tolist() == [9.0] * 10
    with pytest.raises(UnusableInputError, match="damaged"):
        len(sound)


def test_what_is_missing_is_silence() -> None:
    sound = Waveform([np.ones(3, np.float32)], at_least=5)
    assert sound[:].tolist() == [1, 1, 1, 0, 0]
    assert len(Waveform([], at_least=0)) == 0


def test_long_sound_lies_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(waveform, "HELD", 1000)
    sound = Waveform([np.ones(1000, np.float32)])
    assert len(sound) == 1000
    assert list(tmp_path.iterdir()) == []
    assert any(str(tmp_path) in str(link) for link in open_files())
    assert sound[999:].tolist() == [1.0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a file that nobody closed
        del sound
        gc.collect()
    assert not any(str(tmp_path) in str(link) for link in open_files())


def test_no_room_for_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveform, "HELD", 1000)
    monkeypatch.setattr(tempfile, "tempdir", "/proc/self")
    with pytest.raises(UnusableInputError, match="TMPDIR") as caught:
        Waveform([np.ones(1000, np.float32)])[:10]
    assert "\n" not in str(caught.value)


def test_a_file_decodes_to_the_same_samples_either_way(
    tmp_path: Path, run_ffmpeg: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tone.m4a"
    run_ffmpeg("-f", "lavfi", "-i", "sine=f=300:d=2.35", path)
    monkeypatch.setattr(waveform, "HELD", 1000)
    media = probe(path)
    np.testing.assert_array_equal(decode_waveform(media)[:], decode_audio(media))
