"""Prosody: pitch, loudness, voicing and spectral shape, 50 times a second.

The recipe is that of librosa's functions of the same names, which the tests compare it with. They
are not called, since they bring numba and most of scipy: more seconds at the start of every
command than the features of a short clip take.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz
HOP_LENGTH = 320  # samples; 20 ms, the frame shift of Whisper's encoder
FRAME_LENGTH = 1024  # samples; holds four periods of the lowest pitch
PITCH_RANGE = (65.0, 500.0)  # Hz; speech of adults, raised voices included
PERIODS = (math.floor(SAMPLE_RATE / PITCH_RANGE[1]), math.ceil(SAMPLE_RATE / PITCH_RANGE[0]))
"""Samples; the shortest and the longest period of a pitch in that range."""
TROUGH = 0.1  # a difference below it is taken for a period (section II.D of the paper on YIN)
SILENCE_DB = -65.0  # dB relative to full scale; below it there is nothing to hear
ROLLOFF = 0.85  # of the magnitude of a frame lies below the roll-off frequency

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

Columns = NDArray[np.float32]
"""(frames,) float32, one value each 20 ms."""


def loudness_db(waveform: NDArray[np.float32]) -> Columns:
    """Root mean square level of each frame in dB relative to full scale, (frames,) float32."""
    level = np.sqrt(np.mean(np.square(_frames(waveform)), axis=1, dtype=np.float32))
    decibels: Columns = 20 * np.log10(np.maximum(level, 1e-6)).astype(np.float32)
    return decibels


def _frames(waveform: NDArray[np.float32], beyond: str = "constant") -> NDArray[np.float32]:
    """(frames, FRAME_LENGTH), each frame centred on a multiple of the hop length.

    Beyond its ends the waveform is silent ("constant"), or its last sample goes on ("edge").
    """
    padded = np.pad(waveform, FRAME_LENGTH // 2, mode=beyond)  # type: ignore[call-overload]
    return np.lib.stride_tricks.sliding_window_view(padded, FRAME_LENGTH)[::HOP_LENGTH]


def _autocorrelation(frames: NDArray[np.float32]) -> NDArray[np.float32]:
    """(frames, FRAME_LENGTH) float32, by lag in samples; a frame is silent beyond its ends."""
    spectrum = np.fft.rfft(frames, 2 * FRAME_LENGTH, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    return np.asarray(np.fft.irfft(power, axis=1)[:, :FRAME_LENGTH], np.float32)


def _pitch(frames: NDArray[np.float32], correlation: NDArray[np.float32]) -> Columns:
    """The fundamental frequency of each frame in Hz, (frames,) float32.

    YIN (de Cheveigné and Kawahara 2002, "YIN, a fundamental frequency estimator for speech and
    music"), with the equations of that paper.
    """
    shortest, longest = PERIODS
    energy = np.cumsum(np.square(frames), axis=1)[:, :longest]
    # Equation 7, for lags from 1 on; the window shrinks with the lag.
    difference = 2 * (correlation[:, :1] - correlation[:, 1 : longest + 1]) - energy
    lags = np.arange(1, longest + 1)
    mean = np.cumsum(difference, axis=1) / lags
    tiny = np.finfo(np.float32).tiny
    # Equation 8, for the lags that are periods of a voice; one is divided by the mean up to it.
    normal = difference[:, shortest - 1 :] / (mean[:, shortest - 1 :] + tiny)
    trough = np.zeros(normal.shape, np.bool_)
    trough[:, 0] = normal[:, 0] < normal[:, 1]
    middle = normal[:, 1:-1]
    trough[:, 1:-1] = (middle < normal[:, :-2]) & (middle <= normal[:, 2:])
    deep = trough & (normal < TROUGH)
    # Step 4: the first deep trough, and where there is none the deepest point.
    best = np.where(deep.any(axis=1), deep.argmax(axis=1), normal.argmin(axis=1))
    # Step 5: the lowest point of a parabola through the trough and its neighbours.
    rows, inside = np.arange(len(normal)), np.clip(best, 1, normal.shape[1] - 2)
    before, here, after = (normal[rows, inside + shift] for shift in (-1, 0, 1))
    curvature, slope = after + before - 2 * here, (after - before) / 2
    refined = (np.abs(slope) < np.abs(curvature)) & (best == inside)
    shift = np.where(refined, -slope / np.where(refined, curvature, 1), 0)
    return np.asarray(SAMPLE_RATE / (shortest + best + shift), np.float32)


def _voicing(correlation: NDArray[np.float32], pitch: Columns) -> Columns:
    """Autocorrelation at the pitch period over the energy, 0 (noise) to 1 (periodic)."""
    period = np.clip(np.rint(SAMPLE_RATE / pitch).astype(int), 1, FRAME_LENGTH - 1)
    # The two windows that are compared overlap in fewer samples as the period grows.
    shared = 1 - period / FRAME_LENGTH
    peak = correlation[np.arange(len(correlation)), period] / shared
    ratio = peak / np.maximum(correlation[:, 0], 1e-9)
    return np.asarray(np.clip(ratio, 0, 1), np.float32)


def _zero_crossings(waveform: NDArray[np.float32]) -> Columns:
    """The share of a frame's samples whose sign is another than that of the one before."""
    frames = _frames(waveform, "edge")
    negative = np.signbit(np.where(np.abs(frames) <= 1e-10, 0, frames))
    crossings = (negative[:, 1:] != negative[:, :-1]).sum(axis=1)
    return np.asarray(crossings / FRAME_LENGTH, np.float32)


def _spectral_shape(frames: NDArray[np.float32]) -> tuple[Columns, ...]:
    """Centroid, bandwidth and roll-off in Hz, flatness (0 tone to 1 noise) and flux (0 to 2).

    Of the magnitudes of a Fourier transform with a Hann window. Flux is how much the shape has
    changed since the frame before.
    """
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME_LENGTH) / FRAME_LENGTH)
    spectrum = np.abs(np.fft.rfft(frames * window, axis=1).astype(np.complex64))
    frequency = np.fft.rfftfreq(FRAME_LENGTH, 1 / SAMPLE_RATE)
    total = spectrum.sum(axis=1, keepdims=True, dtype=np.float64)
    share = spectrum / np.where(total < np.finfo(np.float32).tiny, 1, total)
    centroid = share @ frequency
    bandwidth = np.sqrt((share * np.square(frequency - centroid[:, None])).sum(axis=1))
    below = np.cumsum(spectrum, axis=1)
    rolloff = frequency[(below >= ROLLOFF * below[:, -1:]).argmax(axis=1)]
    power = np.maximum(np.square(spectrum), 1e-10)
    flatness = np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1)
    normed = spectrum / np.maximum(spectrum.sum(axis=1, keepdims=True), 1e-9)
    flux = np.abs(np.diff(normed, axis=0, prepend=normed[:1])).sum(axis=1)
    return centroid, bandwidth, rolloff, flatness, flux


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
    frames = _frames(waveform)
    correlation = _autocorrelation(frames)
    pitch = _pitch(frames, correlation)
    level = loudness_db(waveform)
    voicing = _voicing(correlation, pitch)
    semitones = 12 * np.log2(pitch / PITCH_RANGE[0])
    voiced = voicing > 0.5
    middle = np.median(semitones[voiced]) if voiced.any() else np.median(semitones)
    centroid, bandwidth, rolloff, flatness, flux = _spectral_shape(frames)
    columns = (
        (level - np.percentile(level, 95) + 20) / 15,
        (semitones - 14) / 7,
        (semitones - middle) / 5 * voicing,
        (voicing - 0.6) / 0.3,
        (_zero_crossings(waveform) - 0.15) / 0.15,
        (centroid - 1800) / 1000,
        (bandwidth - 1700) / 500,
        (rolloff - 3500) / 2000,
        (np.log10(flatness) + 2) / 1,
        (flux - 0.5) / 0.3,
    )
    return np.stack(columns, axis=1).astype(np.float32)
