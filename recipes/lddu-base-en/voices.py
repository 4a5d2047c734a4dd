"""RAVDESS's sentences and EmoGator's bursts, and copies as other rooms and phones make them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
import pandas as pd
import soundfile
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
VOICE_CORPORA = ("ravdess", "emogator")
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

WORD_SHARE = 0.2
"""Of the copies, how many are cut to about a word: people are often heard no longer."""
CODECS = (
    *(("OGG", "OPUS", 16_000), ("OGG", "VORBIS", 16_000), ("MP3", "MPEG_LAYER_III", 16_000)),
    *(("WAV", "GSM610", 8_000), ("WAV", "ULAW", 8_000)),
)
"""Container, coding and sample rate of what a copy may have gone through; the last two are
phones."""


class Clip(NamedTuple):
    """One voice, one emotion."""

    path: Path
    corpus: str
    speaker: str
    emotion: str | None
    """None for neutral and calm, and for interest."""
    split: str

    @property
    def key(self) -> str:
        """What it is found by among the clips of all corpora."""
        return f"{self.corpus}:{self.path.stem}"


def list_ravdess(folder: Path) -> Iterator[Clip]:
    """RAVDESS (Livingstone and Russo 2018); the name of a file tells emotion and actor."""
    for path in sorted(folder.glob("*.flac")):
        parts = [int(part) for part in path.stem.split("-")]
        split = "valid" if parts[6] in VALID_ACTORS else "train"
        yield Clip(path, "ravdess", f"actor-{parts[6]:02d}", EMOTIONS[parts[2]], split)


def list_emogator(table: Path) -> Iterator[Clip]:
    """EmoGator (Buhl 2023): bursts of people at home; who makes them was told what to show."""
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    for row in rows.itertuples(index=False):
        path = table.with_suffix("") / str(row.file)
        yield Clip(path, "emogator", f"person-{row.speaker}", row.labels or None, str(row.split))


def list_clips(folder: Path) -> list[Clip]:
    """All clips of the folder ``audio``."""
    return [*list_ravdess(folder / "ravdess"), *list_emogator(folder / "emogator.csv")]


def read_waveform(clip: Clip) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz."""
    waveform, rate = soundfile.read(clip.path, dtype="float32")
    if waveform.ndim != 1:
        raise ValueError(f"{clip.path} is not mono")
    if rate != SAMPLE_RATE:
        waveform = librosa.resample(waveform, orig_sr=rate, target_sr=SAMPLE_RATE)
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
    """Another room, microphone, pace or phone; each change is made with some probability."""
    result, _ = librosa.effects.trim(waveform, top_db=random.uniform(30, 55))
    if random.random() < WORD_SHARE:
        result = _cut_to_word(result, random)
    if random.random() < 0.6:
        speed = random.uniform(
            0.85, 1.18
        )  # pitch and pace together, as from one person to another
        result = librosa.resample(
            *(result,), orig_sr=SAMPLE_RATE * speed, target_sr=SAMPLE_RATE, res_type="soxr_lq"
        )
    result = _colour(result, random) if random.random() < 0.5 else result
    result = _reverberate(result, random) if random.random() < 0.4 else result
    if random.random() < 0.6:
        noise = coloured_noise(len(result), random)
        result = mix_noise(result, noise, random.uniform(5, 35))
    result = np.asarray(result / (np.abs(result).max() + 1e-9), np.float32)
    result = result * np.float32(random.uniform(0.1, 0.95))
    return _code(result, random) if random.random() < 0.3 else result


def _cut_to_word(
    waveform: NDArray[np.float32], random: np.random.Generator
) -> NDArray[np.float32]:
    """A piece of about a word's length, loud enough to be one."""
    length = int(random.uniform(0.45, 1.2) * SAMPLE_RATE)
    if len(waveform) <= length:
        return waveform
    loud = float(np.std(waveform))
    for _ in range(4):
        begin = int(random.integers(len(waveform) - length))
        piece = waveform[begin : begin + length]
        if np.std(piece) >= 0.7 * loud:
            return piece
    return waveform


def _colour(waveform: NDArray[np.floating], random: np.random.Generator) -> NDArray[np.floating]:
    """Limit the band and tilt the spectrum, as microphones, rooms and phones do."""
    spectrum = np.fft.rfft(waveform)
    frequencies = np.fft.rfftfreq(len(waveform), 1 / SAMPLE_RATE)
    phone = random.random() < 0.3
    low = random.uniform(200, 400) if phone else random.uniform(20, 250)
    high = random.uniform(2800, 3800) if phone else random.uniform(3000, 7900)
    spectrum *= 1 / (1 + (low / np.maximum(frequencies, 1)) ** 4)
    spectrum *= 1 / (1 + (frequencies / high) ** 8)
    tilt = random.uniform(-4, 4)  # dB an octave
    spectrum *= 10 ** (tilt * np.log2(np.maximum(frequencies, 60) / 500) / 20)
    return np.fft.irfft(spectrum, len(waveform))


def _reverberate(
    waveform: NDArray[np.floating], random: np.random.Generator
) -> NDArray[np.floating]:
    decay = random.uniform(0.1, 0.7)  # seconds to fall by 60 dB
    tail = np.arange(int(decay * SAMPLE_RATE)) / SAMPLE_RATE
    response = random.normal(size=len(tail)) * 10 ** (-3 * tail / decay)
    response *= random.uniform(0.2, 0.7) / np.linalg.norm(response)
    response[0] = 1.0
    size = len(waveform) + len(response)
    wet = np.fft.irfft(np.fft.rfft(waveform, size) * np.fft.rfft(response, size), size)
    return wet[: len(waveform)]


def _code(waveform: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Write with a codec that loses something, and read again."""
    container, coding, rate = CODECS[random.integers(len(CODECS))]
    sound = librosa.resample(waveform, orig_sr=SAMPLE_RATE, target_sr=rate, res_type="soxr_lq")
    content = io.BytesIO()
    soundfile.write(content, sound, rate, format=container, subtype=coding)
    content.seek(0)
    decoded, rate = soundfile.read(content, dtype="float32")
    found = librosa.resample(decoded, orig_sr=rate, target_sr=SAMPLE_RATE, res_type="soxr_lq")
    return np.asarray(found[: len(waveform)], np.float32)
