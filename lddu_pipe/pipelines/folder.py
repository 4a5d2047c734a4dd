"""Where the folder of a checkpoint is; nothing of what is in it is loaded here."""

from __future__ import annotations

import json
from pathlib import Path

import lddu_pipe
from lddu_pipe.errors import MissingAssetError
from lddu_pipe.pipelines.hub import HubName, locate_or_fetch

SHIPPED = Path(lddu_pipe.__file__).parent / "checkpoints"
WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


def find_checkpoint(model: str | Path, *, offline: bool = False) -> Path:
    """Return the folder of a checkpoint: any folder, a run's, one that ships, or one of the hub.

    Args:
        model: a folder, or the name of a checkpoint that ships, or ``user/model`` or
            ``user/model@revision`` on the Hugging Face hub. A folder wins over the hub, and a
            `Path` is always a folder.
        offline: never download.

    Raises:
        MissingAssetError: there is no such folder or name, or it cannot be downloaded.
    """
    for folder in (Path(model), Path(model) / "model", SHIPPED / str(model)):
        if (folder / CONFIG_FILE).is_file():
            return folder
    name = hub_name(model)
    if name is None:
        shipped = ", ".join(sorted(path.name for path in SHIPPED.iterdir() if path.is_dir()))
        hub = ", or user/model of the Hugging Face hub" if isinstance(model, str) else ""
        raise MissingAssetError(
            f"no model {str(model)!r}: give a folder that holds {CONFIG_FILE} and {WEIGHTS_FILE}, "
            f"or one of: {shipped}{hub}"
        )
    folder = locate_or_fetch(name, offline=offline)
    check_complete(folder, name)
    return folder


def check_complete(folder: Path, name: HubName) -> None:
    """Make sure that a model of the hub is one.

    Raises:
        MissingAssetError: it lacks a file.
    """
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise MissingAssetError(f"{name} on the Hugging Face hub is no model: no {file} in it")


def pinned(model: str, *, offline: bool = False) -> str:
    """Name a model so that it stays the same: one of the hub by the commit that is here now.

    Raises:
        MissingAssetError: as `find_checkpoint`.
    """
    name = hub_name(model)
    return model if name is None else str(name.pinned(find_checkpoint(model, offline=offline)))


def hub_name(model: str | Path) -> HubName | None:
    """The name on the hub that `model` is; None where it means something on this machine.

    What is mistyped must not be asked of the hub: ``runs/mine`` is a folder where ``runs`` is one.
    ``runs/mine@main`` would be the hub's.
    """
    name = HubName.parse(model) if isinstance(model, str) else None
    if name is None or Path(model).exists():
        return None
    if name.revision is None and Path(model).parent.is_dir():
        return None
    return name


def is_no_better_than_base_rates(model: str | Path) -> bool:
    """Whether a checkpoint says of itself that it was no better than its labels' frequencies.

    Raises:
        MissingAssetError: there is no such model.
    """
    try:
        config = json.loads(
            (find_checkpoint(model, offline=True) / CONFIG_FILE).read_text(encoding="utf-8")
        )
        return config["better_than_base_rates"] is False
    except (OSError, ValueError, LookupError, TypeError):
        return False  # older ones do not say; damaged ones are for those who load them
