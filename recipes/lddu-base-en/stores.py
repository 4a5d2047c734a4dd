"""What the feature stores of the recipe have in common."""

from __future__ import annotations

from lddu_pipe.datasets.store import StoreInfo
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import MOSEI
from lddu_pipe.types import MODALITIES


def store_info(name: str, features: FeatureSet) -> StoreInfo:
    """What a store holds that these extractors fill; its rows have one of the modalities."""
    specs = {modality: features.extractor(modality).spec for modality in MODALITIES}
    return StoreInfo(
        *(name, MOSEI.labels, False),
        feature_sizes={modality: spec.size for modality, spec in specs.items()},
        fingerprints={modality: spec.fingerprint for modality, spec in specs.items()},
    )
