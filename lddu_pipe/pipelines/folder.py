"""Where the folder of a checkpoint is; nothing of what is in it is loaded here."""

from __future__ import annotations

import json
from pathlib import Path

import lddu_pipe
from lddu_pipe.errors import MissingAssetError

SHIPPED = Path(lddu_pipe.__file__).parent / "checkpoints"
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


def find_checkpoint(model: str | Path) -> Path:
    """Return the folder of a checkpoint: a folder as it is, a run's, or one that ships.

    Raises:
        MissingAssetError: there is no such folder or name.
    """
    for folder in (Path(model), Path(model) / "model", SHIPPED / str(model)):
        if (folder / CONFIG_FILE).is_file():
            return folder
    shipped = ", ".join(sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))
    raise MissingAssetError(
        f"no model {str(model)!r}: give a folder that holds config.json and {WEIGHTS_FILE}, "
        f"or one of: {shipped}"
    )


def is_no_better_than_base_rates(model: str | Path) -> bool:
    """Whether a checkpoint says of itself that it was no better than its labels' frequencies.

    Raises:
        MissingAssetError: there is no such model.
    """
    try:
        config = json.loads((find_checkpoint(model) / CONFIG_FILE).read_text(encoding="utf-8"))
        return config["better_than_base_rates"] is False
    except (OSError, ValueError, LookupError, TypeError):
        return False  # older ones do not say; damaged ones are for those who load them
