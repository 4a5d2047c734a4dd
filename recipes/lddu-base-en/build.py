"""Rebuild the default model from the raw data: ``python build.py --data DIR --work DIR ...``.

Every stage is a script of its own beside this one and runs only if its result is not there yet, so
an interrupted build goes on where it was. What comes out is a checkpoint, with its card, in the
folder ``lddu-base-en`` of --work.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from damage import AS_IN_VIDEO

logger = logging.getLogger("build")
HERE = Path(__file__).parent

KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(8 * 1024**3),
    "MALLOC_TRIM_THRESHOLD_": str(16 * 1024**3),
}
"""For glibc: otherwise the memory of each step of training goes back to the system, and getting it
anew, page by page, takes nearly half of the time of training the expression network."""
STRANGERS = (
    ("meld", "emotionlines", "dailydialog"),
    ("meisd", "xed"),
    ("isear", "crowdenvent", "empatheticdialogues"),
    ("semeval", "goemotions", "brighter"),
)
"""Text corpora that a reader is trained without, to learn how sure a stranger may be. Those of a
kind go together: MELD's lines are EmotionLines' own, and who knows one story knows the next."""
STRANGERS_STEPS = 500
"""Of such a reader; it need not be as good as the one that ships."""


class Stage(NamedTuple):
    """A script, what it is given, and the file that is there when it is done."""

    script: str
    arguments: Sequence[str | Path]
    result: Path


def stages(
    data: Path,
    noises: Path,
    work: Path,
    seed: int,
    overrides: Sequence[str],
    *,
    ablates: bool,
) -> list[Stage]:
    """All of them, in order."""
    companions, manifests, features = work / "companions", work / "manifests", work / "features"
    model, readers, checkpoint = work / "lddu", work / "left_out", work / "lddu-base-en"
    lines, ablations = work / "left_out.json", work / "ablations.json"
    given: list[str | Path] = ["--data", data]
    seeded: list[str | Path] = ["--seed", str(seed)]
    trained: list[str | Path] = ["--companions", companions]
    stored: list[str | Path] = ["--features", features]
    listed: list[str | Path] = ["--manifests", manifests]

    def stage(script: str, result: Path, *arguments: str | Path) -> Stage:
        return Stage(script, [*arguments, *seeded], result)

    def trains(script: str, name: str, *arguments: str | Path) -> Stage:
        done = companions / f"{name}.done"
        return stage(script, done, *given, *arguments, "--output", companions)

    def stores(name: str, *arguments: str | Path) -> Stage:
        store = features / name
        return stage(f"extract_{name}.py", store, *given, *arguments, "--output", store)

    return [
        trains("train_expression.py", "expression"),
        trains("train_adapter.py", "adapter"),
        trains("train_sound.py", "sound", "--noises", noises),
        stage(
            *("manifests.py", manifests / "ferplus_spoilt.jsonl"),
            *(*given, "--output", manifests),
        ),
        stores("texts", *trained),
        stores("voices"),
        stores("faces", *trained),
        Stage(
            "extract_valid.py",
            [*listed, *trained, "--output", features / "valid"],
            features / "valid",
        ),
        *(
            stage(
                *("train_adapter.py", readers / "+".join(corpora) / "adapter.done"),
                *(*given, "--output", readers / "+".join(corpora), "--without", *corpora),
                *("--steps", str(STRANGERS_STEPS)),
            )
            for corpora in STRANGERS
        ),
        stage(
            *("train_lddu.py", model / "done"),
            *(*overrides, *given, *stored, "--output", model),
        ),
        stage(
            *("strangers.py", readers / "+".join(AS_IN_VIDEO) / "valid_logits.npz"),
            *(*given, *stored, *trained, "--model", model, "--output", readers),
        ),
        stage("left_out.py", lines, *given, *listed, "--folder", readers, "--output", lines),
        stage(
            *("calibrate.py", checkpoint / "calibration.json"),
            *(*given, *stored, *trained, "--model", model),
            *("--left-out", lines, "--output", checkpoint),
        ),
        *ablates
        * [
            Stage(
                "ablate.py",
                [*given, *stored, "--folder", work / "ablations", "--output", ablations],
                ablations,
            )
        ],
        Stage(
            "report.py",
            [
                *("--checkpoint", checkpoint, *listed, *given, *stored, "--left-out", lines),
                *("--sound", companions / "sound_evaluation.json"),
                *(("--ablations", ablations) if ablates else ()),
            ],
            checkpoint / "MODEL_CARD.md",
        ),
    ]


def build(planned: Sequence[Stage]) -> None:
    """Run the stages that have not run yet, in order."""
    for script, arguments, result in planned:
        if result.exists():
            logger.info("%s: there already (%s)", script, result)
            continue
        logger.info("%s ...", script)
        command = [sys.executable, HERE / script, *arguments]
        subprocess.run(command, check=True, env={**KEEP_MEMORY, **os.environ})


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of raw data")
    parser.add_argument(
        "--noises", type=Path, required=True, help="music and effects, see train_sound.py"
    )
    parser.add_argument("--work", type=Path, required=True, help="all that is made, the last too")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--ablates", action="store_true", help="say in the card what parts are worth; an hour more"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="for train_lddu.py")
    build(stages(**vars(parser.parse_args())))
