"""Features of raw media with labels, into a store that a model is trained on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.datasets.store import SPLITS, StoreInfo, StoreWriter
from lddu_pipe.datasets.targets import SPLIT_NAMES
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.extractors.companions import copy_companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import M3ED, MOSEI, LabelSet
from lddu_pipe.pipelines.plan import LabelledRows, check_scales, plan_training
from lddu_pipe.pipelines.rows import samples_of_rows
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.training.progress import ignore
from lddu_pipe.types import MODALITIES, Modality

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 64
"""Rows of a shard: at most so many are lost by an interruption."""
WORK_VERSION = 3
"""Of shards that are kept; what another version left is made again."""
SHARES = (0.70, 0.85)
"""Where rows without a split go: below the first to train, below the second to valid."""

Skipped = list[dict[str, str]]
_LeftOut = list[tuple[int, str]]
"""Of rows that have no features, the place among those that were read, and why."""


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

    Interrupted work is taken up where it stopped: the store grows in a hidden folder beside
    `output`, and shards that are finished are not made again. Sequences are kept as
    long as they were measured: what a model takes of them is the model's affair.

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
    errors: dict[int, str] = {}
    done = 0
    with StoreWriter(output, info, resumable=True) as writer:
        for split in SPLITS:
            places = [index for index, name in enumerate(splits) if name == split]
            for begin in range(0, len(places), ROWS_AT_ONCE):
                progress("extract", done / len(rows))
                chosen = places[begin : begin + ROWS_AT_ONCE]
                some = [rows[index] for index in chosen], [targets[index] for index in chosen]
                left_out: _LeftOut = writer.write_shard(
                    split,
                    _key(settings, *some, info),
                    partial(_read, features, settings, *some, info),
                )
                errors |= {chosen[place]: why for place, why in left_out}
                done += len(chosen)
        for index in sorted(errors):
            logger.warning("%s: left out: %s", rows[index].origin, errors[index])
        skipped = [{"id": rows[index].id, "error": errors[index]} for index in sorted(errors)]
        if len(skipped) == len(rows):
            raise UnusableInputError(
                f"none of the {len(rows)} rows can be used: {skipped[0]['error']}"
            )
        writer.note("skipped", skipped)
        copy_companions(
            features.companions.folder, writer.work_folder, features.companions.weights
        )
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


def _read(
    features: FeatureSet,
    settings: PipelineSettings,
    rows: Sequence[ManifestRow],
    targets: Sequence[NDArray[np.float32]],
    info: StoreInfo,
) -> tuple[list[Example], _LeftOut]:
    """Rows with their features, and which have none."""
    found: list[Example] = []
    left_out: _LeftOut = []
    samples = samples_of_rows(features, settings, rows, ignore)
    for place, (row, target, sample) in enumerate(zip(rows, targets, samples, strict=True)):
        if isinstance(sample, str):
            left_out.append((place, sample))
        elif not sample.sequences:
            why = "; ".join(f"{name}: {reason}" for name, reason in sample.missing.items())
            left_out.append((place, why))
        else:
            found.append(_store_row(row, target, sample.sequences, info))
    return found, left_out


def _key(
    settings: PipelineSettings,
    rows: Sequence[ManifestRow],
    targets: Sequence[NDArray[np.float32]],
    info: StoreInfo,
) -> str:
    """Names the work on some rows: another of its files, settings or extractors, another name."""
    facts: list[Any] = [WORK_VERSION, dict(info.fingerprints), settings.describe()]
    facts += [info.labels, info.scales]
    for row, target in zip(rows, targets, strict=True):
        facts.append([target.tolist(), *map(str, asdict(row).values())])
        for path in (row.video, row.audio, row.image, row.transcript):
            if path is not None:
                status = path.stat()
                facts.append([status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _store_row(
    row: ManifestRow,
    target: NDArray[np.float32],
    sequences: Mapping[Modality, Steps],
    info: StoreInfo,
) -> Example:
    # The name of a speaker says enough; a path is nobody's business but ours, so only its digest.
    group = None if row.speaker else _digest(group_of(row)).hex()[:16]
    scales = row.scale_values(info.scales)
    return Example.of(
        *(row.id, target, sequences, row.text or "", row.speaker, group, scales),
        aligned=info.aligned,
        weight=row.weight,
        damage=row.damage,
    )


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
