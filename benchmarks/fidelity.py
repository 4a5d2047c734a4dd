"""What each difference between the methods `paper` and `default` is worth, one at a time.

Usage: python benchmarks/fidelity.py --data STORE --output FOLDER [--seeds 1,2,3] [--epochs 6]
           [--only VARIANT ...] [KEY=VALUE ...]

Trains `mosei-aligned` by each method, and by `default` with one setting after the other as `paper`
has it, once a seed. A run that is whole is not trained again, so the command may be interrupted,
and several processes may share the variants (--only). KEY=VALUE, such as a smaller model, goes to
all of them. Figures are of the test split under the protocol validation-selected; "valid" is the
best validation micro-F1 of an epoch, by which methods are chosen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from lddu_pipe.pipelines.train import train_seeds
from lddu_pipe.training.settings import read_settings

VARIANTS: dict[str, tuple[str, ...]] = {
    "default": (),
    "paper": ("method=paper",),
    "paper, learning rate 5e-4": ("method=paper", "learning_rate=5e-4"),
    "default, learning rate 2e-4": ("learning_rate=2e-4",),
    "default, head dropout 0.3 and on mu and sigma": ("model.head_dropout=null",),
    "default, contrastive weight 1.0": ("loss.contrastive_weight=1.0",),
    "default, linear classifiers": ("model.classifier_size=null",),
    "default, L_crl ranking": ("loss.calibration=ranking",),
    "default, keys shared with values": ("model.shared_keys=true",),
    "default, ReLU": ("model.head_activation=relu",),
    "default, y_dir hidden d/2": ("model.direct_size=128",),
    "default, encoders from N(0, 0.02)": ("model.initialisation=normal",),
    "default, sigma begins at 1": ("model.initial_deviation=1.0",),
    "as before": (
        *("model.head_dropout=null", "model.classifier_size=null"),
        *("loss.contrastive_weight=1.0", "learning_rate=2e-4"),
    ),
}
SHOWN = ("micro_f1", "macro_f1", "jaccard_accuracy", "gap", "ece")


def figures(folder: Path, seed: int) -> list[float]:
    run = folder / f"seed-{seed}"
    test = json.loads((run / "metrics.json").read_text())["test"]["validation-selected"]
    history = json.loads((run / "history.json").read_text())
    return [max(entry["eval_micro_f1"] for entry in history), *(test[name] for name in SHOWN)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--only", action="append", help="a variant; repeatable")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    seeds = [int(seed) for seed in given.seeds.split(",")]
    print("| variant | valid micro-F1 | " + " | ".join(SHOWN) + " |")
    print("|" + " --- |" * (len(SHOWN) + 2))
    for name, changes in VARIANTS.items():
        if given.only and name not in given.only:
            continue
        folder = given.output / name.replace(" ", "-").replace("/", "-")
        places = (f"data={given.data}", f"output={folder}", f"epochs={given.epochs}")
        more = [*places, *given.settings, *changes]
        train_seeds(read_settings("mosei-aligned", more), seeds, lambda stage, share: None)
        rows = np.array([figures(folder, seed) for seed in seeds])
        spread = rows.std(axis=0, ddof=1) if len(seeds) > 1 else np.zeros(rows.shape[1])
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(rows.mean(axis=0), spread, strict=True)]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
