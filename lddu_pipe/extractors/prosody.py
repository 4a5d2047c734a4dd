"""Prosody by librosa: pitch, loudness, voicing and spectral shape, 50 times a second."""

from __future__ import annotations

import librosa
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz
HOP_LENGTH = 320  # samples; 20 ms, the frame shift of Whisper's encoder
FRAME_LENGTH = 1024  # samples; holds four periods of the lowest pitch
PITCH_RANGE = (65.0, 500.0)  # Hz; speech of adults, raised voices included
SILENCE_DB = -65.0  # dB relative to full scale; below it there is nothing to hear

PROSODY_NAMES = (
    "loudness",
    "pitch",
    "pitch_deviation",
    "voicing",
    "zero_crossings",
    "centroid",
    "bandwidth",
    "rolloff",
    "flatness",
    "flux",
)


def loudness_db(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean square level of each frame in dB relative to full scale, (frames,) float32."""
    level = librosa.feature.rms(y=waveform, frame_length=FRAME_LENGTH, hop_length=HOP_LENGTH)[0]
    decibels: NDArray[np.float32] = 20 * np.log10(np.maximum(level, 1e-6)).astype(np.float32)
    return decibels


def _voicing(waveform: NDArray[np.float32], pitch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Autocorrelation at the pitch period over the energy, 0 (noise) to 1 (periodic)."""
    padded = np.pad(waveform, FRAME_LENGTH // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_LENGTH)[::HOP_LENGTH]
    frames = frames[: len(pitch)]
    spectrum = np.fft.rfft(frames, 2 * FRAME_LENGTH, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :FRAME_LENGTH]
    period = np.clip(np.rint(SAMPLE_RATE / pitch).astype(int), 1, FRAME_LENGTH - 1)
    # The two windows that are compared overlap in fewer samples as the period grows.
    shared = 1 - period / FRAME_LENGTH
    peak = correlation[np.arange(len(frames)), period] / shared
    ratio = peak / np.maximum(correlation[:, 0], 1e-9)
    clipped: NDArray[np.float32] = np.clip(ratio, 0, 1).astype(np.float32)
    return clipped


def prosody(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    """Describe how something is said.

    Each feature is shifted and scaled by constants to a spread of about one on speech, so that
    a layer normalisation over features of different units makes sense. Loudness is relative to
    the loud parts of the same waveform and pitch deviation to its median, so neither depends on
    the distance to the microphone or on the speaker's usual pitch.

    Args:
        waveform: (samples,) float32 mono at 16 kHz, at least one sample.

    Returns:
        (frames, 10) float32 in the order of `PROSODY_NAMES`, one row each 20 ms.
    """
    # A constant offset from a cheap sound card would be read as a very low pitch.
    waveform = waveform - waveform.mean(dtype=np.float64).astype(np.float32)
    if len(waveform) < FRAME_LENGTH:
        waveform = np.pad(waveform, (0, FRAME_LENGTH - len(waveform)))
    pitch = librosa.yin(
        waveform,
        fmin=PITCH_RANGE[0],
        fmax=PITCH_RANGE[1],
        sr=SAMPLE_RATE,
        frame_length=FRAME_LENGTH,
        hop_length=HOP_LENGTH,
    ).astype(np.float32)
    level = loudness_db(waveform)
    voicing = _voicing(waveform, pitch)
    semitones = 12 * np.log2(pitch / PITCH_RANGE[0])
    voiced = voicing > 0.5
    middle = np.median(semitones[voiced]) if voiced.any() else np.median(semitones)
    spectrum = np.abs(librosa.stft(waveform, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH))
    normed = spectrum / np.maximum(spectrum.sum(axis=0, keepdims=True), 1e-9)
    flux = np.abs(np.diff(normed, axis=1, prepend=normed[:, :1])).sum(axis=0)
    columns = (
        (level - np.percentile(level, 95) + 20) / 15,
        (semitones - 14) / 7,
        (semitones - middle) / 5 * voicing,
        (voicing - 0.6) / 0.3,
        (
            librosa.feature.zero_crossing_rate(
                waveform, frame_length=FRAME_LENGTH, hop_length=HOP_LENGTH
            )[0]
            - 0.15
        )
        / 0.15,
        (librosa.feature.spectral_centroid(S=spectrum, sr=SAMPLE_RATE)[0] - 1800) / 1000,
        (librosa.feature.spectral_bandwidth(S=spectrum, sr=SAMPLE_RATE)[0] - 1700) / 500,
        (librosa.feature.spectral_rolloff(S=spectrum, sr=SAMPLE_RATE)[0] - 3500) / 2000,
        (np.log10(librosa.feature.spectral_flatness(S=spectrum)[0]) + 2) / 1,
        (flux - 0.5) / 0.3,
    )
    frames = min(len(column) for column in columns)
    return np.stack([column[:frames] for column in columns], axis=1).astype(np.float32)
