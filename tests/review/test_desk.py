"""Reviewing, as the server and the command line do it."""

from __future__ import annotations

from dataclasses import replace
from threading import Barrier, Thread

import pytest

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.review import desk as desks
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.identities import ConflictError
from lddu_pipe.review.repository import UnknownItemError
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.review.survey import survey
from lddu_pipe.review.verdicts import UnfitVerdictError


@pytest.fixture
def desk(repository):
    return ReviewDesk([repository])


@pytest.fixture
def talk(annotate, say):
    return annotate([say("one", 0, 2), say("two", 2, 4, present=["happy"]), say("three", 4, 6)])


def test_a_correction_is_found_with_its_utterance(desk, repository, talk):
    item = repository.put("talk.mp4", talk)
    made = desk.correct("", item, "0001", ["anger", "sad"], reviewer=" Ada ", comment="loud")
    assert made.verdict.labels == ("sad", "anger")  # in the order of the model
    assert (made.verdict.reviewer, made.verdict.comment) == ("Ada", "loud")
    assert made.model.decisions == {"happy": "present", "sad": "absent", "anger": "absent"}
    assert made.model.probabilities["happy"] == 0.9
    assert (made.anchor.text, made.anchor.start, made.anchor.end) == ("two", 2.0, 4.0)
    assert (made.media, made.item, made.name) == ("a" * 64, item, "talk.mp4")
    found = desk.corrections("", item)
    assert (list(found.in_force), list(found.unmatched)) == ([made], [])
    assert list(found.history) == [made]
    assert desk.judged("") == {item: 1}


def test_corrections_follow_one_another_and_walk_back(desk, repository, talk):
    item = repository.put("talk.mp4", talk)
    first = desk.correct("", item, "0001", ["sad"])
    second = desk.correct("", item, "0001", [], replaces=first.number)
    third = desk.correct("", item, "0001", None, replaces=second.number)
    assert first.subject == second.subject == third.subject
    with pytest.raises(ConflictError):
        desk.correct("", item, "0001", ["happy"], replaces=first.number)
    assert desk.undo("", item, third.number) == second
    assert desk.undo("", item, second.number) == first
    assert desk.undo("", item, first.number) is None
    found = desk.corrections("", item)
    assert not found.in_force
    assert not found.unmatched
    assert [entry.number for entry in found.history] == [3, 2, 1]
    again = desk.correct("", item, "0001", ["happy"])
    assert again.subject == first.subject


def test_of_two_who_correct_the_same_utterance_at_once_one_is_told(desk, repository, talk):
    """Though there was no correction yet that both could have named."""
    item = repository.put("talk.mp4", talk)
    other = ReviewDesk([repository])
    barrier, results = Barrier(2), []

    def work(at, label):
        barrier.wait()
        try:
            results.append(at.correct("", item, "0000", [label]))
        except ConflictError as error:
            results.append(error)

    threads = [Thread(target=work, args=pair) for pair in ((desk, "sad"), (other, "happy"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(result, ConflictError) for result in results) == 1
    assert len(desk.corrections("", item).in_force) == 1


def test_after_another_annotation_corrections_find_their_utterances_again(
    desk, repository, annotate, say, talk
):
    item = repository.put("talk.mp4", talk)
    for utterance, label in (("0000", "happy"), ("0001", "sad"), ("0002", "anger")):
        desk.correct("", item, utterance, [label])
    anew = [say("no", 0, 0.4), say("one", 0.4, 2.1), say("two, three", 2.1, 7)]
    repository.put("talk.mp4", annotate(anew, model="other"))
    found = desk.corrections("", item)
    assert [(entry.anchor.utterance, entry.verdict.labels) for entry in found.in_force] == [
        ("0001", ("happy",))
    ]
    assert [entry.anchor.text for entry in found.unmatched] == ["two", "three"]
    # The next correction of the utterance goes on with the same subject, under the new cut.
    (old,) = found.in_force
    new = desk.correct("", item, "0001", ["anger"], replaces=old.number)
    assert (new.subject, new.anchor.start, new.model.name) == (old.subject, 0.4, "other")
    with pytest.raises(ConflictError):
        desk.undo("", item, old.number)
    (lost,) = [entry for entry in found.unmatched if entry.anchor.text == "two"]
    assert desk.undo("", item, lost.number) is None


def test_who_looks_at_an_annotation_that_was_replaced_is_told(
    desk, repository, annotate, say, talk
):
    """Or the correction would be of another utterance, which now goes by the same id."""
    item = repository.put("talk.mp4", talk)
    seen = talk.provenance.created
    first = desk.correct("", item, "0000", ["sad"], annotated=seen)
    anew = annotate([say("other", 10, 12)])
    repository.put(
        "talk.mp4", replace(anew, provenance=replace(anew.provenance, created="2026-11-29T00:00"))
    )
    with pytest.raises(ConflictError, match="annotated anew; look again"):
        desk.correct("", item, "0000", ["happy"], annotated=seen)
    found = desk.corrections("", item)
    assert (list(found.in_force), list(found.unmatched)) == ([], [first])


def test_where_an_utterance_takes_the_place_of_another_both_can_be_corrected(
    desk, repository, annotate, say
):
    """One speaker's correction moved on with its utterance; another spoke where that had stood."""
    item = repository.put("talk.mp4", annotate([say("yes", 0, 4)]))
    first = desk.correct("", item, "0000", ["sad"])
    repository.put("talk.mp4", annotate([say("yes", 0, 3)]))
    desk.correct("", item, "0000", ["happy"], replaces=first.number)
    repository.put("talk.mp4", annotate([say("yes", 0, 3), say("yes", 0, 4)]))
    made = desk.correct("", item, "0001", ["anger"])
    assert made.subject != first.subject
    assert len(desk.corrections("", item).in_force) == 2


def test_an_utterance_that_wandered_off_leaves_its_place_to_another(
    desk, repository, annotate, say
):
    """Step by step it is the same; what stands where it began is another one."""
    item, last = repository.put("talk.mp4", annotate([say("", 0, 4)])), None
    for start in (0, 1.2, 2.4):
        repository.put("talk.mp4", annotate([say("", start, start + 4)]))
        made = desk.correct("", item, "0000", [], replaces=last and last.number)
        assert last is None or made.subject == last.subject
        last = made
    repository.put("talk.mp4", annotate([say("", 0, 4)]))
    assert list(desk.corrections("", item).unmatched) == [last]
    assert desk.correct("", item, "0000", ["sad"]).subject != last.subject


def test_what_was_said_of_a_file_that_changed_is_kept_apart(desk, repository, talk):
    item = repository.put("talk.mp4", talk)
    made = desk.correct("", item, "0000", ["sad"])
    repository.put("talk.mp4", replace(talk, media=replace(talk.media, sha256="b" * 64)))
    found = desk.corrections("", item)
    assert (list(found.in_force), list(found.unmatched)) == ([], [made])
    assert desk.correct("", item, "0000", ["happy"]).subject != made.subject


def test_the_same_media_twice_is_reviewed_once(desk, repository, talk):
    first, second = repository.put("talk.mp4", talk), repository.put("copy.mp4", talk)
    made = desk.correct("", first, "0000", ["sad"])
    assert list(desk.corrections("", second).in_force) == [made]
    assert desk.progress("").utterances == 3
    assert desk.progress("").judged == 1
    assert desk.judged("") == {first: 1, second: 1}
    repository.remove(first)
    assert list(desk.corrections("", second).in_force) == [made]


def test_repositories_with_the_same_media_are_reviewed_apart(make_repository, talk):
    """As their corrections are in files of their own."""
    jobs, folder = make_repository("jobs"), make_repository("folder", shared=True)
    desk = ReviewDesk([jobs, folder])
    one, other = jobs.put("talk.mp4", talk), folder.put("talk", talk)
    desk.correct("", one, "0000", ["sad"])
    assert desk.judged("") == {one: 1, other: 0}
    assert (desk.progress("").utterances, desk.progress("").judged) == (6, 1)
    assert not desk.corrections("", other).in_force
    assert len(desk.rows("").rows) == 1


def test_parts_of_one_recording_show_each_what_was_said_of_it(desk, repository, annotate, say):
    """As rows of a manifest that cuts a recording."""
    parts = [repository.put(f"{i}", annotate([say("", 2 * i, 2 * i + 2)])) for i in range(3)]
    made = [desk.correct("", part, "0000", []) for part in parts]
    for part, correction in zip(parts, made, strict=True):
        found = desk.corrections("", part)
        assert (list(found.in_force), list(found.unmatched)) == ([correction], [])
        assert list(found.history) == [correction]
    assert desk.progress("").utterances == desk.progress("").judged == 3


def test_texts_hold_to_their_words(desk, repository, annotate_text):
    item = repository.put("a.txt", annotate_text("No.", "Why?", "No."))
    other = repository.put("b.txt", annotate_text("No.", "No."))
    made = desk.correct("", item, "0002", ["anger"])
    assert (made.media, made.anchor.start, made.anchor.repeat) == (f"item:{item}", None, 1)
    assert not desk.corrections("", other).in_force
    repository.put("a.txt", annotate_text("Oh.", "No.", "No."))
    (found,) = desk.corrections("", item).in_force
    assert found.anchor.utterance == "0002"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"utterance": "9999"}, "no utterance '9999'"),
        ({"labels": ["joy"]}, "unknown label 'joy'; known are: happy, sad, anger"),
        ({"labels": ["sad", "sad"]}, "given twice"),
        ({"start": 1.0}, "both start and end"),
        ({"start": 2.0, "end": 2.0}, "2 to 2 s is no span within 0 to 60.000 s"),
        ({"start": -1.0, "end": 2.0}, "no span"),
        ({"start": 1.0, "end": 61.0}, "no span"),
        ({"start": float("nan"), "end": 2.0}, "no span"),
        ({"start": 1.0, "end": float("inf")}, "no span"),
        ({"start": 1.0, "end": 1.0004}, "millisecond"),
        ({"comment": "x" * 2001}, "comment is longer than 2000"),
        ({"reviewer": "x" * 101}, "reviewer is longer than 100"),
        ({"comment": "\ud800"}, "half a character"),
    ],
)
def test_what_is_wrong_is_one_line(desk, repository, talk, changes, words):
    item = repository.put("talk.mp4", talk)
    with pytest.raises(UnusableInputError, match=words) as error:
        desk.correct("", item, **{"utterance": "0000", "labels": []} | changes)
    assert "\n" not in str(error.value)
    assert not desk.corrections("", item).history


def test_spans(desk, repository, annotate, annotate_text, say):
    item = repository.put(
        "talk.mp4", annotate([say("a", 0, 2.001), say("b", 3, 4)], duration=2.0004)
    )
    made = desk.correct("", item, "0000", [], 0.25, 1.5)
    assert (made.verdict.start, made.verdict.end) == (0.25, 1.5)
    made = desk.correct("", item, "0000", [], 0.0, 2.001, replaces=made.number)
    assert (made.verdict.start, made.verdict.end) == (None, None)  # the model's own, though past
    text = repository.put("a.txt", annotate_text("Hello."))
    with pytest.raises(UnusableInputError, match="no time"):
        desk.correct("", text, "0000", [], 0.0, 1.0)


def test_owners_are_as_if_the_others_did_not_exist(make_repository, talk, annotate_text):
    jobs, folder = make_repository("jobs"), make_repository("folder", shared=True)
    desk = ReviewDesk([jobs, folder])
    mine, theirs = jobs.put("talk.mp4", talk, owner="a"), jobs.put("talk.mp4", talk, owner="b")
    shared = folder.put("a.txt", annotate_text("Hello."))
    assert {item.id for item in desk.items("a")} == {mine, shared}
    assert desk.find("a", theirs) is None
    made = desk.correct("a", mine, "0000", ["sad"])
    for action in (
        lambda: desk.corrections("b", mine),
        lambda: desk.correct("b", mine, "0000", []),
        lambda: desk.undo("b", mine, made.number),
        lambda: desk.annotation("b", mine),
        lambda: desk.media("b", mine),
    ):
        with pytest.raises(UnknownItemError):
            action()
    assert not desk.corrections("b", theirs).history  # of the same media
    with pytest.raises(ConflictError):
        desk.undo("b", theirs, made.number)
    assert (desk.progress("a").judged, desk.progress("b").judged) == (1, 0)
    seen = desk.correct("a", shared, "0000", ["happy"])
    assert list(desk.corrections("b", shared).in_force) == [seen]
    assert desk.undo("b", shared, seen.number) is None


def test_the_queue_offers_what_is_doubtful_and_what_is_random(desk, repository, annotate, say):
    sure = [say(f"sure {i}", i, i + 1, confidence=0.95) for i in range(12)]
    doubtful = [say(f"doubtful {i}", 20 + i, 21 + i, confidence=0.6) for i in range(4)]
    item = repository.put("talk.mp4", annotate([*sure, *doubtful]))
    offered = desk.queue("", 6)
    assert [offer.why for offer in offered] == [
        "random",
        *["uncertain"] * 3,
        "random",
        "uncertain",
    ]
    assert all(offer.text.startswith("doubtful") for offer in offered if offer.why == "uncertain")
    first = offered[1]
    assert first.uncertainty == pytest.approx(3 * 0.4)
    assert (first.item, first.name, first.end) == (item, "talk.mp4", first.start + 1)
    for number, offer in enumerate(offered):
        assert desk.queue("", 1) == [offer], number
        desk.correct("", item, offer.utterance, None if number == 2 else [])
    progress = desk.progress("")
    assert (progress.utterances, progress.judged, progress.unsure) == (16, 6, 1)
    assert (progress.sample, progress.sample_unsure) == (1, 0)
    while desk.queue("", 1):
        (offer,) = desk.queue("", 1)
        desk.correct("", item, offer.utterance, [])
    assert desk.progress("").judged == 16


def test_what_failed_is_listed_and_cannot_be_reviewed(desk, repository, talk):
    item = repository.put("bad.mp4", None)
    good = repository.put("talk.mp4", talk, created="2026-11-28T11:00:00+00:00")
    assert [found.id for found in desk.items("")] == [good, item]
    with pytest.raises(UnusableInputError, match=r"bad.mp4 could not be annotated: no such codec"):
        desk.correct("", item, "0000", [])
    assert len(desk.queue("", 10)) == 3


def test_an_annotation_that_is_gone_or_damaged_stops_nothing_else(desk, repository, talk):
    item, good = repository.put("bad.mp4", talk), repository.put("talk.mp4", talk)
    repository.annotation(desk.find("", item)).write_text("{")
    assert {offer.item for offer in desk.queue("", 10)} == {good}
    repository.annotation(desk.find("", item)).unlink()
    assert desk.progress("").utterances == 3
    with pytest.raises(UnusableInputError, match=r"bad\.mp4: No such file"):
        desk.corrections("", item)


def test_what_can_be_played(desk, repository, tmp_path, annotate, annotate_text, say):
    media = tmp_path / "media"
    kinds = {
        "video": annotate([say("")]),
        "audio": annotate([say("")], video=False),
        "picture": annotate([say("")], audio=False, duration=0.0),
        "none": annotate_text("Hello."),
    }
    for kind, annotation in kinds.items():
        item = repository.put(kind, annotation, media=media)
        assert desk.media("", item) == (None if kind == "none" else media, kind)
    assert desk.media("", repository.put("gone", kinds["video"])) == (None, "video")


def test_annotations_are_read_once_as_long_as_they_do_not_change(
    desk, repository, talk, monkeypatch
):
    repository.put("talk.mp4", talk)
    desk.queue("")
    from lddu_pipe.review import candidates

    monkeypatch.setattr(candidates, "open_annotation", None)
    assert len(desk.queue("")) == 3


def test_all_is_put_together_anew_only_after_something_has_changed(
    desk, repository, talk, annotate, say, monkeypatch
):
    made = []
    monkeypatch.setattr(desks, "survey", lambda *given: made.append(1) or survey(*given))

    def is_anew():
        made.clear()
        desk.queue("")
        desk.progress("")
        judged = desk.judged("")
        anew = len(made)
        fresh = ReviewDesk([repository])
        assert judged == fresh.judged("")
        assert desk.queue("") == fresh.queue("")
        assert anew < 2
        return bool(anew)

    item = repository.put("talk.mp4", talk)
    assert is_anew()
    assert not is_anew()
    desk.correct("", item, "0001", ["sad"])
    assert is_anew()
    assert not is_anew()
    with CorrectionStore(repository.folder / "corrections.sqlite") as elsewhere:
        elsewhere.undo(1, "")
    assert is_anew()
    repository.put("talk.mp4", annotate([say("only", 0, 3)]))
    assert is_anew()
    repository.put("other.mp4", annotate([say("more", 0, 3)], sha256="b"))
    assert is_anew()
    repository.remove(item)
    assert is_anew()
    assert not is_anew()


def test_what_was_said_of_one_utterance_has_a_limit(desk, repository, talk, monkeypatch):
    monkeypatch.setattr(desks, "MOST_CORRECTIONS", 3)
    item = repository.put("talk.mp4", talk)
    first = desk.correct("", item, "0001", ["sad"])
    second = desk.correct("", item, "0001", [], replaces=first.number)
    desk.correct("", item, "0001", None, replaces=second.number)
    desk.undo("", item, 3)
    with pytest.raises(UnfitVerdictError, match="utterance 0001 has 3 corrections already"):
        desk.correct("", item, "0001", ["happy"], replaces=second.number)
    assert desk.undo("", item, second.number) == first
    assert desk.correct("", item, "0000", ["happy"]).verdict.labels == ("happy",)


def test_half_a_character_is_no_hindrance(desk, repository, annotate, say):
    item = repository.put("talk.mp4", annotate([say("aHALF", 0, 2, speaker="HALF")]))
    file = (
        repository.folder / f"{item}.json"
    )  # from another program: JSON can hold it, UTF-8 cannot
    file.write_text(file.read_text().replace("HALF", "\\ud800"))
    made = desk.correct("", item, "0000", ["sad"])
    assert (made.anchor.text, made.anchor.speaker) == ("a\ufffd", "\ufffd")
    assert list(desk.corrections("", item).in_force) == [made]


def test_whether_there_are_media_is_told_of_what_can_be_shown(
    desk, repository, talk, annotate_text, tmp_path
):
    there = repository.put("talk.mp4", talk, media=tmp_path)
    gone = repository.put("gone.mp4", talk)
    text = repository.put("a.txt", annotate_text("one"), media=tmp_path)
    assert [desk.has_media("", item) for item in (there, gone, text)] == [True, False, False]
    with pytest.raises(UnknownItemError):
        desk.has_media("", "nothing")
    with pytest.raises(UnusableInputError, match="could not be annotated"):
        desk.has_media("", repository.put("bad.mp4", None))
