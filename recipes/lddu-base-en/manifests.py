"""Write the validation data as manifests, for ``lddu-pipe evaluate --manifest``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2

from corpora import first_half
from extract_text import read_split
from ferplus import load_faces
from lddu_pipe.extractors.expression import EXPRESSIONS
from ravdess import VALID_ACTORS, list_clips

REPORT_ACTORS = frozenset({19, 20})


def write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_both(folder: Path, name: str, rows: list[dict[str, Any]], reported: list[bool]) -> None:
    """Write ``{name}_all.jsonl`` and, of the reporting half, ``{name}_report.jsonl``."""
    write(folder / f"{name}_all.jsonl", rows)
    kept = [row for row, keep in zip(rows, reported, strict=True) if keep]
    write(folder / f"{name}_report.jsonl", kept)


def write_manifests(data: Path, output: Path) -> None:
    """Write the manifests of every validation set; FER+ faces become PNG files beside them."""
    texts = read_split(data / "text", "dev")
    for corpus in ("semeval", "goemotions", "meld"):
        chosen = [text for text in texts if text.corpus == corpus]
        rows = [
            {"id": f"{index}-{text.name}", "text": text.text, "labels": sorted(set(text.labels))}
            for index, text in enumerate(chosen)
        ]
        halves = first_half([text.name for text in chosen])
        write_both(output, corpus, rows, [not half for half in halves])
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
    write_both(output, "ravdess", rows, [clip.actor in REPORT_ACTORS for clip in clips])
    faces = load_faces(data / "vision" / "ferplus_valid.npz")
    pictures = output / "ferplus"
    pictures.mkdir(parents=True, exist_ok=True)
    rows = []
    for image, votes, name in zip(faces.images, faces.votes, faces.names, strict=True):
        cv2.imwrite(str(pictures / name), image)
        label = EXPRESSIONS[votes.argmax()]
        labels = [] if label == "neutral" else [label]
        rows.append({"id": name, "image": f"ferplus/{name}", "face_crop": True, "labels": labels})
    write_both(output, "ferplus", rows, [not half for half in first_half(faces.names)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write_manifests(arguments.data, arguments.output)
