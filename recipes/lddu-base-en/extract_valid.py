"""Extract features of all validation data, as `lddu-pipe extract` does, into one store."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

from corpora import corpus_of
from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.labels import MOSEI
from lddu_pipe.pipelines.extract import extract_manifest
from lddu_pipe.pipelines.settings import PipelineSettings
from manifests import CORPORA

logger = logging.getLogger("extract_valid")


def validation_rows(manifests: Path) -> list[ManifestRow]:
    """All rows; every corpus of a modality weighs the same, with its lines in their dialogues."""
    rows = [row for corpus in CORPORA for row in read_manifest(manifests / f"{corpus}_all.jsonl")]
    counts = Counter(corpus_of(row.id) for row in rows)
    return [replace(row, split="valid", weight=1 / counts[corpus_of(row.id)]) for row in rows]


def extract(manifests: Path, companions: Path, output: Path) -> None:
    """Write the feature store ``output``."""
    extract_manifest(
        FeatureSet(Companions.load(companions), offline=True),
        PipelineSettings(),
        validation_rows(manifests),
        output,
        name="valid",
        label_set=MOSEI,
        progress=lambda stage, share: logger.info("%s %.1f %%", stage, 100 * share),
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifests", type=Path, required=True, help="those of manifests.py")
    parser.add_argument("--companions", type=Path, required=True, help="what was trained first")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    extract(arguments.manifests, arguments.companions, arguments.output)
