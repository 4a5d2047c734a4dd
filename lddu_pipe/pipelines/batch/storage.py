"""Files of a batch, on this machine or in an object store."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.files import copy_whole, write_whole

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+)://", re.IGNORECASE)


def is_remote(place: str) -> bool:
    """True for an address such as ``s3://bucket/folder``, False for a path."""
    return _SCHEME.match(place) is not None


def shown(place: str) -> str:
    """The place as it may be shown and stored: without a user's name, password or query."""
    scheme = _SCHEME.match(place)
    if scheme is None:
        return place
    rest = place[scheme.end() :].split("?", maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    return f"{scheme[0]}{host.rpartition('@')[2]}{slash}{path}"


def open_filesystem(place: str) -> AbstractFileSystem:
    """Return what reads and writes at a remote place.

    Where credentials come from is the library's own matter: the environment or its files.

    Raises:
        UnusableInputError: nothing is known of such addresses.
        MissingAssetError: the package that speaks to such a store is not installed.
    """
    import fsspec

    try:
        filesystem: AbstractFileSystem = fsspec.core.url_to_fs(place)[0]
    except ValueError as error:
        raise UnusableInputError(f"{shown(place)}: {error}") from None
    except ImportError:
        raise MissingAssetError(
            f'{shown(place)} needs one more package; for s3:// run: pip install "lddu-pipe[s3]"'
        ) from None
    return filesystem


def list_remote(place: str) -> list[tuple[str, int, str]]:
    """Return address, bytes and version of every file below a place, or that a pattern names.

    Raises:
        UnusableInputError: the place cannot be read.
    """
    scheme = _SCHEME.match(place)
    filesystem = open_filesystem(place)
    path = filesystem._strip_protocol(place)
    try:
        found: dict[str, Any] = (
            filesystem.glob(path, detail=True)
            if any(sign in path for sign in "*?[")
            else filesystem.find(path, detail=True)
        )
    except OSError as error:
        raise UnusableInputError(f"{shown(place)} cannot be read: {_cause(error)}") from None
    prefix = scheme[0] if scheme else ""
    return [
        (prefix + name.lstrip("/"), int(item["size"] or 0), _version(item))
        for name, item in sorted(found.items())
        if item["type"] == "file"
    ]


@contextmanager
def fetched(place: str) -> Iterator[Path]:
    """A copy of a remote file on this machine, removed afterwards; a local one is itself.

    Raises:
        UnusableInputError: the file cannot be read.
    """
    if not is_remote(place):
        yield Path(place)
        return
    filesystem = open_filesystem(place)
    folder = Path(tempfile.mkdtemp(prefix="lddu-pipe-"))
    try:
        # Its own name: extractors and messages go by it, and by its suffix.
        path = folder / PurePosixPath(shown(place)).name
        try:
            filesystem.get_file(filesystem._strip_protocol(place), str(path))
        except OSError as error:
            raise UnusableInputError(f"{shown(place)} cannot be read: {_cause(error)}") from None
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Output:
    """The folder that a batch writes to, made when first written to."""

    def __init__(self, place: str) -> None:
        """Use a path or a remote address."""
        self.place = place.rstrip("/") or "/"
        self._filesystem = open_filesystem(place) if is_remote(place) else None

    @property
    def folder(self) -> Path | None:
        """The folder, None where it is remote."""
        return None if self._filesystem else Path(self.place)

    def write(self, name: str, content: bytes) -> None:
        """Write one file, whole or not at all.

        Args:
            name: relative to the place, with forward slashes.
            content: of the file.

        Raises:
            OSError: the place cannot be written to.
        """
        if self._filesystem:
            # Object stores make an object visible when its last byte has come.
            self._filesystem.pipe_file(self._remote(name), content)
            return
        target = Path(self.place) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)

    @contextmanager
    def making(self, name: str) -> Iterator[Path]:
        """The path at which a file of any size may be made, whole or not at all.

        Raises:
            OSError: the place cannot be written to.
        """
        if self._filesystem is None:
            target = Path(self.place) / name
            target.parent.mkdir(parents=True, exist_ok=True)
            yield target
            return
        with tempfile.TemporaryDirectory(prefix="lddu-pipe-") as folder:
            target = Path(folder) / PurePosixPath(name).name
            yield target
            self._filesystem.put_file(str(target), self._remote(name))

    def put(self, name: str, path: Path) -> None:
        """Copy a file of this machine to the place, whole or not at all.

        Raises:
            OSError: the place cannot be written to.
        """
        if self._filesystem:
            self._filesystem.put_file(str(path), self._remote(name))
            return
        copy_whole(path, Path(self.place) / name)

    def read(self, name: str) -> bytes | None:
        """Return what a file holds, None where there is no such file."""
        try:
            if self._filesystem:
                return bytes(self._filesystem.cat_file(self._remote(name)))
            return (Path(self.place) / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self._filesystem:
            if self.holds(name):
                self._filesystem.rm_file(self._remote(name))
            return
        (Path(self.place) / name).unlink(missing_ok=True)

    def holds(self, name: str) -> bool:
        """True where there is such a file."""
        if self._filesystem:
            return bool(self._filesystem.isfile(self._remote(name)))
        return (Path(self.place) / name).is_file()

    def _remote(self, name: str) -> str:
        if self._filesystem is None:
            raise ValueError(f"{self.place} is a folder of this machine")
        return f"{self._filesystem._strip_protocol(self.place).rstrip('/')}/{name}"


def _version(item: dict[str, Any]) -> str:
    """What changes when a remote file does."""
    return str(item.get("ETag") or item.get("LastModified") or item.get("mtime") or "")


def _cause(error: OSError) -> str:
    return error.strerror or str(error).splitlines()[0] or type(error).__name__
