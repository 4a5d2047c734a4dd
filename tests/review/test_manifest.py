"""Corrections as rows that the other commands read."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest

from lddu_pipe.datasets.manifest import ManifestRow, read_manifest
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.manifest import write_archive, write_manifest


@pytest.fixture
def desk(repository):
    return ReviewDesk([repository])


@pytest.fixture
def media(tmp_path):
    path = tmp_path / "videos" / "talk one.mp4"
    path.parent.mkdir()
    path.write_bytes(b"a video")
    return path


def written(desk, path, **options):
    write_manifest(desk.rows(""), path, **options)
    return read_manifest(path)


def test_a_video_is_cut_as_the_reviewer_has_it(desk, repository, annotate, say, media, tmp_path):
    talk = annotate(
        [say("Größe \u2028", 0.5, 2, speaker="Ada"), say("two", 2, 4.25), say("", 5, 7)]
    )
    item = repository.put("talk one.mp4", talk, media=media)
    desk.correct("", item, "0000", ["sad", "happy"], comment="no", reviewer="Zoë")
    desk.correct("", item, "0001", [], 2.5, 4)
    desk.correct("", item, "0002", ["anger"])
    folder = tmp_path / "rows"
    folder.mkdir()
    first, second, third = written(desk, folder / "corrected.jsonl", split="train")
    assert (first.id, first.text, first.speaker) == ("talk one.mp4/0000", "Größe \u2028", "Ada")
    assert first.labels == {"happy": 1.0, "sad": 1.0}
    assert (first.start, first.end, first.split) == (0.5, 2.0, "train")
    assert first.video.resolve() == media.resolve()
    assert (second.labels, second.start, second.end) == ({}, 2.5, 4.0)
    assert (third.text, third.start) == (None, 5.0)
    line = json.loads((folder / "corrected.jsonl").read_text().split("\n")[1])
    assert line["video"] == "../videos/talk one.mp4"
    assert set(line) == {"id", "video", "text", "context", "start", "end", "labels", "split"}
    # What the model read before them, so that they are the same features.
    assert (first.context, second.context) == (None, ("Größe \u2028".strip(),))
    assert third.context is None


def test_an_utterance_without_length_gives_a_row_that_can_be_read(
    desk, repository, annotate, say, media, tmp_path
):
    item = repository.put("talk.mp4", annotate([say("one", 2, 2)]), media=media)
    desk.correct("", item, "0000", ["sad"])
    (row,) = written(desk, tmp_path / "rows.jsonl")
    assert (row.start, row.end) == (2.0, 2.001)


def test_every_kind_of_media_has_its_column(desk, repository, annotate, annotate_text, say, media):
    kinds = {
        "audio": annotate([say("a", 0, 2)], video=False, sha256="a"),
        "image": annotate([say("b")], audio=False, duration=0.0, sha256="b"),
        "text": annotate_text("c"),
    }
    for kind, annotation in kinds.items():
        desk.correct("", repository.put(kind, annotation, media=media), "0000", ["happy"])
    found = {row.id.partition("/")[0]: row for row in written(desk, media.parent / "rows.jsonl")}
    assert found["audio"].audio == found["image"].image == media
    assert (found["audio"].start, found["image"].start, found["image"].text) == (0.0, None, "b")
    assert (found["text"].text, found["text"].video) == ("c", None)
    assert all(row.labels == {"happy": 1.0} for row in found.values())


def test_what_lost_its_media_is_text_alone_and_counted(desk, repository, annotate, say, tmp_path):
    item = repository.put("talk.mp4", annotate([say("one", 0, 2), say("", 2, 4), say("x", 4, 6)]))
    for utterance, labels in (("0000", ["sad"]), ("0001", []), ("0002", None)):
        desk.correct("", item, utterance, labels)
    export = desk.rows("")
    assert (export.text_alone, export.lost, export.unsure) == (1, 1, 1)
    (row,) = written(desk, tmp_path / "rows.jsonl")
    assert (row.text, row.start, row.video) == ("one", None, None)
    repository.remove(item)
    assert desk.rows("") == export


def test_texts_never_had_media(desk, repository, annotate_text, annotate, say):
    text, srt = annotate_text("one"), annotate([say("two", 0, 2)], audio=False, video=False)
    items = [repository.put("a.txt", text), repository.put("a.srt", srt)]
    for item in items:
        desk.correct("", item, "0000", [])
    export = desk.rows("")
    assert [row.values for row in export.rows] == [
        {"text": "one", "labels": []},
        {"text": "two", "labels": []},
    ]
    assert export.text_alone == export.lost == 0


def test_a_long_text_is_kept_in_part_and_written_whole(desk, repository, annotate_text):
    long = "So it goes. " * 1000
    item = repository.put("a.txt", annotate_text("one", long, f"{long}HALF"))
    file = repository.folder / f"{item}.json"
    file.write_text(file.read_text().replace("HALF", "\\ud800"))
    desk.correct("", item, "0001", ["sad"])
    made = desk.correct("", item, "0002", ["happy"])
    assert made.anchor.text == long[:2000]
    texts = [row.values["text"] for row in desk.rows("").rows]
    assert texts == [long, f"{long}\ufffd"]
    repository.put("a.txt", annotate_text(f"No. {long}"))
    assert [row.values["text"] for row in desk.rows("").rows] == [long[:2000]] * 2
    repository.remove(item)
    assert [row.values["text"] for row in desk.rows("").rows] == [long[:2000]] * 2


def test_corrections_that_fit_no_utterance_any_more_are_rows_too(
    desk, repository, annotate, say, media, tmp_path
):
    item = repository.put("talk.mp4", annotate([say("one", 0, 4)]), media=media)
    desk.correct("", item, "0000", ["sad"])
    repository.put("talk.mp4", annotate([say("on", 0, 1), say("e", 1, 4.5)]), media=media)
    desk.correct("", item, "0000", ["happy"])
    rows = written(desk, tmp_path / "rows.jsonl")
    assert [(row.start, row.end) for row in rows] == [(0, 4), (0, 1)]
    assert len({row.id for row in rows}) == 2


def test_what_was_undone_is_as_it_was_before(desk, repository, annotate_text, tmp_path):
    item = repository.put("a.txt", annotate_text("one", "two"))
    first = desk.correct("", item, "0000", ["sad"])
    second = desk.correct("", item, "0000", ["anger"], replaces=first.number)
    desk.undo("", item, second.number)
    other = desk.correct("", item, "0001", ["happy"])
    desk.undo("", item, other.number)
    (row,) = written(desk, tmp_path / "rows.jsonl")
    assert row.labels == {"sad": 1.0}


def test_a_row_of_a_manifest_is_the_same_row_with_other_labels(
    desk, repository, annotate, say, media, tmp_path
):
    voice = tmp_path / "voice.wav"
    voice.touch()
    row = ManifestRow(
        *("a", "m, line 1", media, voice),
        face_crop=True,
        start=1.0,
        context=("before",),
    )
    annotation = annotate([say("one", 1, 4, speaker="Ada")])
    item = repository.put("a", annotation, media=media)
    key = ("", item)
    repository._items[key] = replace(repository._items[key], row=row)
    desk.correct("", item, "0000", ["sad"])
    (found,) = written(desk, tmp_path / "rows.jsonl")
    assert (found.video.resolve(), found.audio.resolve()) == (media.resolve(), voice.resolve())
    assert (found.face_crop, found.start, found.end, found.labels) == (True, 1, 4, {"sad": 1.0})
    assert found.context == ("before",)


def test_owners_can_be_put_together(desk, repository, annotate_text, tmp_path):
    for owner in "ab":
        item = repository.put("a.txt", annotate_text("one"), owner=owner)
        desk.correct(owner, item, "0000", ["sad"] if owner == "a" else [])
    assert len(desk.rows("a").rows) == 1
    write_manifest(desk.rows("a", "b"), tmp_path / "rows.jsonl")
    assert [row.labels for row in read_manifest(tmp_path / "rows.jsonl")] == [{"sad": 1.0}, {}]


def test_a_manifest_is_written_whole_or_not_at_all(desk, repository, annotate_text, tmp_path):
    with pytest.raises(UnusableInputError, match="no corrections"):
        write_manifest(desk.rows(""), tmp_path / "rows.jsonl")
    desk.correct("", repository.put("a.txt", annotate_text("one")), "0000", [])
    for path, words in (
        (tmp_path / "rows.csv", r"as \.jsonl"),
        (tmp_path / "nowhere" / "rows.jsonl", "No such file"),
    ):
        with pytest.raises(UnusableInputError, match=words):
            write_manifest(desk.rows(""), path)
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]


def test_paths_hold_where_the_folder_is_a_link(desk, repository, annotate, say, media, tmp_path):
    desk.correct(
        "", repository.put("talk.mp4", annotate([say("", 0, 1)]), media=media), "0000", []
    )
    real = tmp_path / "deep" / "down" / "rows"
    real.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(real)
    (row,) = written(desk, link / "rows.jsonl")
    assert row.video.samefile(media)


class Pipe(io.RawIOBase):
    """Cannot seek, as a connection cannot."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data)
        return len(data)


def test_an_archive_holds_each_medium_once_and_can_be_used_where_it_is_unpacked(
    desk, repository, annotate, annotate_text, say, media, tmp_path
):
    item = repository.put(
        "../../etc/passwd", annotate([say("one", 0, 2), say("two", 2, 4)]), media=media
    )
    for utterance in ("0000", "0001"):
        desk.correct("", item, utterance, ["sad"])
    desk.correct("", repository.put("a.txt", annotate_text("three")), "0000", ["happy"])
    pipe = Pipe()
    write_archive(desk.rows(""), pipe, split="valid")
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(io.BytesIO(pipe.content)) as archive:
        assert archive.namelist() == ["corrections.jsonl", "media/0000.mp4"]
        assert archive.testzip() is None
        for name in archive.namelist():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(archive.read(name))
    rows = read_manifest(folder / "corrections.jsonl")
    assert [row.video and row.video.read_bytes() for row in rows] == [b"a video"] * 2 + [None]
    assert {row.split for row in rows} == {"valid"}


def test_an_archive_of_nothing_is_an_archive(desk):
    content = io.BytesIO()
    write_archive(desk.rows(""), content)
    with zipfile.ZipFile(content) as archive:
        assert archive.read("corrections.jsonl") == b""
