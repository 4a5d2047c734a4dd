"""Which correction belongs to which utterance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lddu_pipe.review import matching
from lddu_pipe.review.matching import (
    LEAST_OVERLAP,
    LONGEST_TEXT,
    NEAREST,
    Anchor,
    anchors_of,
    match,
    overlap,
)


def timed(identity, start, end, text="", speaker=None):
    return Anchor(identity, text, 0, speaker, start, end)


def test_the_same_cut_matches_itself():
    anchors = [timed(str(i), i, i + 1, f"t{i}") for i in range(5)]
    assert match({item.utterance: item for item in anchors}, anchors) == {
        str(i): str(i) for i in range(5)
    }


def test_a_shifted_cut_matches_and_one_of_halves_does_not():
    known = {"a": timed("0", 0, 4), "b": timed("1", 4, 8)}
    assert match(known, [timed("x", 0.5, 4.2), timed("y", 4.2, 8.1)]) == {"a": "x", "b": "y"}
    halves = [timed(str(i), 2 * i, 2 * i + 2) for i in range(4)]
    assert match(known, halves) == {}  # intersection over union is 0.5, not above it
    assert match(known, [timed("all", 0, 8)]) == {}


def test_the_greatest_overlap_goes_first_one_to_one():
    known = {"late": timed("0", 1, 5), "right": timed("1", 0.1, 4)}
    assert match(known, [timed("x", 0, 4)]) == {"right": "x"}


def test_of_two_who_speak_at_once_each_keeps_their_own_words():
    known = {"a": timed("0", 0, 2, "yes"), "b": timed("1", 0, 2, "no")}
    assert match(known, [timed("x", 0, 2, "no"), timed("y", 0, 2, "yes")]) == {"a": "y", "b": "x"}


def test_without_time_the_kth_of_equal_words_is_the_kth(annotate_text):
    before = anchors_of(annotate_text("No.", "Why?", "No.", "Never."))
    known = {"second": before[2], "never": before[3]}
    after = anchors_of(annotate_text("Well.", "No.", "No.", "Why?"))
    assert match(known, after) == {"second": "0002"}


def test_anchors_have_times_where_the_media_have_a_duration(annotate, say):
    (still,) = anchors_of(annotate([say("")], duration=0.0, audio=False))
    assert (still.start, still.end) == (None, None)
    (spoken,) = anchors_of(annotate([say("", 1, 2)]))
    assert (spoken.start, spoken.end) == (1, 2)


def test_what_has_no_time_never_meets_what_has():
    text = Anchor("0", "hi", 0, None, None, None)
    assert match({"a": text}, [timed("x", 0, 1, "hi")]) == {}
    assert match({"a": timed("x", 0, 1, "hi")}, [text]) == {}


moments = st.integers(0, 60)
spans = st.lists(st.tuples(moments, moments).map(sorted), max_size=12)
speech = st.lists(st.tuples(st.floats(0, 3), st.floats(0.2, 6), st.sampled_from("abc")))


def every_pair(known, utterances):
    """The same by the rule alone: all pairs tried one by one."""
    pairs = sorted(
        (-share, one.text != other.text, one.repeat != other.repeat, i, j)
        for i, one in enumerate(known)
        for j, other in enumerate(utterances)
        if (share := overlap((one.start, one.end), (other.start, other.end))) > LEAST_OVERLAP
    )
    found = {}
    for *_, i, j in pairs:
        if i not in found and str(j) not in found.values():
            found[i] = str(j)
    return found


def spoken(turns):
    """One after the other, with pauses, in milliseconds as an annotation has them."""
    anchors, seen, now = [], {}, 0.0
    for index, (pause, length, text) in enumerate(turns):
        start, now = now + pause, now + pause + length
        repeat = seen[text] = seen.get(text, -1) + 1
        anchors.append(Anchor(str(index), text, repeat, None, round(start, 3), round(now, 3)))
    return anchors


@given(spans, spans)
def test_it_is_the_greedy_one_to_one_assignment(known, utterances):
    known = [timed(str(i), *span) for i, span in enumerate(known)]
    utterances = [timed(str(i), *span) for i, span in enumerate(utterances)]
    assert match(dict(enumerate(known)), utterances) == every_pair(known, utterances)


@given(speech, speech)
def test_of_speech_nothing_is_missed(known, utterances):
    known, utterances = spoken(known), spoken(utterances)
    assert match(dict(enumerate(known)), utterances) == every_pair(known, utterances)


@pytest.mark.parametrize("words", ["the same", "other"])
def test_many_at_the_same_time_are_no_square_of_pairs(words, monkeypatch):
    looked = []
    monkeypatch.setattr(matching, "overlap", lambda *pair: looked.append(1) or overlap(*pair))
    known = {i: Anchor(str(i), "", i, None, 0, 1) for i in range(500)}
    text = "" if words == "the same" else "oh"
    others = [Anchor(str(i), text, i, None, 0, 1) for i in range(500)]
    assert match(known, others) == {i: str(i) for i in range(500)}
    assert len(looked) <= (0 if words == "the same" else 500 * 2 * NEAREST)


def test_of_long_texts_the_beginning_is_kept_and_compared(annotate_text):
    long = "x" * LONGEST_TEXT
    anchors = anchors_of(annotate_text(f"{long} one", "short", f"{long} two"))
    assert [(item.text, item.repeat) for item in anchors] == [(long, 0), ("short", 0), (long, 1)]
    # Also to those that were kept whole.
    whole = Anchor("", f"{long} one", 0, None, None, None)
    assert match({"a": whole, "b": anchors[2]}, anchors) == {"a": "0000", "b": "0002"}


def test_half_a_character_can_be_stored(annotate, say):
    (anchor,) = anchors_of(annotate([say("a\ud800b", 0, 1, speaker="\udc00")]))
    assert (anchor.text, anchor.speaker) == ("a\ufffdb", "\ufffd")
