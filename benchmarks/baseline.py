"""A trained LDDU beside logistic regression on features averaged over time, on the same store.

Usage: python benchmarks/baseline.py --data STORE --model RUN

The regression gets what LDDU got: it is trained on train, and its strength and its threshold are
chosen on valid. Both are then scored on test.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from lddu_pipe.datasets.store import StoreSplit, open_store
from lddu_pipe.metrics import average_precision, classification_scores
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.pipelines.evaluate_store import evaluate_store
from lddu_pipe.training.trainer import best_common_threshold
from lddu_pipe.types import MODALITIES


def averages(split: StoreSplit) -> NDArray[np.float32]:
    """(rows, all features): mean over the valid steps; zeros where a modality is absent."""
    sizes = split.info.feature_sizes
    rows = []
    for row in split:
        parts = []
        for name in MODALITIES:
            steps = row.sequences.get(name)
            mean = np.zeros(sizes[name]) if steps is None else steps.values[steps.valid].mean(0)
            parts.append(mean)
        rows.append(np.concatenate(parts))
    return np.stack(rows).astype(np.float32)


def regression(store_folder: Path) -> dict[str, object]:
    store = open_store(store_folder)
    features = {name: averages(store.split(name)) for name in store.splits}
    truth = {name: store.split(name).labels >= 0.5 for name in store.splits}
    scaler = StandardScaler().fit(features["train"])
    features = {name: scaler.transform(values) for name, values in features.items()}
    best: tuple[float, float, NDArray[np.float64]] | None = None
    for strength in (0.001, 0.01, 0.1, 1.0):
        models = [
            LogisticRegression(C=strength, max_iter=500).fit(features["train"], column)
            for column in truth["train"].T
        ]
        valid, test = (
            np.stack([model.predict_proba(features[name])[:, 1] for model in models], axis=1)
            for name in ("valid", "test")
        )
        threshold, score = best_common_threshold(truth["valid"], valid)
        if best is None or score > best[0]:
            best = (score, threshold, test)
    assert best is not None
    _, threshold, test = best
    precision = average_precision(truth["test"], test)
    return {
        "micro_f1": classification_scores(truth["test"], test >= threshold).micro.f1,
        "average_precision": dict(zip(store.info.labels, precision, strict=True)),
    }


def compare(store_folder: Path, model: Path) -> dict[str, object]:
    found = evaluate_store(load_checkpoint(model), open_store(store_folder), "test").figures
    of_label = {name: row["average_precision"] for name, row in found["per_label"].items()}
    return {
        "logistic regression": regression(store_folder),
        "lddu": {"micro_f1": found["micro_f1"], "average_precision": of_label},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    arguments = parser.parse_args()
    print(json.dumps(compare(arguments.data, arguments.model), indent=1))
