from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from lddu_pipe.files import copy_whole, sha256_of_file, share, write_whole


@pytest.mark.parametrize("size", [0, 1, 3_000_001])
def test_sha256_equals_that_of_the_bytes(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert sha256_of_file(tmp_path / "file") == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("data", ["", "one\r\ntwo\né 🙂", b"\x00\xff\r\n"])
def test_written_bytes_are_the_data(tmp_path: Path, data: str | bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"older and longer than the new content")
    write_whole(path, data)
    assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_in_the_way_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", "text")
    assert list(tmp_path.rglob("*")) == [tmp_path / "taken"]


def test_a_missing_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "typo" / "file", "text")
    assert list(tmp_path.iterdir()) == []


def test_permissions_are_kept_or_follow_the_umask(tmp_path: Path) -> None:
    secret, new = tmp_path / "secret", tmp_path / "new"
    secret.write_text("old")
    secret.chmod(0o600)
    before = os.umask(0o027)
    try:
        write_whole(secret, "new")
        write_whole(new, "new")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert secret.stat().st_mode & 0o777 == 0o600
    assert new.stat().st_mode & 0o777 == 0o640


def test_a_file_for_the_owner_alone_is_shared_as_the_umask_says(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.touch(mode=0o600)
    before = os.umask(0o027)
    try:
        share(path)
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(before)


def test_a_copy_is_whole_or_not_there(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(b"x" * 3_000_000)
    copy_whole(source, target)
    assert target.read_bytes() == source.read_bytes()
    with pytest.raises(OSError, match="No such file"):
        copy_whole(tmp_path / "gone", target)
    assert target.read_bytes() == source.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}
