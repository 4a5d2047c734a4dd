"""Features of raw media with labels, into a store that a model is trained on."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.datasets.store import SPLITS, Steps, StoreInfo, StoreRow, StoreWriter
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.labels import M3ED, MOSEI, LabelSet
from lddu_pipe.pipelines.annotate import EmotionPipeline
from lddu_pipe.pipelines.checkpoint import copy_companions
from lddu_pipe.pipelines.parts import load_part, save_part
from lddu_pipe.pipelines.plan import LabelledRows, plan_training
from lddu_pipe.pipelines.rows import samples_of_rows
from lddu_pipe.types import MODALITIES

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 32
"""Rows whose features are written together: at most so many are lost by an interruption."""
SPLIT_NAMES = {"dev": "valid", "val": "valid", "validation": "valid"} | {s: s for s in SPLITS}
SHARES = (0.70, 0.85)
"""Where rows without a split go: below the first to train, below the second to valid."""

Skipped = list[dict[str, str]]


def extract_manifest(
    pipeline: EmotionPipeline,
    rows: Sequence[ManifestRow],
    output: Path,
    *,
    name: str,
    label_set: LabelSet | None = None,
    tell: Callable[[str, float], None],
) -> Skipped:
    """Run the extractors over the media of labelled rows and write a feature store.

    Interrupted work is taken up where it stopped: finished rows wait beside `output`, in a
    hidden folder that goes away when the store is there.

    Args:
        pipeline: brings the extractors; its settings say whether steps are words.
        rows: of a manifest, with labels.
        output: folder of the store; it must not be there or be empty.
        name: of the data set, for people.
        label_set: of the store; `choose_labels` where None.
        tell: told of stages and the share that is done.

    Returns:
        Id and reason of each row that was left out.

    Raises:
        UnusableInputError: labels or splits are wrong, or no row can be used.
    """
    label_set = label_set or choose_labels(rows)
    targets = [row.target(label_set) for row in rows]
    splits = [split_of(row) for row in rows]
    parts = output.with_name(f".{output.name}.parts")
    text, audio, vision = (getattr(pipeline.extractors, modality) for modality in MODALITIES)
    info = StoreInfo(
        name=name,
        labels=label_set.labels,
        aligned=pipeline.settings.aligned,
        feature_sizes={item.name: item.feature_dim for item in (text, audio, vision)},
        fingerprints={item.name: item.fingerprint for item in (text, audio, vision)},
    )
    skipped: Skipped = []
    found: dict[str, list[StoreRow]] = {}
    with StoreWriter(output, info) as writer:
        parts.mkdir(exist_ok=True)
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            tell("extract", begin / len(rows))
            chunk = rows[begin : begin + ROWS_AT_ONCE]
            for index, item in enumerate(_part(pipeline, chunk, info, parts), start=begin):
                if isinstance(item, str):
                    logger.warning("%s: left out: %s", rows[index].origin, item)
                    skipped.append({"id": rows[index].id, "error": item})
                else:
                    row = _store_row(rows[index], targets[index], item)
                    found.setdefault(splits[index], []).append(row)
        if not found:
            raise UnusableInputError(
                f"none of the {len(rows)} rows can be used: {skipped[0]['error']}"
            )
        for split in (split for split in SPLITS if split in found):
            writer.write_split(split, found[split])
        writer.note("skipped", skipped)
        copy_companions(pipeline.checkpoint.folder, writer.work_folder)
    shutil.rmtree(parts, ignore_errors=True)
    return skipped


def look_ahead(rows: Sequence[ManifestRow], label_set: LabelSet | None = None) -> list[str]:
    """What to know before features are extracted to train on: a warning, or none.

    Args:
        rows: of a manifest.
        label_set: of the store; `choose_labels` where None.

    Raises:
        UnusableInputError: labels or splits are wrong.
    """
    label_set = label_set or choose_labels(rows)
    targets = np.stack([row.target(label_set) for row in rows])
    splits = np.array([split_of(row) for row in rows])
    groups = np.array([group_of(row) for row in rows])
    found = {name: splits == name for name in SPLITS if name in splits}
    try:
        plan = plan_training(
            label_set.labels,
            {name: LabelledRows(targets[at], groups[at].tolist()) for name, at in found.items()},
            seed=0,
        )
    except UnusableInputError as error:
        return [f"'train' will refuse these rows: {error}"]
    if plan.folds is None:
        return []
    aside = sum(
        row.split is None for row, split in zip(rows, splits, strict=True) if split == "test"
    )
    note = f'; {aside} more are set aside as test, say "split": "train" to learn from all'
    return [f"'train' will cross-fit these rows: {plan.describe()}{note if aside else ''}"]


def choose_labels(rows: Sequence[ManifestRow]) -> LabelSet:
    """The known label set that holds every label of the rows, or just those labels, sorted.

    Raises:
        UnusableInputError: a row has no labels, or all of them are empty.
    """
    names = {label for row in rows for label in row.labels or ()}
    if not names:
        raise UnusableInputError("no row of the manifest has a label")
    for known in (MOSEI, M3ED):
        if names <= set(known.labels):
            return known
    return LabelSet("own", tuple(sorted(names)))


def split_of(row: ManifestRow) -> str:
    """The split a row names; else one by its speaker, or its media, so that none is in two.

    Raises:
        UnusableInputError: the row names a split that is none.
    """
    if row.split is not None:
        split = SPLIT_NAMES.get(row.split.strip().lower())
        if split is None:
            raise UnusableInputError(
                f"{row.origin}: split {row.split!r} is none of {', '.join(SPLITS)}"
            )
        return split
    place = int.from_bytes(_digest(group_of(row))[:4]) / 2**32
    return SPLITS[int(np.searchsorted(SHARES, place, side="right"))]


def group_of(row: ManifestRow) -> str:
    """What a row shares with rows that are alike: its speaker, else its media, else nothing."""
    media = row.video or row.audio or row.image or row.transcript
    return row.speaker or (str(media) if media else row.id)


def _part(
    pipeline: EmotionPipeline, rows: Sequence[ManifestRow], info: StoreInfo, parts: Path
) -> list[dict[Any, Steps] | str]:
    """Features of some rows, or why a row has none; from the hidden folder if they are there."""
    path = parts / f"{_key(pipeline, rows, info)}.safetensors"
    if path.is_file():
        return load_part(path, len(rows))
    found: list[dict[Any, Steps] | str] = []
    for sample in samples_of_rows(pipeline, rows, lambda stage, share: None):
        if isinstance(sample, str):
            found.append(sample)
        elif not sample.sequences:
            found.append("; ".join(f"{name}: {why}" for name, why in sample.missing.items()))
        else:
            found.append(
                {name: Steps(item.values, item.valid) for name, item in sample.sequences.items()}
            )
    save_part(path, found)
    return found


def _key(pipeline: EmotionPipeline, rows: Sequence[ManifestRow], info: StoreInfo) -> str:
    """Names the work on some rows: other files, other settings or other extractors, other name."""
    facts: list[Any] = [dict(info.fingerprints), asdict(pipeline.settings)]
    for row in rows:
        facts.append([str(value) for key, value in asdict(row).items() if key != "labels"])
        for path in (row.video, row.audio, row.image, row.transcript):
            if path is not None:
                status = path.stat()
                facts.append([status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _store_row(
    row: ManifestRow, target: NDArray[np.float32], sequences: dict[Any, Steps]
) -> StoreRow:
    # The name of a speaker says enough; a path is nobody's business but ours, so only its digest.
    group = None if row.speaker else _digest(group_of(row)).hex()[:16]
    return StoreRow(row.id, target, sequences, row.text or "", row.speaker, group)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
