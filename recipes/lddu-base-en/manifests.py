"""Write the validation data as manifests, for ``lddu-pipe evaluate --manifest``.

Of the reporting halves there are spoilt copies too, on which the model should be less sure.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import soundfile
from numpy.typing import NDArray

from damage import add_noise, drop_words, spoil_face
from ferplus import load_faces
from lddu_pipe.extractors.expression import EXPRESSIONS
from ravdess import SAMPLE_RATE, VALID_ACTORS, list_clips, read_waveform
from texts import TEXT_CORPORA, read_split

CORPORA = (*TEXT_CORPORA, "ravdess", "ferplus")
REPORT_ACTORS = frozenset({19, 20})
SPOILT_NOISE = 0.0  # dB, signal to noise
SPOILT_WORDS = 0.5  # share of the words that is left out


def first_half(names: list[str]) -> NDArray[np.bool_]:
    """Which rows calibrate and choose; the others are only reported on. Fixed by name."""
    return np.array([hashlib.sha256(name.encode()).digest()[0] < 128 for name in names])


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


def write_manifests(data: Path, output: Path, seed: int) -> None:
    """Write the manifests of every validation set; FER+ faces become PNG files beside them."""
    random = np.random.default_rng(seed)
    texts = read_split(data / "text", "dev")
    for corpus in TEXT_CORPORA:
        chosen = [text for text in texts if text.corpus == corpus]
        rows = [
            {"id": f"{index}-{text.name}", "text": text.text, "labels": sorted(set(text.labels))}
            for index, text in enumerate(chosen)
        ]
        halves = first_half([text.name for text in chosen])
        write_halves(output, corpus, rows, [not half for half in halves])
        spoilt = [
            row | {"text": " ".join(drop_words(row["text"].split(), SPOILT_WORDS, random))}
            for row, half in zip(rows, halves, strict=True)
            if not half and len(row["text"].split()) > 1
        ]
        write(output / f"{corpus}_spoilt.jsonl", spoilt)
    clips = [clip for clip in list_clips(data / "audio" / "ravdess") if clip.actor in VALID_ACTORS]
    rows = [
        {
            "id": clip.path.stem,
            "audio": str(clip.path.resolve()),
            "labels": [clip.emotion] if clip.emotion else [],
            "speaker": f"actor-{clip.actor:02d}",
        }
        for clip in clips
    ]
    write_halves(output, "ravdess", rows, [clip.actor in REPORT_ACTORS for clip in clips])
    noisy = output / "ravdess"
    noisy.mkdir(parents=True, exist_ok=True)
    spoilt = []
    for row, clip in zip(rows, clips, strict=True):
        if clip.actor in REPORT_ACTORS:
            waveform = add_noise(read_waveform(clip), SPOILT_NOISE, random)
            soundfile.write(noisy / clip.path.name, waveform, SAMPLE_RATE)
            spoilt.append(row | {"audio": f"ravdess/{clip.path.name}"})
    write(output / "ravdess_spoilt.jsonl", spoilt)
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    pictures = output / "ferplus"
    pictures.mkdir(parents=True, exist_ok=True)
    (output / "ferplus_spoilt").mkdir(exist_ok=True)
    halves = first_half(faces.names)
    rows, spoilt = [], []
    for image, votes, name, half in zip(
        faces.images, faces.votes, faces.names, halves, strict=True
    ):
        cv2.imwrite(str(pictures / name), image)
        label = EXPRESSIONS[votes.argmax()]
        labels = [] if label == "neutral" else [label]
        rows.append({"id": name, "image": f"ferplus/{name}", "face_crop": True, "labels": labels})
        if not half:
            cv2.imwrite(str(output / "ferplus_spoilt" / name), spoil_face(image, random))
            spoilt.append(rows[-1] | {"image": f"ferplus_spoilt/{name}"})
    write_halves(output, "ferplus", rows, [not half for half in halves])
    write(output / "ferplus_spoilt.jsonl", spoilt)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    write_manifests(arguments.data, arguments.output, arguments.seed)
