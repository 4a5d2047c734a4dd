"""Inputs spoilt on purpose: training, and the report, need to know that the model notices.

The same kinds serve both, on rows that training has not seen.
"""

from __future__ import annotations

import cv2
import numpy as np
from faker import Faker
from numpy.typing import NDArray

from voices import coloured_noise, mix_noise

FOREIGN = (
    *("ar_AA", "cs_CZ", "da_DK", "de_DE", "el_GR", "es_ES", "fa_IR", "fr_FR", "he_IL", "it_IT"),
    *("ja_JP", "nl_NL", "pl_PL", "ru_RU", "th_TH", "uk_UA", "vi_VN", "zh_CN"),
)
"""Locales whose word lists stand for "not English"."""
CONSONANTS, VOWELS = "bcdfghjklmnpqrstvwxz", "aeiouy"


def drop_words(words: list[str], share: float, random: np.random.Generator) -> list[str]:
    """Leave out `share` of the words, at least one, and keep at least one."""
    count = min(len(words) - 1, max(1, round(share * len(words))))
    gone = set(random.choice(len(words), size=count, replace=False).tolist())
    return [word for index, word in enumerate(words) if index not in gone]


def break_text(words: list[str], random: np.random.Generator) -> tuple[list[str], float]:
    """Leave out so many words that it should show.

    Returns:
        About half of the words, and how much damage that is, 0..1.
    """
    gone = random.uniform(0.35, 0.7)
    return drop_words(words, gone, random), min(1.0, 1.5 * gone)


def foreign_sentences(count: int, seed: int) -> list[str]:
    """Words of other languages in no order that means anything."""
    fakers = [Faker(locale) for locale in FOREIGN]
    for number, faker in enumerate(fakers):
        faker.seed_instance(seed + number)
    return [
        fakers[index % len(fakers)].sentence(nb_words=3 + index % 14) for index in range(count)
    ]


def gibberish(random: np.random.Generator) -> str:
    """Letters that make no words: pronounceable ones, keys hit at random, or one key held."""
    kind = random.integers(3)
    words = []
    for _ in range(random.integers(1, 13)):
        length = int(random.integers(2, 9))
        if kind == 0:
            pairs = zip(
                random.choice(list(CONSONANTS), length),
                random.choice(list(VOWELS), length),
                strict=True,
            )
            words.append("".join(letter for pair in pairs for letter in pair)[:length])
        elif kind == 1:
            words.append("".join(random.choice(list(CONSONANTS + VOWELS + ";,."), length)))
        else:
            words.append(str(random.choice(list(CONSONANTS + VOWELS))) * length)
    return " ".join(words)


def add_noise(
    waveform: NDArray[np.float32], ratio_db: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """Add coloured noise at a signal-to-noise ratio in decibels."""
    noisy = mix_noise(waveform, coloured_noise(len(waveform), random), ratio_db)
    return (noisy / (np.abs(noisy).max() + 1e-9) * 0.8).astype(np.float32)


def spoil_face(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Blur a (48, 48) face until little is left, or cover about half of it."""
    if random.random() < 0.5:
        blurred = cv2.GaussianBlur(image, (0, 0), random.uniform(3.0, 6.0))
        return np.asarray(blurred, np.uint8)
    covered = image.copy()
    size = len(image)
    side, depth = random.integers(4), int(size * random.uniform(0.42, 0.6))
    fill = np.uint8(random.integers(0, 256))
    rows = (slice(0, depth), slice(size - depth, size), slice(None), slice(None))[side]
    columns = (slice(None), slice(None), slice(0, depth), slice(size - depth, size))[side]
    covered[rows, columns] = fill
    return covered


def blur_face(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A face that is out of focus, but to be read."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(1.2, 2.2)), np.uint8)


def turn_face(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A face turned aside by 25 to 45 degrees, as if it were painted on an upright cylinder."""
    size = len(image)
    across = (np.arange(size) + 0.5) / size * 2 - 1
    angle = np.radians(random.uniform(25, 45)) * random.choice([-1, 1])
    before = np.clip(np.arcsin(across) - angle, -np.pi / 2, np.pi / 2)
    columns = ((np.sin(before) + 1) / 2 * size - 0.5).astype(np.float32)
    rows = np.arange(size, dtype=np.float32)
    turned = cv2.remap(
        image,
        np.tile(columns, (size, 1)),
        np.tile(rows[:, None], (1, size)),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, np.uint8)


def compress_face(image: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A face out of a video of few bits."""
    quality = int(random.integers(8, 25))
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE), np.uint8)


AS_IN_VIDEO = {"blurred": blur_face, "turned": turn_face, "compressed": compress_face}
"""What becomes of faces in videos, beside that they are small; see small_faces.py."""
