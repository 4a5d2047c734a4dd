"""What three parts of LDDU are worth in the default model: short trainings with and without each.

The loss L_scl (equations 6 and 7 of the paper), dropout in the head, and classifiers of two layers
are where this model differs from the method's own settings (docs/method.md).
"""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import numpy as np

from lddu_pipe.files import write_whole
from train_lddu import train

logger = logging.getLogger("ablate")

CHANGES = {
    "as it ships": (),
    "no L_scl": ("loss.contrastive_weight=0",),
    "head dropout as in the method": ("model.head_dropout=0.1",),
    "classifiers of two layers": ("model.classifier_size=128",),
    "all three as in the method": (
        *("loss.contrastive_weight=0.25", "model.head_dropout=0.1"),
        "model.classifier_size=128",
    ),
}
"""Of the settings in lddu.yaml."""
EPOCHS = 2
"""Of nine: what a part does for how fast the model learns is seen by then."""
SEEDS = (7, 8)


def ablate(data: Path, features: Path, folder: Path, output: Path) -> None:
    """Train each, and write the mean and the range over seeds of its average precision."""
    found = {}
    for name, changes in CHANGES.items():
        of_seeds = []
        for seed in SEEDS:
            place = folder / f"{name.replace(' ', '_')}-{seed}"
            if not (place / "done").exists():
                train(data, features, place, seed, [f"epochs={EPOCHS}", *changes])
            of_seeds.append(json.loads((place / "figures.json").read_text()))
        found[name] = {
            modality: {
                "mean": float(np.mean([item[modality] for item in of_seeds])),
                "range": float(np.ptp([item[modality] for item in of_seeds])),
            }
            for modality in of_seeds[0]
        }
        logger.info("%s: %s", name, found[name])
    write_whole(output, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="the folder of both stores")
    parser.add_argument("--folder", type=Path, required=True, help="of the trainings")
    parser.add_argument("--output", type=Path, required=True, help="the figures, JSON")
    arguments = parser.parse_args()
    ablate(arguments.data, arguments.features, arguments.folder, arguments.output)
