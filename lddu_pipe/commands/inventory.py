"""What ``lddu-pipe models`` knows of the weights on this machine, as plain values."""

from __future__ import annotations

import base64
import importlib.metadata
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lddu_pipe.assets import AssetStatus
    from lddu_pipe.pipelines.hub import CachedModel

_PACKAGE = "lddu-pipe"


def inventory() -> list[dict[str, Any]]:
    """Describe the emotion model that ships, those of the hub in the cache, then each asset.

    Keys: name, description, licence, size (bytes), source, path, verified, problem, and sha256 by
    file: of an asset the published one, of an emotion model that of the file itself.
    """
    from lddu_pipe.assets import locate_all
    from lddu_pipe.diagnostics import DEFAULT_CHECKPOINT
    from lddu_pipe.pipelines.hub import cached_models

    return [
        describe_checkpoint(DEFAULT_CHECKPOINT),
        *map(_describe_cached, cached_models()),
        *map(_describe_asset, locate_all()),
    ]


def describe_checkpoint(folder: Path) -> dict[str, Any]:
    """Describe the emotion model that ships.

    It is verified where it is complete and, in an installed package, where its weights are the
    ones that were installed.
    """
    files, digests = _files(folder)
    return _description(
        folder.name,
        description="The emotion model of this package",
        licence=_licence_on_card(folder),
        size=sum(path.stat().st_size for path in files),
        source="this package",
        path=folder if files else None,
        problem=_problem_of_checkpoint(folder, digests),
        sha256=digests,
    )


def _describe_cached(model: CachedModel) -> dict[str, Any]:
    """Describe an emotion model of the hub; it is verified where its files are the hub's."""
    from lddu_pipe.pipelines.hub import CARD_FILE, metadata_of

    files, digests = _files(model.folder)
    licence = metadata_of(model.folder / CARD_FILE).get("license")
    return _description(
        str(model.name),
        description="An emotion model of the Hugging Face hub",
        licence=None if licence is None else str(licence),
        size=sum(path.stat().st_size for path in files),
        source="Hugging Face cache",
        path=model.folder,
        problem=_problem_of_cached(model, digests),
        sha256=digests,
    )


def _files(folder: Path) -> tuple[list[Path], dict[str, str]]:
    """All files of a model, and the sha256 of its weights by name."""
    from lddu_pipe.files import sha256_of_file

    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {
        path.relative_to(folder).as_posix(): sha256_of_file(path)
        for path in files
        if path.suffix == ".safetensors"
    }
    return files, digests


def _describe_asset(status: AssetStatus) -> dict[str, Any]:
    asset = status.asset
    missing = f'{asset.name} was not found; run "lddu-pipe models fetch {asset.name}"'
    return _description(
        asset.name,
        description=asset.description,
        licence=asset.licence,
        size=asset.size,
        source=status.source,
        path=status.path,
        problem=None if status.verified else status.problem or missing,
        sha256=asset.files,
    )


def _description(
    name: str,
    *,
    description: str,
    licence: str | None,
    size: int,
    source: str | None,
    path: Path | None,
    problem: str | None,
    sha256: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "licence": licence,
        "size": size,
        "source": source if path else None,
        "path": str(path) if path else None,
        "verified": problem is None,
        "problem": problem,
        "sha256": dict(sha256),
    }


def _licence_on_card(folder: Path) -> str | None:
    """The licence that the model card names in brackets, in its section on the licence."""
    card = folder / "MODEL_CARD.md"
    if not card.is_file():
        return None
    _, _, section = card.read_text(encoding="utf-8").partition("\n## Licence\n")
    named = re.search(r"\(([^()]+)\)", section.partition("\n## ")[0])
    return " ".join(named[1].split()) if named else None


def _problem_of_checkpoint(folder: Path, digests: Mapping[str, str]) -> str | None:
    from lddu_pipe.diagnostics import check_checkpoint

    check = check_checkpoint(folder)
    if not check.ok:
        return f"{check.detail}. {check.cure}"
    installed = installed_digests(_PACKAGE, folder)
    for name, digest in digests.items():
        damage = _damage(folder / name)
        if damage is None and installed.get(name, digest) != digest:
            damage = "is not the file that was installed"
        if damage:
            return f"{folder / name} {damage}; install {_PACKAGE} again"
    return None


def _problem_of_cached(model: CachedModel, digests: Mapping[str, str]) -> str | None:
    from lddu_pipe.diagnostics import check_checkpoint
    from lddu_pipe.pipelines.hub import published_digest

    cure = f'remove it and run "lddu-pipe models fetch {model.name}"'
    check = check_checkpoint(model.folder)
    if not check.ok:
        return f"{check.detail}; {cure}"
    for name, digest in digests.items():
        path = model.folder / name
        damage = _damage(path)
        if damage is None and published_digest(path) not in (None, digest):
            damage = "is not the file that the hub has"
        if damage:
            return f"{path} {damage}; {cure}"
    return None


def _damage(weights: Path) -> str | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="numpy"):  # reads the header and compares the length
            return None
    except (OSError, SafetensorError) as error:
        return f"is damaged ({error})"


def installed_digests(distribution: str, folder: Path) -> dict[str, str]:
    """Return what pip noted when it installed a distribution.

    Returns:
        sha256, in hexadecimal, by path inside `folder`, of the files of `distribution` there;
        nothing where it was installed from elsewhere, as in a checkout.
    """
    try:
        files = importlib.metadata.files(distribution) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    placed = {Path(str(file.locate())): file for file in files}
    return {
        path.relative_to(folder).as_posix(): base64.urlsafe_b64decode(file.hash.value + "==").hex()
        for path, file in placed.items()
        if file.hash is not None and file.hash.mode == "sha256" and path.is_relative_to(folder)
    }
