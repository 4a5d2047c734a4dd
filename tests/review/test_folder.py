"""The output of a batch as a repository, with the ledger that a batch writes."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from time import sleep

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import sha256_of_file
from lddu_pipe.pipelines.batch.inputs import find_items
from lddu_pipe.pipelines.batch.ledger import Ledger
from lddu_pipe.pipelines.batch.work import statistics_of
from lddu_pipe.review import folder as folders
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.folder import AnnotatedFolder


class Output:
    """An output folder as a batch leaves it, without the models."""

    def __init__(self, folder, annotate, say):
        self.folder, self._annotate, self._say = folder, annotate, say
        folder.mkdir()
        self.ledger = Ledger(folder / "ledger.sqlite")

    def begin(self, item, name):
        facts = {"key": item.key, "name": name, "source": item.source, "size": item.size}
        self.ledger.add([facts | {"version": item.version, "transcript": None}])
        self.ledger.start(item.key)

    def finish(self, item, name, annotation=None):
        path = item.source
        content = open(path, "rb").read() if path else b""  # noqa: PTH123, SIM115
        digest = sha256(content).hexdigest()
        annotation = annotation or self._annotate([self._say("one", 0, 2), self._say("two", 2, 4)])
        if path:
            annotation = replace(annotation, media=replace(annotation.media, sha256=digest))
        annotation.save(self.folder / f"{name}.json")
        self.ledger.finish(
            item.key,
            config="c",
            sha256=digest,
            outputs=[f"{name}.json"],
            statistics=statistics_of(annotation),
            seconds=1.0,
        )

    def do(self, item, name, annotation=None):
        self.begin(item, name)
        self.finish(item, name, annotation)


@pytest.fixture
def output(tmp_path, annotate, say):
    made = Output(tmp_path / "out", annotate, say)
    yield made
    made.ledger.close()


@pytest.fixture
def talk(tmp_path):
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"not really a video")
    return path


def only(path):
    (item,) = find_items([str(path)])
    return item


def test_what_is_done_and_what_failed_is_there(output, talk, tmp_path):
    output.do(only(talk), "talk")
    (tmp_path / "bad.mp4").write_bytes(b"")
    bad = only(tmp_path / "bad.mp4")
    output.begin(bad, "bad")
    with AnnotatedFolder(output.folder) as repository:
        (item,) = repository.items("whoever")
        assert (item.name, item.state, item.source) == ("talk.mp4", "done", "folder")
        assert item.statistics["utterances"] == 2
        assert repository.media(item) == talk
        assert repository.annotation(item) == output.folder / "talk.json"
        # The batch goes on, and what it does is seen.
        output.ledger.fail(bad.key, config="c", error="no picture", seconds=0.1)
        failed, same = repository.items("")
        assert (failed.name, failed.state, failed.error) == ("bad.mp4", "failed", "no picture")
        assert same == item
        assert repository.item("", item.id) == item
        assert repository.item("", "nothing") is None


def test_ids_stay(output, talk):
    output.do(only(talk), "talk")
    ids = set()
    for _ in range(2):
        with AnnotatedFolder(output.folder) as repository:
            ids |= {item.id for item in repository.items("")}
        output.do(only(talk), "talk")
    assert len(ids) == 1


def test_corrections_outlive_another_annotation_and_find_their_utterances(
    output, talk, annotate, say
):
    output.do(only(talk), "talk")
    with AnnotatedFolder(output.folder) as repository:
        desk = ReviewDesk([repository])
        (item,) = desk.items("")
        made = desk.correct("", item.id, "0001", ["sad"])
        before = (output.folder / "corrections.sqlite").read_bytes()
        output.begin(only(talk), "talk")
        # While it waits or is worked on, all is as it was.
        assert list(desk.corrections("", item.id).in_force) == [made]
        anew = [say("", 0, 0.4), say("one", 0.4, 2.1), say("two", 2.1, 4)]
        output.finish(only(talk), "talk", annotate(anew, model="other"))
        (found,) = desk.corrections("", item.id).in_force
        assert (found.number, found.anchor.utterance) == (made.number, "0002")
    assert (output.folder / "corrections.sqlite").read_bytes() == before


def test_media_that_changed_are_no_longer_those_that_were_annotated(output, talk):
    output.do(only(talk), "talk")
    with AnnotatedFolder(output.folder) as repository:
        (item,) = repository.items("")
        os.utime(talk, (1, 1))  # a mere touch
        assert repository.media(item) == talk
        talk.write_bytes(b"not really a movie")
        assert repository.media(item) is None
        # The new file waits to be annotated: the ledger has its size and time already.
        output.begin(only(talk), "talk")
        assert repository.media(*repository.items("")) is None
        output.finish(only(talk), "talk")
        assert repository.media(*repository.items("")) == talk
        talk.unlink()
        assert repository.media(item) is None


def test_many_who_ask_at_once_read_a_file_once(output, talk, monkeypatch):
    output.do(only(talk), "talk")
    os.utime(talk, (1, 1))
    read = []

    def slowly(path):
        read.append(path)
        sleep(0.1)
        return sha256_of_file(path)

    monkeypatch.setattr(folders, "sha256_of_file", slowly)
    with AnnotatedFolder(output.folder) as repository, ThreadPoolExecutor(8) as pool:
        (item,) = repository.items("")
        assert list(pool.map(repository.media, [item] * 8)) == [talk] * 8
    assert read == [talk]


def test_a_list_tells_what_has_media_without_reading_them(output, talk, monkeypatch):
    output.do(only(talk), "talk")
    os.utime(talk, (1, 1))  # as after a copy
    with AnnotatedFolder(output.folder) as repository:
        (item,) = repository.items("")
        with monkeypatch.context() as patch:
            patch.setattr(folders, "sha256_of_file", None)
            assert repository.has_media(item)
            assert ReviewDesk([repository]).has_media("", item.id)
        talk.write_bytes(b"not really a movie")
        assert repository.media(item) is None
        assert not repository.has_media(item)  # now that it is known
        talk.unlink()
        assert not repository.has_media(item)


def test_rows_of_a_manifest_are_known_as_long_as_they_stay(output, tmp_path, talk, annotate, say):
    manifest = tmp_path / "rows#1.jsonl"
    manifest.write_text(
        '{"id": "a#1", "image": "talk.mp4", "face_crop": true}\n'
        '{"id": "b", "text": "Hello."}\n'
        '{"id": "c", "audio": "talk.mp4", "start": 1, "end": 2}\n'
    )
    items = find_items([str(manifest)])
    still = annotate([say("")], duration=0.0, audio=False)
    words = annotate([say("Hello.")], sha256="", duration=0.0, audio=False, video=False)
    for item, annotation in zip(items, (still, words, None), strict=True):
        output.do(item, item.name, annotation)
    with AnnotatedFolder(output.folder) as repository:
        found = {item.name: item for item in repository.items("")}
        assert set(found) == {"a#1", "b", "c"}
        assert found["a#1"].row.face_crop
        assert repository.media(found["a#1"]) == talk
        assert repository.media(found["b"]) is None
        assert (found["c"].row.start, found["c"].row.audio) == (1.0, talk)
    manifest.write_text('{"id": "a#1", "image": "talk.mp4"}\n')
    with AnnotatedFolder(output.folder) as repository:
        for item in repository.items(""):
            assert item.row is None
            assert repository.media(item) is None


def test_an_annotation_stays_where_another_format_of_it_could_not_be_made(output, talk):
    item = only(talk)
    output.do(item, "talk")
    output.ledger.fail(item.key, config="c", error="no space", seconds=0, outputs=["talk.json"])
    with AnnotatedFolder(output.folder) as repository:
        (found,) = repository.items("")
        assert (found.state, found.error, found.statistics["utterances"]) == ("done", None, 2)
        assert repository.media(found) == talk


def test_what_was_broken_off_twice_has_the_time_of_its_annotation(output, talk):
    item = only(talk)
    output.do(item, "talk")
    os.utime(output.folder / "talk.json", (1.5e9, 1.5e9))
    for _ in range(2):
        output.begin(item, "talk")
        output.ledger.wait(item.key)
    with AnnotatedFolder(output.folder) as repository:
        (found,) = repository.items("")
        assert (found.state, found.created) == ("done", "2017-07-14T02:40:00.000+00:00")


def test_a_folder_that_is_no_output_is_one_line(tmp_path, output):
    with pytest.raises(UnusableInputError, match=r"is no output .*: there is no ledger\.sqlite"):
        AnnotatedFolder(tmp_path)
    assert not (tmp_path / "ledger.sqlite").exists()
    with pytest.raises(UnusableInputError, match=r"corrections\.sqlite cannot be opened"):
        AnnotatedFolder(output.folder, read_only=True)
    (tmp_path / "ledger.sqlite").write_bytes(b"something else, and long enough " * 40)
    with pytest.raises(UnusableInputError, match="no ledger of a batch"):
        AnnotatedFolder(tmp_path)
