"""Rebuild the default model from the raw data: ``python build.py --data DIR --work DIR``.

Every stage is a script of its own beside this one and runs only if its result is not there yet.
On two processor cores all of it takes about four and a half hours.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from pathlib import Path

from soft_labels import FILE_NAME

logger = logging.getLogger("build")
HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "lddu_pipe" / "checkpoints" / "lddu-base-en"


def build(data: Path, work: Path, checkpoint: Path, seed: int) -> None:
    """Run the stages that have not run yet, in order."""
    features, model = work / "features", work / "lddu"
    expression, adapter = work / "expression", work / "adapter"
    manifests = work / "manifests"
    given = ["--data", str(data)]
    taught = ["--soft-labels", str(adapter / FILE_NAME)]
    seeded = ["--seed", str(seed)]
    stages: list[tuple[str, list[str], Path]] = [
        (
            "train_expression.py",
            [*given, "--output", str(expression), *seeded],
            expression / "done",
        ),
        ("train_adapter.py", [*given, "--output", str(adapter), *seeded], adapter / "done"),
        (
            "extract_audio.py",
            [*given, "--output", str(features), *seeded],
            features / "audio_valid.npz",
        ),
        (
            "extract_text.py",
            [*given, "--adapter", str(adapter), "--output", str(features), *seeded],
            features / "text_train.npz",
        ),
        (
            "extract_landmarks.py",
            [*given, "--output", str(features)],
            features / "landmarks_train.npz",
        ),
        (
            "extract_vision.py",
            [*given, "--features", str(features), "--expression", str(expression), *seeded],
            features / "vision_valid.npz",
        ),
        (
            "train_lddu.py",
            [*given, "--features", str(features), *taught, "--output", str(model), *seeded],
            model / "done",
        ),
        ("manifests.py", [*given, "--output", str(manifests)], manifests / "ferplus_spoilt.jsonl"),
        (
            "calibrate.py",
            [
                *given,
                *("--features", str(features)),
                *("--model", str(model)),
                *("--expression", str(expression)),
                *("--adapter", str(adapter)),
                *("--output", str(checkpoint)),
                *seeded,
            ],
            checkpoint / "calibration.json",
        ),
        (
            "report.py",
            ["--checkpoint", str(checkpoint), "--manifests", str(manifests), *given],
            checkpoint / "MODEL_CARD.md",
        ),
    ]
    for script, arguments, result in stages:
        if result.exists():
            logger.info("%s: there already (%s)", script, result)
            continue
        logger.info("%s ...", script)
        subprocess.run([sys.executable, str(HERE / script), *arguments], check=True)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of raw data")
    parser.add_argument("--work", type=Path, required=True, help="features and models in between")
    parser.add_argument("--checkpoint", type=Path, default=SHIPPED)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    build(arguments.data, arguments.work, arguments.checkpoint, arguments.seed)
