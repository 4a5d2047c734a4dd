"""Audio features and prosody on sounds whose properties are known."""

from __future__ import annotations

from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.extractors.audio import AudioExtractor, AudioSettings
from lddu_pipe.extractors.base import pool_frames
from lddu_pipe.extractors.huggingface_audio import HuggingFaceAudioEncoder
from lddu_pipe.extractors.prosody import (
    FRAME_LENGTH,
    HOP_LENGTH,
    PITCH_RANGE,
    PROSODY_NAMES,
    SAMPLE_RATE,
    prosody,
)
from lddu_pipe.media import decode_audio, probe


def voice(pitch: float, seconds: float = 1.0, level: float = 0.3) -> NDArray[np.float32]:
    """A buzz with falling harmonics."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    parts = [np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8)]
    return (level * np.sum(parts, axis=0) / 2).astype(np.float32)


def column(waveform: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return prosody(waveform)[5:-5, PROSODY_NAMES.index(name)]


@pytest.mark.parametrize("pitch", [90.0, 150.0, 300.0])
def test_pitch_is_found_in_semitones(pitch: float) -> None:
    semitones = np.median(column(voice(pitch), "pitch")) * 7 + 14
    assert semitones == pytest.approx(12 * np.log2(pitch / 65), abs=0.3)


def test_a_voice_is_voiced_and_noise_is_not() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    assert np.median(column(voice(120.0), "voicing")) * 0.3 + 0.6 > 0.9
    assert np.median(column(noise, "voicing")) * 0.3 + 0.6 < 0.4


def test_distance_to_the_microphone_and_a_constant_offset_change_nothing() -> None:
    near = np.concatenate([voice(120.0), voice(160.0, level=0.1)])
    near += np.random.default_rng(0).normal(0, 1e-3, len(near)).astype(np.float32)
    np.testing.assert_allclose(prosody(near * 0.1), prosody(near), atol=0.02)
    np.testing.assert_allclose(prosody(near + 0.2), prosody(near), atol=0.02)


def by_librosa(waveform: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Its own functions, in its own units."""
    sizes = {"frame_length": FRAME_LENGTH, "hop_length": HOP_LENGTH}
    spectrum = np.abs(librosa.stft(waveform, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH))
    low, high = PITCH_RANGE
    pitch = librosa.yin(waveform, fmin=low, fmax=high, sr=SAMPLE_RATE, **sizes)
    level = 20 * np.log10(np.maximum(librosa.feature.rms(y=waveform, **sizes)[0], 1e-6))
    return {
        "loudness": (level - np.percentile(level, 95) + 20) / 15,
        "pitch": (12 * np.log2(pitch / low) - 14) / 7,
        "zero_crossings": librosa.feature.zero_crossing_rate(waveform, **sizes)[0] / 0.15 - 1,
        "centroid": librosa.feature.spectral_centroid(S=spectrum, sr=SAMPLE_RATE)[0] / 1000 - 1.8,
        "bandwidth": librosa.feature.spectral_bandwidth(S=spectrum, sr=SAMPLE_RATE)[0] / 500 - 3.4,
        "rolloff": librosa.feature.spectral_rolloff(S=spectrum, sr=SAMPLE_RATE)[0] / 2000 - 1.75,
        "flatness": np.log10(librosa.feature.spectral_flatness(S=spectrum)[0]) + 2,
    }


# In a new environment numba compiles librosa's functions and keeps them on the disk, and two
# processes that do so at once may crash.
@pytest.mark.xdist_group("librosa")
@pytest.mark.parametrize("kind", ["speech", "buzz", "noise", "silence", "bursts", "short"])
def test_prosody_is_that_of_librosa(kind: str, sample_video: Path) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.1, SAMPLE_RATE).astype(np.float32)
    waveform = {
        "speech": lambda: decode_audio(probe(sample_video)),
        "buzz": lambda: np.concatenate([voice(100.0), voice(170.0), voice(330.0)]),
        "noise": lambda: noise,
        "silence": lambda: np.zeros(SAMPLE_RATE, np.float32),
        "bursts": lambda: noise * (np.arange(SAMPLE_RATE) // 4000 % 2).astype(np.float32),
        "short": lambda: voice(120.0, 0.08),
    }[kind]()
    waveform = waveform - waveform.mean(dtype=np.float64).astype(np.float32)
    found = prosody(waveform)
    for name, expected in by_librosa(waveform).items():
        got = found[:, PROSODY_NAMES.index(name)]
        assert got.shape == expected.shape
        # Where two lags are equally good, as in the last bit of silence, rounding may choose.
        wrong = np.mean(np.abs(got - expected) > 1e-3)
        assert wrong <= (0.01 if name == "pitch" else 0), (name, wrong)


def test_rising_pitch_deviates_from_low_to_high() -> None:
    rising = np.concatenate([voice(110.0), voice(120.0), voice(140.0)])
    deviation = column(rising, "pitch_deviation")
    assert deviation[:30].mean() < -0.1
    assert deviation[-30:].mean() > 0.2


@pytest.mark.parametrize("samples", [1, 100, 1023, 16_000])
def test_any_length_and_silence_give_finite_rows(samples: int) -> None:
    assert np.isfinite(prosody(np.zeros(samples, np.float32))).all()


@settings(deadline=None, max_examples=50)
@given(
    frames=arrays(
        np.float32, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-9, 9, width=32)
    ),
    size=st.integers(1, 12),
    around=st.integers(0, 20),
)
def test_pooling_equals_a_loop(frames: NDArray[np.float32], size: int, around: int) -> None:
    mean, deviation = pool_frames(frames, size, size + around)
    begins = [start - around // 2 for start in range(0, len(frames), size)]
    pieces = [frames[max(begin, 0) : begin + size + around] for begin in begins]
    np.testing.assert_allclose(mean, [piece.mean(0) for piece in pieces], atol=1e-4)
    np.testing.assert_allclose(deviation, [piece.std(0) for piece in pieces], atol=2e-3)


def count_frames(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """A stand-in encoder: frame number and a constant."""
    frames = -(-len(waveform) // 320)
    return np.stack([np.arange(frames), np.full(frames, 7.0)], axis=1).astype(np.float32)


def test_steps_spans_and_silence_of_the_extractor() -> None:
    settings = AudioSettings(encoder="count", layers=(), encoder_size=2, step=0.2, window=0.6)
    extractor = AudioExtractor(count_frames, settings, {})
    waveform = np.concatenate([voice(120.0, 0.5), np.zeros(8000, np.float32)])
    sequence = extractor.extract(waveform, start=10.0)
    assert sequence.values.shape == (5, extractor.spec.size)
    assert sequence.feature_names[0] == "encoder_0000_mean"
    np.testing.assert_allclose(sequence.spans[:, 0], 10 + np.arange(5) * 0.2)
    assert sequence.spans[-1, 1] == pytest.approx(11.0)
    assert sequence.valid.tolist() == [True, True, True, False, False]
    np.testing.assert_allclose(sequence.values[0, :2], [9.5, 7.0])  # mean of frames 0..19
    np.testing.assert_allclose(sequence.values[2, :2], [24.5, 7.0])  # of frames 10..39
    assert not extractor.extract(np.zeros(0, np.float32)).present


def test_any_wav2vec2_like_encoder_of_the_hub_can_be_used(tmp_path: Path) -> None:
    config = Wav2Vec2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    Wav2Vec2Model(config).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    encoder = HuggingFaceAudioEncoder(tmp_path)
    for samples in (1, 320, 321, 16_000):
        assert encoder(np.zeros(samples, np.float32)).shape == (-(-samples // 320), 16)
    extractor = AudioExtractor(
        encoder, AudioSettings(encoder="tiny", layers=(), encoder_size=encoder.size), {}
    )
    assert extractor.extract(voice(120.0)).values.shape == (2, extractor.spec.size)


def test_an_encoder_of_another_rate_is_refused(tmp_path: Path) -> None:
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_stride=(5, 2, 2, 2, 2, 2, 1),
    )
    Wav2Vec2Model(config).save_pretrained(tmp_path)
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path)
    with pytest.raises(IncompatibleModelError, match="50 frames"):
        HuggingFaceAudioEncoder(tmp_path)
