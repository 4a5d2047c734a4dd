"""Reviewers say who is who: three people, of whom one is only heard."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest
from click.testing import CliRunner

from lddu_pipe.annotation import Annotation, Face, Person
from lddu_pipe.cli import main
from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.pipelines.batch.ledger import Ledger
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.folder import AnnotatedFolder
from lddu_pipe.review.identities import ConflictError
from lddu_pipe.review.manifest import write_manifest
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.review.verdicts import SOMEBODY_NEW, UnfitVerdictError
from lddu_pipe.writers import csv, elan

LEFT, RIGHT = (0.1, 0.2, 0.3, 0.5), (0.6, 0.2, 0.8, 0.5)


def face(name, person, box, start=0.0, seconds=6.0):
    return Face(name, person, start, 5.0, (box,) * round(seconds * 5))


PEOPLE = (
    Person("p1", None, 6.0, 3.0),
    Person("p2", None, 6.0, 2.0),
    Person("p3", None, 0.0, 1.0),
)
FACES = (face("f1", "p1", LEFT), face("f2", "p2", RIGHT))


@pytest.fixture
def desk(repository):
    return ReviewDesk([repository])


@pytest.fixture
def dinner(annotate, say):
    """Left and right are seen and speak in turn, and somebody off screen says a word."""
    said = [
        say("one", 0, 3, person="p1", present=["happy"]),
        say("", 0, 3, person="p2", kind="silence"),
        say("two", 3, 5, person="p2", speaker="Bo"),
        say("", 3, 6, person="p1", kind="silence"),
        say("three", 5, 6, person="p3"),
    ]
    return annotate(said, people=PEOPLE, faces=FACES)


@pytest.fixture
def item(repository, dinner):
    return repository.put("dinner.mp4", dinner)


def persons(annotation):
    return [item.person for item in annotation.utterances]


def test_an_utterance_is_given_to_another_and_the_seconds_go_along(desk, item, dinner):
    made = desk.correct("", item, "0002", ["sad"], person="p3")
    assert desk.corrections("", item).cast.whose(made.verdict.person, "p2") == "p3"
    corrected = desk.people.corrected("", item)
    assert persons(corrected) == ["p1", "p2", "p3", "p1", "p3"]
    seconds = {person.id: person.seconds_speaking for person in corrected.people}
    assert seconds == {"p1": 3.0, "p2": 0.0, "p3": 3.0}
    assert corrected.faces == list(dinner.faces)
    assert (dinner.utterances[2].speaker, corrected.utterances[2].speaker) == ("Bo", None)
    # What the model says of it stays what it says.
    before = Annotation.load(desk.annotation("", item)).utterances
    assert [each.emotions for each in corrected.utterances] == [each.emotions for each in before]
    assert Annotation.from_dict(corrected.to_dict()).people == corrected.people
    assert corrected.provenance.config == {"corrected": "people"}
    desk.undo("", item, made.number)
    assert persons(desk.people.corrected("", item)) == persons(dinner)
    # To whom it is anyway is no correction of the person.
    assert desk.correct("", item, "0002", [], person="p2").verdict.person is None


def test_somebody_new_is_there_as_long_as_they_have_an_utterance(desk, item):
    made = desk.correct("", item, "0004", [], person=SOMEBODY_NEW)
    new = desk.corrections("", item).cast.whose(made.verdict.person, None)
    assert new == f"r{made.verdict.person}"
    desk.people.identify("", item, new, name="The waiter")
    again = desk.correct("", item, "0002", [], person=new)
    assert again.verdict.person == made.verdict.person
    corrected = desk.people.corrected("", item)
    assert corrected.people[-1] == Person(new, "The waiter", 0.0, 3.0)
    # Of whoever was only heard, in what is the waiter's now, nothing is left.
    assert [each.id for each in corrected.people] == ["p1", "p2", new]
    assert persons(corrected)[2::2] == [new, new]
    for each in (made, again):
        desk.undo("", item, each.number)
    assert len(desk.people.corrected("", item).people) == 3
    with pytest.raises(UnfitVerdictError, match="no person"):
        desk.correct("", item, "0002", [], person=new)
    # Two newcomers are two people.
    first, second = (
        desk.correct("", item, name, [], person=SOMEBODY_NEW) for name in ("0002", "0004")
    )
    assert first.verdict.person != second.verdict.person


def test_two_who_are_one_have_their_seconds_faces_and_words_together(desk, item):
    merged = desk.people.identify("", item, "p3", same_as="p2", comment="the same voice")
    corrected = desk.people.corrected("", item)
    assert corrected.people == [PEOPLE[0], Person("p2", None, 6.0, 3.0)]
    assert persons(corrected) == ["p1", "p2", "p2", "p1", "p2"]
    desk.people.identify("", item, "p2", same_as="p1")
    corrected = desk.people.corrected("", item)
    assert corrected.people == [Person("p1", None, 12.0, 6.0)]
    assert {each.person for each in corrected.faces} == {"p1"}
    (part,) = desk.people.look("", item).parts.values()
    assert (part.utterances, part.overlapping) == (5, 3)  # kept, and counted
    assert elan.render(corrected)
    assert csv.render(corrected).count(b",p1,") == 15
    with pytest.raises(UnfitVerdictError, match="already"):
        desk.people.identify("", item, "p1", same_as="p3")
    with pytest.raises(UnfitVerdictError, match="already"):
        desk.people.identify("", item, "p1", same_as="p1")
    # One step back: two and three are still one.
    (last, _) = desk.people.look("", item).history
    assert desk.people.undo("", item, last.number) is None
    assert persons(desk.people.corrected("", item)) == ["p1", "p2", "p2", "p1", "p2"]
    assert desk.people.undo("", item, merged.number) is None
    assert desk.people.corrected("", item).people == list(PEOPLE)
    with pytest.raises(ConflictError, match="not in force"):
        desk.people.undo("", item, merged.number)


def test_a_circle_that_undoing_closes_does_not_count(desk, item):
    first = desk.people.identify("", item, "p3", same_as="p1")
    second = desk.people.identify("", item, "p3", replaces=first.number)
    desk.people.identify("", item, "p1", same_as="p3")
    desk.people.undo("", item, second.number)
    assert [each.id for each in desk.people.corrected("", item).people] == ["p1", "p2"]


def test_names_are_one_line_of_plain_text_and_of_all_who_are_one(desk, item):
    first = desk.people.identify("", item, "p3", name="  Ana \n Lu ", reviewer=" Ben ")
    assert (first.said.name, first.said.reviewer) == ("Ana Lu", "Ben")
    joined = {"name": "Ana", "same_as": "p1", "reviewer": "Ben"}
    desk.people.identify("", item, "p3", replaces=first.number, **joined)
    names = {person.id: person.name for person in desk.people.corrected("", item).people}
    assert names == {"p1": "Ana", "p2": None}
    desk.people.identify("", item, "p1", name="<b>Ana & co</b>")
    assert desk.people.cast("", item).name_of("p3") == "<b>Ana & co</b>"
    with pytest.raises(ConflictError, match="Ben was here first"):
        desk.people.identify("", item, "p3", name="Eve", replaces=first.number)
    for name in ("x" * 101, "a\ud800", "a\x1b[31m"):
        with pytest.raises(UnfitVerdictError, match="the name"):
            desk.people.identify("", item, "p2", name=name)
    with pytest.raises(UnfitVerdictError, match="no person"):
        desk.people.identify("", item, "p9", name="Eve")


def test_after_another_annotation_people_are_found_where_they_were(desk, repository, item, dinner):
    """The ids are others, times and boxes are a little off, and one face was lost."""
    desk.people.identify("", item, "p1", name="Left")
    desk.people.identify("", item, "p2", name="Right")
    desk.people.identify("", item, "p3", name="Off")
    desk.correct("", item, "0000", [], person="p3")
    other = {"p1": "p7", "p2": "p1", "p3": "p2"}
    moved = [replace(each, id=other[each.id]) for each in dinner.people]
    faces = [
        face("f1", "p1", tuple(edge + 0.02 for edge in RIGHT), 0.1),
        face("f2", "p7", LEFT, 0.1, 4.0),
    ]
    anew = [
        replace(each, utterance=replace(each.utterance, person=other[each.person]))
        for each in dinner.utterances
    ]
    repository.put("dinner.mp4", replace(dinner, utterances=anew, people=moved, faces=faces))
    corrected = desk.people.corrected("", item)
    assert {person.id: person.name for person in corrected.people} == {
        "p7": "Left",
        "p1": "Right",
        "p2": "Off",
    }
    assert corrected.utterances[0].person == "p2"
    # Whom nobody finds any more keeps what was given to them.
    only = [each for each in moved if each.id != "p2"]
    silent = [each for each in anew if each.person != "p2"]
    repository.put("dinner.mp4", replace(dinner, utterances=silent, people=only, faces=faces))
    corrected = desk.people.corrected("", item)
    assert corrected.people[-1] == Person("r3", "Off", 0.0, 3.0)
    assert corrected.utterances[0].person == "r3"


def test_people_are_in_the_queue_the_agreement_and_the_manifest(
    desk, repository, annotate, say, item, tmp_path
):
    desk.people.identify("", item, "p3", name="Ana")
    desk.people.identify("", item, "p2", same_as="p3")
    offers = {offer.utterance: (offer.person, offer.person_name) for offer in desk.queue("", 9)}
    assert offers["0000"] == ("p1", None)
    assert offers["0002"] == offers["0004"] == ("p3", "Ana")
    for name in offers:
        desk.correct("", item, name, ["sad"], person="p1" if name == "0004" else None)
    share = desk.progress("").people
    assert share.total == 1  # a quarter of five
    alone = repository.put(
        "alone.mp4", annotate([say("x", person="p1")], people=PEOPLE[:1], sha256="b" * 64)
    )
    assert desk.correct("", alone, "0000", []).model.person is None  # there was no choice
    write_manifest(desk.rows(""), tmp_path / "rows.jsonl")
    rows = {row.id: row.person for row in read_manifest(tmp_path / "rows.jsonl")}
    assert rows == {
        "alone.mp4/0000": "alone.mp4/p1",
        "dinner.mp4/0000": "dinner.mp4/p1",
        "dinner.mp4/0002": "Ana",
        "dinner.mp4/0004": "dinner.mp4/p1",
    }


def test_what_was_said_of_people_goes_with_their_annotation(desk, repository, item):
    desk.people.identify("", item, "p3", name="my secret name")
    path = repository.folder / "corrections.sqlite"
    assert b"my secret name" in path.read_bytes()
    with desk.forgetting("", item):
        repository.remove(item)
    assert b"my secret name" not in path.read_bytes()


def test_others_see_nothing_of_it(make_repository, dinner):
    repository = make_repository()
    desk = ReviewDesk([repository])
    mine, theirs = (repository.put("a.mp4", dinner, owner=owner) for owner in "ab")
    made = desk.people.identify("a", mine, "p1", name="Ana")
    assert desk.people.cast("b", theirs).name_of("p1") is None
    with pytest.raises(ConflictError):
        desk.people.undo("b", theirs, made.number)


def test_a_batch_is_converted_with_its_people_as_reviewers_say(dinner, tmp_path):
    dinner.save(tmp_path / "dinner.json")
    values = {"key": "/gone/dinner.mp4", "name": "dinner", "source": "/gone/dinner.mp4"}
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.add([values | {"transcript": None, "size": 1, "version": "1"}])
        ledger.start(values["key"])
        done = {"config": "a", "sha256": "a" * 64, "statistics": None, "seconds": 1.0}
        ledger.finish(values["key"], outputs=["dinner.json"], **done)
    with AnnotatedFolder(tmp_path) as folder:
        desk = ReviewDesk([folder])
        (item,) = desk.items("")
        desk.people.identify("", item.id, "p3", name="Ana")
    (tmp_path / "other.json").write_bytes((tmp_path / "dinner.json").read_bytes())
    files = [str(tmp_path / name) for name in ("dinner.json", "other.json")]
    wanted = ["-f", "json", "-o", str(tmp_path / "new"), "--corrections", str(tmp_path)]
    done = CliRunner().invoke(main, ["convert", *files, *wanted])
    assert done.exit_code == 1
    assert f"{files[1]}: {tmp_path} has no corrections of it" in done.stderr
    assert '"name": "Ana"' in (tmp_path / "new" / "dinner.json").read_text()


OLD = """
CREATE TABLE corrections (
    number INTEGER PRIMARY KEY AUTOINCREMENT, subject TEXT NOT NULL, owner TEXT NOT NULL,
    media TEXT NOT NULL, item TEXT NOT NULL, name TEXT NOT NULL, utterance TEXT NOT NULL,
    text TEXT NOT NULL, repeat INTEGER NOT NULL, speaker TEXT, model_start REAL, model_end REAL,
    labels TEXT, start REAL, "end" REAL, comment TEXT NOT NULL, reviewer TEXT NOT NULL,
    model TEXT NOT NULL, created TEXT NOT NULL, undone TEXT
) STRICT;
INSERT INTO corrections VALUES (7, 's', '', 'm', 'i', 'n', '0001', 'two', 0, NULL, 3.0, 5.0,
    '["sad"]', NULL, NULL, '', 'Ada',
    '{"name": "l", "version": "1", "decisions": {}, "probabilities": {}, "confidences": {}}',
    '2026-01-01T00:00:00.000+00:00', NULL);
PRAGMA user_version = 1;
"""


def test_a_store_of_an_earlier_version_opens_and_one_only_read_stays_as_it_is(tmp_path):
    path = tmp_path / "corrections.sqlite"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD)
    before = path.read_bytes()
    with CorrectionStore(path, read_only=True) as store:
        (made,) = store.in_force("")
        assert (made.number, made.verdict.labels, made.verdict.person) == (7, ("sad",), None)
        assert store.people.history("", "m") == []
    assert path.read_bytes() == before
    for _ in range(2):
        with CorrectionStore(path) as store:
            assert store.in_force("") == [made]
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (2,)
