"""Features of raw media with labels, into a store that a model is trained on."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.datasets.store import SPLITS, Steps, StoreInfo, StoreRow, StoreWriter
from lddu_pipe.datasets.targets import SPLIT_NAMES
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.extractors.companions import copy_companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import M3ED, MOSEI, LabelSet
from lddu_pipe.pipelines.parts import load_part, save_part
from lddu_pipe.pipelines.plan import LabelledRows, check_scales, plan_training
from lddu_pipe.pipelines.rows import samples_of_rows
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.types import MODALITIES

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 32
"""Rows whose features are written together: at most so many are lost by an interruption."""
PARTS_VERSION = 2
"""Of what waits beside a store; what another version left is made again."""
SHARES = (0.70, 0.85)
"""Where rows without a split go: below the first to train, below the second to valid."""

Skipped = list[dict[str, str]]


def extract_manifest(
    features: FeatureSet,
    settings: PipelineSettings,
    rows: Sequence[ManifestRow],
    output: Path,
    *,
    name: str,
    label_set: LabelSet | None = None,
    progress: Callable[[str, float], None],
) -> Skipped:
    """Run the extractors over the media of labelled rows and write a feature store.

    Interrupted work is taken up where it stopped: finished rows wait beside `output`, in a
    hidden folder that goes away when the store is there. Sequences are kept as long as they were
    measured: what a model takes of them is the model's affair.

    Args:
        features: of any extractors; no model of emotion is asked.
        settings: how media are read, and whether steps are words.
        rows: of a manifest, with labels.
        output: folder of the store; it must not be there or be empty.
        name: of the data set, for people.
        label_set: of the store; `choose_labels` where None.
        progress: called with each stage and the share of it that is done.

    Returns:
        Id and reason of each row that was left out.

    Raises:
        UnusableInputError: labels or splits are wrong, or no row can be used.
        MissingAssetError: an encoder is not on this machine.
        IncompatibleModelError: an encoder cannot be used.
    """
    label_set = label_set or choose_labels(rows)
    targets = [row.target(label_set) for row in rows]
    splits = [split_of(row) for row in rows]
    parts = output.with_name(f".{output.name}.parts")
    extractors = {modality: features.extractor(modality) for modality in MODALITIES}
    info = StoreInfo(
        name=name,
        labels=label_set.labels,
        aligned=settings.aligned,
        feature_sizes={name: item.spec.size for name, item in extractors.items()},
        fingerprints={name: item.spec.fingerprint for name, item in extractors.items()},
        encoders={name: asdict(source) for name, source in features.encoders.items()},
        notes={"extractors": {name: item.describe() for name, item in extractors.items()}},
        scales=scales_of_rows(rows),
    )
    chunks = [rows[begin : begin + ROWS_AT_ONCE] for begin in range(0, len(rows), ROWS_AT_ONCE)]
    skipped: Skipped = []
    with StoreWriter(output, info) as writer:
        parts.mkdir(exist_ok=True)
        paths = []
        for done, chunk in enumerate(chunks):
            progress("extract", done / len(chunks))
            paths.append(_make_part(features, settings, chunk, info, parts))
        found = chain.from_iterable(map(load_part, paths, map(len, chunks)))
        for row, target, split, item in zip(rows, targets, splits, found, strict=True):
            if isinstance(item, str):
                logger.warning("%s: left out: %s", row.origin, item)
                skipped.append({"id": row.id, "error": item})
            else:
                writer.write_rows(split, [_store_row(row, target, item, info)])
        if len(skipped) == len(rows):
            raise UnusableInputError(
                f"none of the {len(rows)} rows can be used: {skipped[0]['error']}"
            )
        writer.note("skipped", skipped)
        companions = features.companions
        copy_companions(companions.folder, writer.work_folder, companions.weights)
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
        names = scales_of_rows(rows)
        values = np.stack([row.scale_values(names) for row in rows])
        check_scales(plan, names, {name: values[at] for name, at in found.items()})
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


def scales_of_rows(rows: Sequence[ManifestRow]) -> tuple[str, ...]:
    """Names of the scales on which any of the rows has a value, sorted."""
    return tuple(sorted({name for row in rows for name in row.scales or ()}))


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


def _make_part(
    features: FeatureSet,
    settings: PipelineSettings,
    rows: Sequence[ManifestRow],
    info: StoreInfo,
    parts: Path,
) -> Path:
    """Where the features of some rows are in the hidden folder; made if they are not there."""
    path = parts / f"{_key(settings, rows, info)}.safetensors"
    if path.is_file():
        return path
    found: list[dict[Any, Steps] | str] = []
    for sample in samples_of_rows(features, settings, rows, lambda stage, share: None):
        if isinstance(sample, str):
            found.append(sample)
        elif not sample.sequences:
            found.append("; ".join(f"{name}: {why}" for name, why in sample.missing.items()))
        else:
            found.append(
                {name: Steps(item.values, item.valid) for name, item in sample.sequences.items()}
            )
    save_part(path, found)
    return path


def _key(settings: PipelineSettings, rows: Sequence[ManifestRow], info: StoreInfo) -> str:
    """Names the work on some rows: other files, other settings or other extractors, other name."""
    facts: list[Any] = [PARTS_VERSION, dict(info.fingerprints), settings.describe()]
    for row in rows:
        facts.append(
            [str(value) for key, value in asdict(row).items() if key not in ("labels", "scales")]
        )
        for path in (row.video, row.audio, row.image, row.transcript):
            if path is not None:
                status = path.stat()
                facts.append([status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _store_row(
    row: ManifestRow, target: NDArray[np.float32], sequences: dict[Any, Steps], info: StoreInfo
) -> StoreRow:
    # The name of a speaker says enough; a path is nobody's business but ours, so only its digest.
    group = None if row.speaker else _digest(group_of(row)).hex()[:16]
    scales = row.scale_values(info.scales)
    return StoreRow(row.id, target, sequences, row.text or "", row.speaker, group, scales)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
