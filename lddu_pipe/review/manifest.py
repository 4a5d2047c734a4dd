"""Corrections as labelled rows, for ``calibrate``, ``evaluate``, ``extract`` and ``train``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import distinct_names, write_whole
from lddu_pipe.review.repository import ReviewItem
from lddu_pipe.review.store import Correction
from lddu_pipe.writers.viewer import MediaKind

MANIFEST_NAME = "corrections.jsonl"
"""Of the manifest in an archive."""
SHORTEST = 0.001
"""Seconds of a row: times are in milliseconds."""
_COLUMNS: dict[MediaKind, str] = {"video": "video", "audio": "audio", "picture": "image"}


@dataclass(frozen=True)
class Said:
    """A correction in force, and what it is of."""

    correction: Correction
    item: ReviewItem | None
    """None where it is gone."""
    kind: MediaKind
    """What was annotated; "none" for text."""
    media: Path | None
    """None where it is gone, or there never was any."""
    text: str
    """Of the utterance, whole where it is known."""
    person: str | None
    """Whose it is: a name, or else an id that no other file has; None where nobody knows."""
    context: tuple[str, ...] = ()
    """What was said before, as the model read it: the oldest line first."""


@dataclass(frozen=True)
class Row:
    """A row of a manifest to be; the columns are those of `lddu_pipe.datasets.manifest`."""

    id: str
    files: Mapping[str, Path]
    """By column: video, audio, image. Empty where there is text alone."""
    values: Mapping[str, Any]
    """Of the other columns, those that are given."""


@dataclass(frozen=True)
class Export:
    """What corrections give, and what they do not."""

    rows: Sequence[Row]
    unsure: int
    """Corrections that say "cannot tell": no rows."""
    text_alone: int
    """Rows that have lost their media, and are their text alone."""
    lost: int
    """Corrections that have lost their media and have no text: no rows."""


def label_rows(said: Sequence[Said]) -> Export:
    """Make rows of corrections; those that say "cannot tell" give none."""
    told = [each for each in said if each.correction.verdict.labels is not None]
    usable = [each for each in told if each.media or each.text.strip()]
    names = distinct_names(
        (name, f"{name}-{each.correction.subject[:8]}")
        for each in usable
        for name in [f"{each.correction.name}/{each.correction.anchor.utterance}"]
    )
    return Export(
        [_row(each, name) for each, name in zip(usable, names, strict=True)],
        unsure=len(said) - len(told),
        text_alone=sum(_is_parted(each) for each in usable),
        lost=len(told) - len(usable),
    )


def write_manifest(export: Export, path: Path, *, split: str | None = None) -> None:
    """Write rows as a manifest, whole or not at all; files are named relative to it.

    Args:
        export: the rows.
        path: ``.jsonl`` or ``.ndjson``.
        split: of all rows, if any.

    Raises:
        UnusableInputError: there are no rows, or the path is no manifest's or cannot be written.
    """
    if path.suffix.lower() not in (".jsonl", ".ndjson"):
        raise UnusableInputError(f"{path}: corrections are written as .jsonl")
    if not export.rows:
        raise UnusableInputError("there are no corrections to write")
    # As the file system has it: of a path that leads over a link, ".." is another folder.
    folder = path.parent.resolve()
    places = {file: os.path.relpath(file.resolve(), folder) for file in _files(export)}
    try:
        write_whole(path, _lines(export, places, split))
    except OSError as error:
        raise UnusableInputError(f"{path} cannot be written: {error.strerror}") from None


def write_archive(export: Export, file: IO[bytes], *, split: str | None = None) -> None:
    """Write rows with their media as a ZIP, uncompressed: media hardly get smaller.

    Each medium goes by its number and the suffix of its file: no name that a client gave decides
    where something lands. One that vanishes meanwhile leaves an archive that is broken off.

    Args:
        export: the rows; may be empty.
        file: open for writing; need not seek.
        split: of all rows, if any.

    Raises:
        OSError: a file cannot be read, or the archive cannot be written.
    """
    places = {
        path: f"media/{number:04d}{path.suffix}" for number, path in enumerate(_files(export))
    }
    with ZipFile(file, "w", ZIP_STORED, strict_timestamps=False) as archive:
        archive.writestr(ZipInfo(MANIFEST_NAME), _lines(export, places, split))
        for path, place in places.items():
            archive.write(path, place)


def _row(said: Said, name: str) -> Row:
    correction, row = said.correction, said.item.row if said.item else None
    anchor, verdict = correction.anchor, correction.verdict
    files: dict[str, Path] = {}
    if said.media is not None:
        files = {_COLUMNS[said.kind]: said.media} if row is None else _files_of(row)
    values: dict[str, Any] = {
        "text": said.text if said.text.strip() else None,
        "context": list(said.context) if said.context and said.text.strip() else None,
        "speaker": anchor.speaker,
        "person": said.person,
        "labels": list(verdict.labels or ()),
    }
    if files and anchor.start is not None and anchor.end is not None:
        start = anchor.start if verdict.start is None else verdict.start
        end = anchor.end if verdict.end is None else verdict.end
        # A cue may have no length, and a row must have one.
        values |= {"start": start, "end": max(end, round(start + SHORTEST, 3))}
    if files and row is not None and row.face_crop:
        values["face_crop"] = True
    return Row(name, files, {key: value for key, value in values.items() if value is not None})


def _files_of(row: ManifestRow) -> dict[str, Path]:
    files = {"video": row.video, "audio": row.audio, "image": row.image}
    return {column: path for column, path in files.items() if path is not None}


def _is_parted(said: Said) -> bool:
    """Whether there were media once."""
    was_text = said.kind == "none" and (said.item or said.correction.media.startswith("item:"))
    return said.media is None and not was_text


def _files(export: Export) -> list[Path]:
    """Every file once, in order."""
    return list(dict.fromkeys(path for row in export.rows for path in row.files.values()))


def _lines(export: Export, places: Mapping[Path, str], split: str | None) -> str:
    return "".join(
        json.dumps(
            {
                "id": row.id,
                **{column: places[path] for column, path in row.files.items()},
                **row.values,
                **({} if split is None else {"split": split}),
            },
            ensure_ascii=False,
            allow_nan=False,
        )
        + "\n"
        for row in export.rows
    )
