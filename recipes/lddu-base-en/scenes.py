"""Short scenes of which is known, moment by moment, what is heard.

A voice (EmoGator's bursts, RAVDESS's speech) stands in silence, in noise or over quiet music; or
there is no voice, but music, an effect, or a sound that is made here: applause, wind, a machine,
a signal. Music and effects are those of five Debian packages, see `NOISES`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from scipy.ndimage import binary_closing

from lddu_pipe.extractors.heard import HEARD
from lddu_pipe.extractors.prosody import HOP_LENGTH, loudness_db
from voices import SAMPLE_RATE, coloured_noise, distort, list_emogator, list_ravdess, mix_noise

NOISES = (
    "wesnoth-1.16-music (GPL-2+), frozen-bubble-data (GPL-2), sonic-pi-samples (mostly CC0), "
    "hydrogen-drumkits (GPL-2, GPL-2+, CC-BY, CC-BY-SA, CC0), "
    "sound-theme-freedesktop (CC-BY-3.0, CC-BY-SA-3.0, GPL-2+)"
)
"""Where music and effects come from, and their licences: ``apt-get download`` and ``dpkg -x``."""
SUFFIXES = {".flac", ".wav", ".aiff", ".ogg", ".oga"}
VOICES = ("audio-channel", "choir", "burp", "snore", "chatted", "silence")
"""Parts of the names of files in which somebody is heard, or nothing."""
CHOOSING_ACTORS = frozenset({"actor-15", "actor-16"})
EXCERPT = 4.0
"""Seconds of a scene without a voice."""
QUIETER = 30.0
"""dB below its loudest moment, from which on a voice is silent."""
BREATH = 25
"""Frames of 20 ms: a shorter silence is part of what somebody utters."""
AUDIBLE = -55.0
"""dB relative to full scale from which music beside a voice is heard."""

Split = Literal["train", "choose", "report"]
Sound = NDArray[np.float32]


class Scene(NamedTuple):
    """A short sound, and what is heard in it."""

    waveform: Sound
    """(samples,) float32 mono at 16 kHz."""
    heard: NDArray[np.int64]
    """(frames,) places in `HEARD`, one each 20 ms."""
    kind: str
    """speech, burst, music, effect, made or empty."""


@dataclass
class Material:
    """The files of one split; nobody and no piece of music is in two."""

    bursts: list[Path] = field(default_factory=list)
    speech: list[Path] = field(default_factory=list)
    music: list[Path] = field(default_factory=list)
    effects: list[Path] = field(default_factory=list)

    def count(self) -> dict[str, int]:
        """How many files of each kind there are."""
        return {kind: len(paths) for kind, paths in vars(self).items()}


def list_material(data: Path, noises: Path) -> dict[Split, Material]:
    """Share people and pieces out: EmoGator's valid and RAVDESS's last actors are reported on."""
    splits: tuple[Split, ...] = ("report", "train", "choose", "train", "train")
    found = {split: Material() for split in splits}
    for clip in list_emogator(data / "audio" / "emogator.csv"):
        person = int(clip.speaker.removeprefix("person-"))
        choosing = "choose" if person % 8 == 0 else "train"
        split: Split = "report" if clip.split == "valid" else choosing  # type: ignore[assignment]
        found[split].bursts.append(clip.path)
    for clip in list_ravdess(data / "audio" / "ravdess"):
        choosing = "choose" if clip.speaker in CHOOSING_ACTORS else "train"
        split = "report" if clip.split == "valid" else choosing  # type: ignore[assignment]
        found[split].speech.append(clip.path)
    files = [
        path
        for path in sorted(noises.rglob("*"))
        if path.suffix in SUFFIXES and not any(name in path.stem for name in VOICES)
    ]
    groups = sorted({_group(path) for path in files})
    split_of = {group: splits[number % 5] for number, group in enumerate(groups)}
    for path in files:
        split = split_of[_group(path)]
        long = soundfile.info(path).duration > 3 * EXCERPT
        (found[split].music if long else found[split].effects).append(path)
    return found


def _group(path: Path) -> tuple[str, str]:
    """What sounds alike: a drum kit, or files that share the first word of their names."""
    if "drumkits" in path.parts:
        return path.parent.name, ""
    return path.parent.name, path.stem.replace("-", "_").split("_")[0].rstrip("0123456789")


def read_sound(path: Path, random: np.random.Generator | None = None) -> Sound:
    """(samples,) float32 mono at 16 kHz; with `random`, some `EXCERPT` seconds of it at most."""
    with soundfile.SoundFile(path) as file:
        count = -1
        if random is not None and file.frames > EXCERPT * file.samplerate:
            count = round(EXCERPT * file.samplerate)
            file.seek(int(random.integers(file.frames - count)))
        samples = file.read(count, dtype="float32", always_2d=True).mean(axis=1)
        return np.asarray(soxr.resample(samples, file.samplerate, SAMPLE_RATE), np.float32)


def make_scenes(
    material: Material, counts: dict[str, int], random: np.random.Generator
) -> Iterator[Scene]:
    """Scenes of each kind, as many as `counts` says; a clip may be in several."""
    for kind, paths in (("burst", material.bursts), ("speech", material.speech)):
        for path in _drawn(paths, counts[kind], random):
            yield _with_voice(read_sound(path), kind, material, random)
    for path in _drawn(material.music, counts["music"], random):
        yield _without_voice(read_sound(path, random), "music", random)
    for _ in range(counts["effect"]):
        chosen = _drawn(material.effects, int(random.integers(1, 6)), random)
        parts = [[read_sound(path, random), _pause(0.0, 0.7, random)] for path in chosen]
        yield _without_voice(np.concatenate(list(chain(*parts))), "effect", random)
    for number in range(counts["made"]):
        yield _without_voice(MADE[number % len(MADE)](random), "made", random)
    for _ in range(counts["empty"]):
        level = 10 ** random.uniform(-4.5, -1)
        noise = coloured_noise(round(EXCERPT * SAMPLE_RATE), random)
        yield _scene((noise / np.std(noise) * level).clip(-1, 1), "silence", "empty")


def _drawn(paths: Sequence[Path], count: int, random: np.random.Generator) -> list[Path]:
    rounds = [random.permutation(len(paths)) for _ in range(-(-count // len(paths)))]
    return [paths[index] for index in np.concatenate(rounds)[:count]]


def _pause(shortest: float, longest: float, random: np.random.Generator) -> Sound:
    return np.zeros(round(random.uniform(shortest, longest) * SAMPLE_RATE), np.float32)


def _gain(random: np.random.Generator) -> float:
    """Recordings are seldom as loud as they could be."""
    return float(10 ** random.uniform(-1.2, 0))


def _with_voice(voice: Sound, kind: str, material: Material, random: np.random.Generator) -> Scene:
    if random.random() < 0.7:
        voice = distort(voice, random)
    voice = np.concatenate([_pause(0, 0.6, random), voice, _pause(0, 0.6, random)])
    level = loudness_db(voice)[: -(-len(voice) // HOP_LENGTH)]
    sounds = binary_closing(np.pad(level > level.max() - QUIETER, BREATH), np.ones(BREATH))
    sounds = sounds[BREATH:-BREATH]
    heard = np.full(len(level), HEARD.index("silence"))
    chosen = random.random()
    mixture = voice.astype(np.float64)
    if chosen < 0.4:
        mixture = mix_noise(voice, coloured_noise(len(voice), random), random.uniform(10, 40))
    elif chosen < 0.75:
        music = read_sound(_drawn(material.music, 1, random)[0], random)
        music = np.resize(music, len(voice)).astype(np.float64)
        mixture = mix_noise(voice, music, random.uniform(5, 25))
        beside = loudness_db((mixture - voice).astype(np.float32))[: len(level)]
        heard[beside > AUDIBLE] = HEARD.index("other")
    heard[sounds] = HEARD.index(kind)
    mixture *= _gain(random) / max(1.0, float(np.abs(mixture).max()))
    return Scene(mixture.astype(np.float32), heard, kind)


def _without_voice(sound: Sound, kind: str, random: np.random.Generator) -> Scene:
    sound = np.resize(sound, round(EXCERPT * SAMPLE_RATE)) + 1e-6
    if random.random() < 0.5:
        sound = distort(sound, random)
    return _scene(sound / (np.abs(sound).max() + 1e-9) * _gain(random), "other", kind)


def _scene(sound: NDArray[np.floating], heard: str, kind: str) -> Scene:
    waveform = sound.astype(np.float32)
    level = loudness_db(waveform)[: -(-len(waveform) // HOP_LENGTH)]
    silent = level < level.max() - 2 * QUIETER
    codes = np.where(silent, HEARD.index("silence"), HEARD.index(heard))
    return Scene(waveform, codes, kind)


def _times() -> NDArray[np.float64]:
    return np.arange(round(EXCERPT * SAMPLE_RATE)) / SAMPLE_RATE


def _swell(random: np.random.Generator, rate: float) -> NDArray[np.float64]:
    """A level that wanders between 0.1 and 1, `rate` times a second."""
    points = random.uniform(0.1, 1, max(2, round(EXCERPT * rate) + 1))
    return np.interp(_times(), np.linspace(0, EXCERPT, len(points)), points)


def applause(random: np.random.Generator) -> Sound:
    """Many hands clap, each clap a burst of noise of some milliseconds."""
    times = _times()
    sound = np.zeros(len(times))
    size = round(0.04 * SAMPLE_RATE)
    for start in random.integers(0, len(times) - size, round(10 ** random.uniform(1.2, 3.0))):
        fall = random.uniform(150, 700)  # a second
        clap = coloured_noise(size, random) * np.exp(-fall * times[:size])
        sound[start : start + size] += clap / np.abs(clap).max() * random.uniform(0.1, 1)
    return np.asarray(sound * _swell(random, 0.5), np.float32)


def wind(random: np.random.Generator) -> Sound:
    """Low noise that comes and goes."""
    spectrum = np.fft.rfft(random.normal(size=len(_times())))
    frequencies = np.fft.rfftfreq(len(_times()), 1 / SAMPLE_RATE)
    centre, width = 10 ** random.uniform(1.9, 3.0), random.uniform(0.3, 1.2)
    spectrum *= np.exp(-0.5 * (np.log(np.maximum(frequencies, 1) / centre) / width) ** 2)
    noise = np.fft.irfft(spectrum, len(_times()))
    return np.asarray(noise * _swell(random, random.uniform(0.5, 4)), np.float32)


def machine(random: np.random.Generator) -> Sound:
    """A motor: harmonics of a steady pitch, and noise."""
    pitch = 10 ** random.uniform(1.3, 2.5) * (1 + random.uniform(-0.2, 0.2) * _swell(random, 0.5))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    tones = sum(random.uniform(0, 1) / n * np.sin(n * phase) for n in range(1, 25))
    noise = coloured_noise(len(phase), random)
    return np.asarray(tones + noise / np.std(noise) * random.uniform(0.05, 1), np.float32)


def signal(random: np.random.Generator) -> Sound:
    """Beeps, a phone or a siren."""
    times = _times()
    low, high = np.sort(10 ** random.uniform(2.4, 3.5, 2))
    turn = random.uniform(0.3, 8)  # Hz
    wave = np.sin(2 * np.pi * turn * times)
    pitch = (low + high) / 2 + (high - low) / 2 * (
        wave if random.random() < 0.5 else np.sign(wave)
    )
    tone = np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)
    if random.random() < 0.4:
        tone = np.sign(tone)
    if random.random() < 0.5:
        tone *= np.sin(2 * np.pi * random.uniform(0.5, 4) * times) > random.uniform(-0.7, 0.7)
    return np.asarray(tone, np.float32)


MADE = (applause, wind, machine, signal)
