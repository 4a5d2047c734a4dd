from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator

import pytest
import s3fs
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from lddu_pipe.cli import main
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.batch.inputs import find_items
from lddu_pipe.pipelines.batch.storage import Output, fetched, is_remote, shown

SECRET = "the-secret-of-this-test"
CUE = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"


@pytest.fixture
def store(monkeypatch, tmp_path) -> Iterator[s3fs.S3FileSystem]:
    """An object store on loopback, with a bucket that holds media, words and a broken file."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.mkdir("lab")
    files.pipe_file("lab/in/a.srt", CUE.format("I am so happy today!").encode())
    files.pipe_file("lab/in/deep/b.srt", CUE.format("This makes me furious.").encode())
    files.pipe_file("lab/in/broken.mp4", b"no media at all")
    yield files
    files.rm("lab", recursive=True)  # the server keeps it as long as this process lives
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_addresses_are_told_from_paths():
    assert is_remote("s3://bucket/a.mp4")
    assert not is_remote("C:/a.mp4")
    assert not is_remote("folder/a://b.mp4")


def test_what_is_shown_holds_no_secret():
    assert shown("ftp://me:secret@host/a/b.mp4?token=secret") == "ftp://host/a/b.mp4"
    assert shown("s3://bucket/a@b.mp4") == "s3://bucket/a@b.mp4"
    assert shown("a/b?.mp4") == "a/b?.mp4"


def test_an_address_nobody_knows_is_one_line():
    with pytest.raises(UnusableInputError, match="carrier-pigeon://loft"):
        Output("carrier-pigeon://loft")


def test_remote_items_mirror_their_folder(store):
    items = find_items(["s3://lab/in"])
    assert [(item.name, item.source) for item in items] == [
        ("a.srt", "s3://lab/in/a.srt"),
        ("broken.mp4", "s3://lab/in/broken.mp4"),
        ("deep/b.srt", "s3://lab/in/deep/b.srt"),
    ]
    before = items[0].version
    store.pipe_file("lab/in/a.srt", CUE.format("I am so happy todaY!").encode())
    assert find_items(["s3://lab/in/a.srt"])[0].version != before
    assert [item.name for item in find_items(["s3://lab/in/**/b.*"])] == ["deep/b.srt"]
    store.pipe_file("lab/in/broken.vtt", b"WEBVTT")
    (item,) = find_items(["s3://lab/in"], include=["*.mp4"])
    assert item.transcript == "s3://lab/in/broken.vtt"


def test_what_is_not_there_is_one_line(store):
    with pytest.raises(UnusableInputError, match="s3://lab/gone"):
        find_items(["s3://lab/gone"])
    with (
        pytest.raises(UnusableInputError, match=r"s3://lab/gone\.mp4 cannot be read"),
        fetched("s3://lab/gone.mp4"),
    ):
        pass


def test_a_copy_is_removed_whatever_happens(store, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with fetched("s3://lab/in/a.srt") as path:
        assert path.name == "a.srt"
        assert path.is_file()
    assert not list(tmp_path.glob("lddu-pipe-*"))
    with pytest.raises(ZeroDivisionError), fetched("s3://lab/in/a.srt"):
        raise ZeroDivisionError
    assert not list(tmp_path.glob("lddu-pipe-*"))


@pytest.mark.slow
def test_a_batch_from_store_to_store(store, tmp_path, caplog, sample_video, monkeypatch):
    store.put_file(str(sample_video), "lab/in/sample.mp4")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))  # of the worker
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level(logging.DEBUG)
    command = [
        "batch",
        "s3://lab/in",
        "-o",
        "s3://lab/out",
        "-f",
        "json,csv,mp4",
        "--offline",
        "-vv",
    ]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 1, result.stderr
    assert "s3://lab/in/broken.mp4" in result.stderr
    assert {name.removeprefix("lab/out/") for name in store.find("lab/out")} == {
        *("a.json", "a.csv", "deep/b.json", "deep/b.csv", "sample.json", "sample.csv"),
        "sample.overlay.mp4",
        *(
            "summary.json",
            "summary.png",
            "index.html",
            "failures.csv",
            "people.csv",
            "ledger.sqlite",
        ),
    }
    values = json.loads(store.cat_file("lab/out/sample.json"))
    assert values["media"]["path"] == "s3://lab/in/sample.mp4"
    written = b"".join(store.cat(store.find("lab/out")).values())
    assert SECRET not in result.output + caplog.text
    assert SECRET.encode() not in written
    assert not list(temporary.glob("lddu-pipe-*"))
    # Another machine, or one whose cache was emptied, goes on from the ledger in the store.
    shutil.rmtree(tmp_path / "cache")
    result = CliRunner().invoke(main, [*command[:4], "--dry-run"])
    assert result.stdout == ""
    ledger = tmp_path / "ledger.sqlite"
    store.get_file("lab/out/ledger.sqlite", str(ledger))
    database = sqlite3.connect(ledger)
    states = dict(database.execute("SELECT name, state FROM items").fetchall())
    database.close()
    assert states == {"a": "done", "deep/b": "done", "sample": "done", "broken": "failed"}
