"""Read RAVDESS speech and make copies of it that sound less like one studio."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
VALID_ACTORS = frozenset(range(17, 21))
EMOTIONS = {
    1: None,
    2: None,
    3: "happy",
    4: "sad",
    5: "anger",
    6: "fear",
    7: "disgust",
    8: "surprise",
}
SENTENCES = {1: "kids are talking by the door", 2: "dogs are sitting by the door"}
"""What is said, by the number in a clip's name."""


class Clip(NamedTuple):
    """One acted sentence."""

    path: Path
    actor: int
    emotion: str | None
    """None for neutral and calm."""


def list_clips(folder: Path) -> list[Clip]:
    """All clips in the order of their names, which tell emotion and actor."""
    clips = []
    for path in sorted(folder.glob("*.flac")):
        parts = [int(part) for part in path.stem.split("-")]
        clips.append(Clip(path, parts[6], EMOTIONS[parts[2]]))
    return clips


def read_waveform(clip: Clip) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz."""
    waveform, sample_rate = soundfile.read(clip.path, dtype="float32")
    if sample_rate != SAMPLE_RATE or waveform.ndim != 1:
        raise ValueError(f"{clip.path} is not 16 kHz mono")
    return np.asarray(waveform, dtype=np.float32)


def coloured_noise(samples: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Noise whose power falls with frequency by a random slope, (samples,)."""
    frequencies = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    noise = np.fft.rfft(random.normal(size=samples))
    noise /= np.maximum(frequencies, 30) ** random.uniform(0, 1)
    return np.asarray(np.fft.irfft(noise, samples), dtype=np.float64)


def mix_noise(
    waveform: NDArray[np.floating], noise: NDArray[np.float64], ratio_db: float
) -> NDArray[np.float64]:
    """Add noise at a signal-to-noise ratio in decibels."""
    ratio = 10 ** (ratio_db / 20)
    return waveform + noise * (np.std(waveform) / (np.std(noise) * ratio + 1e-12))


def distort(waveform: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Trim, change speed, band-limit, reverberate and add noise, each with some probability."""
    result, _ = librosa.effects.trim(waveform, top_db=random.uniform(30, 55))
    if random.random() < 0.6:
        speed = random.uniform(0.88, 1.14)
        result = librosa.resample(result, orig_sr=SAMPLE_RATE * speed, target_sr=SAMPLE_RATE)
    spectrum = np.fft.rfft(result)
    frequencies = np.fft.rfftfreq(len(result), 1 / SAMPLE_RATE)
    if random.random() < 0.5:
        low, high = random.uniform(20, 250), random.uniform(3000, 7900)
        spectrum *= 1 / (1 + (low / np.maximum(frequencies, 1)) ** 4)
        spectrum *= 1 / (1 + (frequencies / high) ** 8)
        tilt = random.uniform(-4, 4)  # dB an octave; microphones and codecs colour the sound
        spectrum *= 10 ** (tilt * np.log2(np.maximum(frequencies, 60) / 500) / 20)
    result = np.fft.irfft(spectrum, len(result))
    if random.random() < 0.4:
        decay = random.uniform(0.1, 0.6)  # seconds to fall by 60 dB
        tail = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
        response = random.normal(size=len(tail)) * 10 ** (-3 * tail / decay)
        response *= random.uniform(0.2, 0.7) / np.linalg.norm(response)
        response[0] = 1.0
        size = len(result) + len(response)
        wet = np.fft.irfft(np.fft.rfft(result, size) * np.fft.rfft(response, size), size)
        result = wet[: len(result)]
    if random.random() < 0.6:
        noise = coloured_noise(len(result), random)
        result = mix_noise(result, noise, random.uniform(5, 35))
    peak = np.abs(result).max() + 1e-9
    return (result / peak * random.uniform(0.1, 0.95)).astype(np.float32)
