"""The feature stores of texts, voices and faces: one modality each, the same three extractors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lddu_pipe.datasets.selection import Selection
from lddu_pipe.datasets.store import StoreInfo, open_store
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES, Modality

STORE_OF: Mapping[Modality, str] = {"text": "texts", "audio": "voices", "vision": "faces"}
"""The folder of each modality's."""


def store_info(name: str, features: FeatureSet) -> StoreInfo:
    """What a store holds that these extractors fill."""
    specs = {modality: features.extractor(modality).spec for modality in MODALITIES}
    return StoreInfo(
        *(name, MOSEI.labels, False),
        feature_sizes={modality: spec.size for modality, spec in specs.items()},
        fingerprints={modality: spec.fingerprint for modality, spec in specs.items()},
    )


def open_split(folder: Path, split: str) -> tuple[StoreInfo, dict[Modality, Selection]]:
    """The rows of "train" or of "valid" by modality, and what they have in common.

    Args:
        folder: of the three stores.
        split: which part.
    """
    stores = {modality: open_store(folder / name) for modality, name in STORE_OF.items()}
    rows = {modality: Selection([store.split(split)]) for modality, store in stores.items()}
    fingerprints = {name: store.info.fingerprints[name] for name, store in stores.items()}
    info = replace(stores["text"].info, name="lddu-base-en", fingerprints=fingerprints, notes={})
    return info, rows
