"""Files, read in pieces and written whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)
"""The first part of what was an address before it became a path."""


def why_absent(path: Path) -> str:
    """What to say, after its name, of a file that is not there."""
    if path.parts and _ADDRESS.fullmatch(path.parts[0]):
        return "is an address, and files are read from this machine; download it first"
    return "does not exist; check the name"


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits, without holding it in memory.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_whole(path: Path, data: str | bytes) -> None:
    """Write a file so that readers see either what was there before or all of `data`.

    The data goes to a temporary file in the same folder, to the disk, and then into place in one
    step. Text is stored as UTF-8 with its line endings as they are. A file that is replaced keeps
    its permissions; a new one gets those the umask allows. The folder must exist: a mistyped one
    is an error of the caller and is not made here.

    Raises:
        OSError: the folder is missing or the disk refuses; `path` is as it was before.
    """
    content = data.encode("utf-8") if isinstance(data, str) else data
    with _whole(path) as file:
        file.write(content)


def copy_whole(source: Path, path: Path) -> None:
    """Copy a file of any size as `write_whole` writes one, without holding it in memory.

    Raises:
        OSError: a file or folder is missing or the disk refuses; `path` is as it was before.
    """
    with source.open("rb") as data, _whole(path) as file:
        shutil.copyfileobj(data, file)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write into, which takes the place of `path` if nothing is raised."""
    with made_whole(path) as temporary, temporary.open("wb") as file:
        yield file


@contextlib.contextmanager
def made_whole(path: Path) -> Iterator[Path]:
    """As `write_whole` writes a file, for programs and libraries that write to files only.

    Gives the path of an empty file to write to, which takes the place of `path` when the context
    ends, and is removed where something is raised.

    Raises:
        OSError: the folder is missing or the disk refuses; `path` is as it was before.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(_permissions(path))
        temporary.replace(path)
    except BaseException:
        # KeyboardInterrupt included: nothing half-written may stay behind.
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise


def distinct_names(names: Iterable[tuple[str, str]], taken: Iterable[str] = ()) -> list[str]:
    """Return a name for each result, no two alike whatever their case.

    Args:
        names: short name and full name of each; the short one is used where no other has it, else
            the full one, and with a number where that was used too.
        taken: names that are used already.
    """
    pairs = list(names)
    short_names = Counter(short.casefold() for short, _ in pairs)
    used = {name.casefold() for name in taken}
    chosen: list[str] = []
    for short, full in pairs:
        alone = short_names[short.casefold()] == 1 and short.casefold() not in used
        base = name = short if alone else full
        number = 1
        while name.casefold() in used:
            number += 1
            name = f"{base}-{number}"
        used.add(name.casefold())
        chosen.append(name)
    return chosen


def remove_unfinished(folder: Path) -> None:
    """Remove what `write_whole` left below a folder where it was killed.

    Nothing may be writing there.
    """
    for path in folder.rglob(f".{'?' * 8}.part"):
        path.unlink(missing_ok=True)


def share(path: Path) -> None:
    """Give a file the permissions of any new one; some libraries write for the owner alone.

    Raises:
        OSError: the file is missing or belongs to somebody else.
    """
    path.chmod(_of_new_files())


def _permissions(path: Path) -> int:
    """Return the permission bits that `path` has, or that a new file would get."""
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return _of_new_files()


def _of_new_files() -> int:
    # The umask can only be read by setting it.
    umask = os.umask(0o077)
    os.umask(umask)
    return 0o666 & ~umask
