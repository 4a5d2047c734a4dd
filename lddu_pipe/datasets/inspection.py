"""What a store holds, in figures."""

from __future__ import annotations

from typing import Any

import numpy as np

from lddu_pipe.datasets.store import FeatureStore
from lddu_pipe.types import MODALITIES


def inspect_store(store: FeatureStore) -> dict[str, Any]:
    """Sizes, lengths, label prevalence and co-occurrence, ready for JSON.

    Returns:
        ``splits`` holds for each split ``rows``, ``prevalence`` by label (share of rows),
        ``without_label`` (share), ``co_occurrence`` (of the rows with the first label, the share
        that has the second; None where the first never occurs), and for each modality ``absent``
        (share of rows) and ``steps`` (least, median and most of the rows that have it).
    """
    info = store.info
    return {
        "name": info.name,
        "synthetic": info.synthetic,
        "aligned": info.aligned,
        "labels": list(info.labels),
        "feature_sizes": dict(info.feature_sizes),
        "fingerprints": dict(info.fingerprints),
        "splits": {split: _split(store, split) for split in store.splits},
        "notes": dict(info.notes),
    }


def _split(store: FeatureStore, name: str) -> dict[str, Any]:
    split = store.split(name)
    present = (split.labels >= 0.5).astype(np.int64)
    together = present.T @ present
    labels = store.info.labels
    modalities = {}
    for modality in MODALITIES:
        lengths = split.lengths(modality)
        there = lengths[lengths > 0]
        steps = (
            [int(there.min()), float(np.median(there)), int(there.max())] if len(there) else None
        )
        modalities[modality] = {"absent": float((lengths == 0).mean()), "steps": steps}
    return {
        "rows": len(split),
        "prevalence": dict(zip(labels, present.mean(axis=0).tolist(), strict=True)),
        "without_label": float((~present.any(axis=1)).mean()),
        "co_occurrence": {
            first: {
                second: float(together[i, j] / together[i, i]) if together[i, i] else None
                for j, second in enumerate(labels)
            }
            for i, first in enumerate(labels)
        },
        "modalities": modalities,
    }
