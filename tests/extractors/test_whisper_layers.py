"""The lower layers of Whisper on torch, against CTranslate2, which runs and writes such models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ctranslate2.specs import LayerSpec, ModelSpec
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.ctranslate2_weights import read_weights
from lddu_pipe.extractors.whisper_layers import WINDOW, WhisperLayers

LAYERS = 4  # of tiny.en
SIZE = 384


@pytest.fixture(scope="module")
def folder() -> Path:
    return resolve("whisper-tiny.en")


def chirp(seconds: float) -> NDArray[np.float32]:
    time = np.arange(int(seconds * 16_000)) / 16_000
    return (0.3 * np.sin(2 * np.pi * (150 + 80 * time) * time)).astype(np.float32)


def test_the_last_layer_is_what_ctranslate2_gives(folder: Path) -> None:
    waveform = chirp(2.0)
    model = WhisperModel(str(folder), device="cpu", compute_type="float32")
    given = np.asarray(model.encode(model.feature_extractor(waveform, padding=0)))[0]
    weights = read_weights(folder / "model.bin", "encoder/layer_norm/")
    scale, offset = weights["gamma"].astype(float), weights["beta"].astype(float)
    ours = WhisperLayers(folder, (LAYERS,))(waveform)
    np.testing.assert_allclose(ours * scale + offset, given, atol=2e-3)


def test_layers_stand_side_by_side_and_do_not_depend_on_each_other(folder: Path) -> None:
    waveform = chirp(1.0)
    encoder = WhisperLayers(folder, (1, 3))
    both = encoder(waveform)
    assert both.shape == (50, encoder.size) == (50, 2 * SIZE)
    np.testing.assert_allclose(both[:, :SIZE], WhisperLayers(folder, (1,))(waveform), atol=1e-4)
    np.testing.assert_allclose(both[:, SIZE:], WhisperLayers(folder, (3,))(waveform), atol=1e-4)
    # Each frame of each layer by itself has mean 0 and spread 1, however large the layer's states.
    np.testing.assert_allclose(both.reshape(50, 2, SIZE).mean(axis=2), 0, atol=1e-4)
    np.testing.assert_allclose(both.reshape(50, 2, SIZE).std(axis=2), 1, atol=1e-2)


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (320, 1), (321, 2), (16_000, 50), (WINDOW + 1, 1501)]
)
def test_every_length_gives_a_frame_each_20_ms(folder: Path, samples: int, frames: int) -> None:
    found = WhisperLayers(folder, (1,))(chirp(31.0)[:samples])
    assert found.shape == (frames, SIZE)
    assert np.isfinite(found).all()


def test_long_sound_is_heard_in_windows_of_thirty_seconds(folder: Path) -> None:
    waveform = chirp(40.0)
    encoder = WhisperLayers(folder, (1,))
    apart = np.concatenate([encoder(waveform[:WINDOW]), encoder(waveform[WINDOW:])])
    np.testing.assert_allclose(encoder(waveform), apart, atol=1e-5)


class Part(LayerSpec):
    """Variables of a part of a model; none can be added later."""

    def __init__(self, **values: NDArray[np.generic]) -> None:
        vars(self).update(values)


class Written(ModelSpec):
    """A model of three variables, for CTranslate2 to write."""

    name, revision = "Written", 3

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Part(
            matrix=np.arange(6, dtype=np.float16).reshape(2, 3), heads=np.array(5, dtype=np.int16)
        )
        self.decoder = Part(matrix=np.ones((4, 4), np.float32))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    specification = Written()
    specification.validate()
    specification.save(str(tmp_path))
    return tmp_path / "model.bin"


def test_variables_are_read_as_they_were_written(written: Path) -> None:
    found = read_weights(written, "encoder/")
    assert sorted(found) == ["heads", "matrix"]
    assert found["matrix"].dtype == np.float16
    np.testing.assert_array_equal(found["matrix"], [[0, 1, 2], [3, 4, 5]])
    assert found["heads"] == 5
    np.testing.assert_array_equal(read_weights(written, "decoder/")["matrix"], np.ones((4, 4)))


def test_any_cut_and_other_versions_are_refused_in_one_line(written: Path) -> None:
    whole = written.read_bytes()
    last = whole.rindex(b"encoder/")  # the file ends with what is not asked for
    for size in range(0, last, 7):
        written.write_bytes(whole[:size])
        with pytest.raises(IncompatibleModelError, match="no CTranslate2 model"):
            read_weights(written, "encoder/")
    written.write_bytes(b"\x07" + whole[1:])
    with pytest.raises(IncompatibleModelError, match="version 7 where 6 is known"):
        read_weights(written, "encoder/")


def test_a_model_without_an_encoder_is_no_whisper(written: Path) -> None:
    with pytest.raises(IncompatibleModelError, match="no encoder of Whisper"):
        WhisperLayers(written.parent, (1,))
