"""Which correction belongs to which utterance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lddu_pipe.review.matching import LEAST_OVERLAP, Anchor, anchors_of, match, overlap


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


@given(spans, spans)
def test_it_is_the_greedy_one_to_one_assignment(known, utterances):
    """Against all pairs tried one by one, which the window over starts must not miss."""
    anchors = {i: timed(str(i), *span) for i, span in enumerate(known)}
    others = [timed(str(i), *span) for i, span in enumerate(utterances)]
    pairs = sorted(
        (-overlap(one, other), i, j)
        for i, one in enumerate(known)
        for j, other in enumerate(utterances)
        if overlap(one, other) > LEAST_OVERLAP
    )
    expected = {}
    for _, i, j in pairs:
        if i not in expected and str(j) not in expected.values():
            expected[i] = str(j)
    assert match(anchors, others) == expected
