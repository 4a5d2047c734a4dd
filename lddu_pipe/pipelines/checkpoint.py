"""A checkpoint on disk: the LDDU model, its calibration and its expression network."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

import lddu_pipe
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError
from lddu_pipe.extractors.expression import ExpressionNetwork
from lddu_pipe.files import sha256_of_file, share
from lddu_pipe.models.calibration import Calibration
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.lddu import LDDUModel

SHIPPED = Path(lddu_pipe.__file__).parent / "checkpoints"
WEIGHTS_FILE = "model.safetensors"
EXPRESSION_FILE = "expression.safetensors"
EXPRESSION_FILES = (EXPRESSION_FILE, "expression.json")


@dataclass(frozen=True)
class Checkpoint:
    """Everything that was trained, in memory."""

    folder: Path
    model: LDDUModel
    calibration: Calibration
    expression: ExpressionNetwork | None
    """None where the model was trained on other features than those of our extractors."""
    weights: dict[str, str]
    """sha256 by file name."""

    @property
    def config(self) -> LDDUConfig:
        """The model's configuration."""
        config: LDDUConfig = self.model.config
        return config


def find_checkpoint(model: str | Path) -> Path:
    """Return the folder of a checkpoint: a folder as it is, a run's, or one that ships.

    Raises:
        MissingAssetError: there is no such folder or name.
    """
    for folder in (Path(model), Path(model) / "model", SHIPPED / str(model)):
        if (folder / "config.json").is_file():
            return folder
    shipped = ", ".join(sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))
    raise MissingAssetError(
        f"no model {str(model)!r}: give a folder that holds config.json and {WEIGHTS_FILE}, "
        f"or one of: {shipped}"
    )


def load_checkpoint(model: str | Path) -> Checkpoint:
    """Read a checkpoint, safetensors and JSON only.

    Raises:
        MissingAssetError: there is no such checkpoint.
        IncompatibleModelError: a file in it is missing, damaged or of another kind of model.
    """
    folder = find_checkpoint(model)
    calibration = Calibration.load(folder)
    transformers_logging.disable_progress_bar()
    try:
        network = LDDUModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
        files = [name for name in (WEIGHTS_FILE, EXPRESSION_FILE) if (folder / name).is_file()]
        expression = ExpressionNetwork.load(folder) if EXPRESSION_FILE in files else None
        weights = {name: sha256_of_file(folder / name) for name in files}
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise IncompatibleModelError(
            f"the checkpoint {folder} cannot be loaded ({reason}); install it again"
        ) from error
    return Checkpoint(folder, network.eval(), calibration, expression, weights)


def save_checkpoint(
    folder: Path, model: LDDUModel, calibration: Calibration, expression: Path | None = None
) -> None:
    """Write a checkpoint that `load_checkpoint` reads; it appears whole or not at all.

    Args:
        folder: an existing one is replaced.
        model: with its configuration.
        calibration: of that model.
        expression: the folder of the expression network whose features the model was trained
            on, if any.
    """
    work = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        model.save_pretrained(work)
        calibration.save(work)
        if expression is not None:
            for name in EXPRESSION_FILES:
                shutil.copyfile(expression / name, work / name)
        for path in work.iterdir():
            share(path)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
