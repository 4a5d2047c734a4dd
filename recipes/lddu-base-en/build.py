"""Rebuild the default model from the raw data: ``python build.py --data DIR --work DIR``.

Every stage is a script of its own beside this one and runs only if its result is not there yet.
On two processor cores all of it takes about four and a half hours. The checkpoint 0.6.0 that ships
was made with a loop of the recipe's own. That of the package, which is used now, warms up along a
line and not a cosine, and a seed draws other rows: weights and figures will differ.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

logger = logging.getLogger("build")
HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "lddu_pipe" / "checkpoints" / "lddu-base-en"


def build(data: Path, work: Path, checkpoint: Path, seed: int, overrides: Sequence[str]) -> None:
    """Run the stages that have not run yet, in order."""
    companions, manifests, model = work / "companions", work / "manifests", work / "lddu"
    spoken, faces = work / "features" / "spoken", work / "features" / "faces"
    given, seeded = ["--data", str(data)], ["--seed", str(seed)]
    trained = ["--companions", str(companions)]
    learned = ["--features", str(spoken.parent)]
    stages: list[tuple[str, list[str], Path]] = [
        (
            "train_expression.py",
            [*given, "--output", str(companions), *seeded],
            companions / "expression.done",
        ),
        (
            "train_adapter.py",
            [*given, "--output", str(companions), *seeded],
            companions / "adapter.done",
        ),
        ("manifests.py", [*given, "--output", str(manifests)], manifests / "ferplus_spoilt.jsonl"),
        (
            "extract.py",
            [
                *given,
                *trained,
                *("--manifests", str(manifests)),
                *("--output", str(spoken)),
                *seeded,
            ],
            spoken,
        ),
        (
            "extract_faces.py",
            [*given, *trained, "--store", str(spoken), "--output", str(faces), *seeded],
            faces,
        ),
        (
            "train_lddu.py",
            [*given, *learned, "--output", str(model), *seeded, *overrides],
            model / "done",
        ),
        (
            "calibrate.py",
            [
                *given,
                *learned,
                *("--model", str(model)),
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
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for train_lddu.py")
    arguments = parser.parse_args()
    build(
        arguments.data,
        arguments.work,
        arguments.checkpoint,
        arguments.seed,
        arguments.overrides,
    )
