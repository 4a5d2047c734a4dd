"""Finished pieces of long work on disk, so that an interruption costs little."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save

from lddu_pipe.datasets.store import Steps
from lddu_pipe.files import write_whole
from lddu_pipe.types import MODALITIES, Modality


def save_part(path: Path, rows: Sequence[Mapping[Modality, Steps] | str]) -> None:
    """Write the features of some rows, or the reason why a row has none, whole or not at all."""
    tensors: dict[str, NDArray[np.float32] | NDArray[np.bool_]] = {}
    reasons: dict[str, str] = {}
    for index, row in enumerate(rows):
        if isinstance(row, str):
            reasons[str(index)] = row
            continue
        for name, steps in row.items():
            tensors[f"{index}.{name}.values"] = np.ascontiguousarray(steps.values)
            tensors[f"{index}.{name}.valid"] = np.ascontiguousarray(steps.valid)
    write_whole(path, save(tensors, {"reasons": json.dumps(reasons)}))


def load_part(path: Path, count: int) -> Iterator[dict[Modality, Steps] | str]:
    """Read what `save_part` wrote of `count` rows, one after the other."""
    with safe_open(path, framework="np") as file:
        reasons = json.loads(file.metadata()["reasons"])
        names = set(file.keys())
        for index in map(str, range(count)):
            yield (
                reasons[index]
                if index in reasons
                else {
                    name: Steps(
                        file.get_tensor(f"{index}.{name}.values"),
                        file.get_tensor(f"{index}.{name}.valid"),
                    )
                    for name in MODALITIES
                    if f"{index}.{name}.values" in names
                }
            )
