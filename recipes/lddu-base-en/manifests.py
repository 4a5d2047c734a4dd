"""Write the validation data as manifests, for ``lddu-pipe evaluate --manifest``.

Of the reporting halves there are spoilt copies too, on which the model should be less sure. Lines
of dialogues stand in two manifests, alone and with what was said before them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from corpora import WITH_CONTEXT, corpus_of
from damage import add_noise, drop_words, spoil_face
from ferplus import load_faces
from lddu_pipe.extractors.expression import EXPRESSIONS
from lddu_pipe.labels import MOSEI
from texts import TEXT_CORPORA, LabelledText, read_split
from voices import SAMPLE_RATE, VOICE_CORPORA, list_clips, read_waveform

DIALOGUES = ("meld", "emotionlines", "meisd", "dailydialog")
CORPORA = (
    *TEXT_CORPORA,
    *(f"{name}{WITH_CONTEXT}" for name in DIALOGUES),
    *VOICE_CORPORA,
    "ferplus",
)
REPORT_ACTORS = frozenset({"actor-19", "actor-20"})
SPOILT_NOISE = 0.0  # dB, signal to noise
SPOILT_WORDS = 0.5  # share of the words that is left out


def first_half(names: Iterable[str]) -> NDArray[np.bool_]:
    """Which rows calibrate and choose; the others are only reported on. Fixed by name."""
    return np.array([hashlib.sha256(name.encode()).digest()[0] < 128 for name in names], np.bool_)


def calibrating(ids: Sequence[str], speakers: Sequence[str | None]) -> NDArray[np.bool_]:
    """Which validation rows calibrate and choose, by their ids; of voices by who speaks.

    Nobody who is heard is in both halves.
    """
    names = [
        speaker
        if speaker is not None and corpus_of(row) in VOICE_CORPORA
        else row.partition(":")[2]
        for row, speaker in zip(ids, speakers, strict=True)
    ]
    of_ravdess = np.array([corpus_of(row) == "ravdess" for row in ids])
    kept = np.array([speaker not in REPORT_ACTORS for speaker in speakers])
    return np.where(of_ravdess, kept, first_half(names))


def asked_for(texts: Iterable[LabelledText]) -> dict[str, NDArray[np.bool_]]:
    """By corpus, which labels, (labels,), anybody could give; a corpus that is not there: all."""
    return {
        text.corpus: np.array([label not in text.unknown for label in MOSEI]) for text in texts
    }


def known_labels(
    ids: Iterable[str], labels: NDArray[np.floating], asked: dict[str, NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Labels of rows, (rows, labels) in 0..1, NaN where nobody was asked."""
    everything = np.ones(len(MOSEI), np.bool_)
    known = np.stack([asked.get(corpus_of(row), everything) for row in ids])
    return np.where(known, labels, np.nan)


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_halves(
    folder: Path, name: str, rows: list[dict[str, Any]], reported: list[bool]
) -> None:
    """Write ``{name}_all.jsonl`` and its halves, ``_report`` and ``_calibrate``."""
    write(folder / f"{name}_all.jsonl", rows)
    for half, wanted in (("report", True), ("calibrate", False)):
        kept = [row for row, keep in zip(rows, reported, strict=True) if keep == wanted]
        write(folder / f"{name}_{half}.jsonl", kept)


def write_texts(texts: Sequence[LabelledText], output: Path, random: np.random.Generator) -> None:
    """Write the manifests of texts, alone and in their dialogues."""
    for corpus in TEXT_CORPORA:
        chosen = [text for text in texts if text.corpus == corpus]
        reported = ~calibrating([text.key for text in chosen], [None] * len(chosen))
        rows = [
            {"id": text.key, "text": text.text, "labels": dict(text.labels)} for text in chosen
        ]
        write_halves(output, corpus, rows, reported.tolist())
        spoilt = [
            row | {"text": " ".join(drop_words(row["text"].split(), SPOILT_WORDS, random))}
            for row, wanted in zip(rows, reported, strict=True)
            if wanted and len(row["text"].split()) > 1
        ]
        write(output / f"{corpus}_spoilt.jsonl", spoilt)
        if corpus in DIALOGUES:
            name = f"{corpus}{WITH_CONTEXT}"
            rows = [
                row | {"id": f"{name}:{text.name}", "context": list(text.context)}
                for row, text in zip(rows, chosen, strict=True)
            ]
            write_halves(output, name, rows, reported.tolist())


def write_voices(data: Path, output: Path, random: np.random.Generator) -> None:
    """Write the manifests of sentences and bursts; spoilt ones become files beside them."""
    clips = [clip for clip in list_clips(data / "audio") if clip.split == "valid"]
    for corpus in VOICE_CORPORA:
        chosen = [clip for clip in clips if clip.corpus == corpus]
        reported = ~calibrating([clip.key for clip in chosen], [clip.speaker for clip in chosen])
        rows = [
            {
                "id": clip.key,
                "audio": str(clip.path.resolve()),
                "labels": [clip.emotion] if clip.emotion else [],
                "speaker": clip.speaker,
            }
            for clip in chosen
        ]
        write_halves(output, corpus, rows, reported.tolist())
        (output / corpus).mkdir(parents=True, exist_ok=True)
        spoilt = []
        for row, clip, wanted in zip(rows, chosen, reported, strict=True):
            if wanted:
                noisy = f"{corpus}/{clip.path.stem}.flac"
                waveform = add_noise(read_waveform(clip), SPOILT_NOISE, random)
                soundfile.write(output / noisy, waveform, SAMPLE_RATE)
                spoilt.append(row | {"audio": noisy})
        write(output / f"{corpus}_spoilt.jsonl", spoilt)


def write_faces(data: Path, output: Path, random: np.random.Generator) -> None:
    """Write the manifests of FER+ faces, which become PNG files beside them."""
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    for folder in ("ferplus", "ferplus_spoilt"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    reported = ~first_half(faces.names)
    rows, spoilt = [], []
    for image, votes, name, wanted in zip(
        faces.images, faces.votes, faces.names, reported, strict=True
    ):
        cv2.imwrite(str(output / "ferplus" / name), image)
        label = EXPRESSIONS[votes.argmax()]
        labels = [] if label == "neutral" else [label]
        picture = {"image": f"ferplus/{name}", "face_crop": True}
        rows.append({"id": f"ferplus:{name}", **picture, "labels": labels})
        if wanted:
            cv2.imwrite(str(output / "ferplus_spoilt" / name), spoil_face(image, random))
            spoilt.append(rows[-1] | {"image": f"ferplus_spoilt/{name}"})
    write_halves(output, "ferplus", rows, reported.tolist())
    write(output / "ferplus_spoilt.jsonl", spoilt)


def write_manifests(data: Path, output: Path, seed: int) -> None:
    """Write the manifests of every validation set."""
    random = np.random.default_rng(seed)
    write_texts(read_split(data / "text", "valid"), output, random)
    write_voices(data, output, random)
    write_faces(data, output, random)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    write_manifests(arguments.data, arguments.output, arguments.seed)
