from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lddu_pipe.writers.lanes import Placed, lanes, whole_milliseconds
from lddu_pipe.writers.people import Names
from lddu_pipe.writers.wording import absence, confidence, emotion, percent, summary


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0, "0 %"),
        (0.002, "<1 %"),
        (0.444, "44 %"),
        (0.994, "99 %"),
        (0.9951, ">99 %"),
        (1, "100 %"),
    ],
)
def test_only_certainty_is_called_0_or_100(probability, expected):
    assert percent(probability) == expected


def test_words_for_decisions(predict):
    both = predict("0", 0, 1, "", (0.6, 0.1, 0.9, 0.2, 0.2, 0.2))
    assert summary(both) == "[anger 90 %, happy 60 %]"
    assert (emotion(both), confidence(both)) == ("anger+happy", "0.90+0.60")
    none = predict("0", 0, 1, "", (0.1, 0.3, 0.2, 0.2, 0.2, 0.2))
    assert (summary(none), emotion(none), confidence(none)) == ("[no emotion]", "none", "0.70")
    abstained = predict("0", 0, 1, "", (0.1,) * 6, abstained=True)
    assert (summary(abstained), emotion(abstained)) == ("[undecided]", "undecided")
    unlabelled = replace(none, emotions=())
    assert (summary(unlabelled), confidence(unlabelled)) == ("[no emotion]", "1.00")


def test_one_undecided_label_leaves_the_utterance_undecided_unless_another_is_present(predict):
    sad, happy = predict("0", 0, 1, "", (0.9, 0.4, 0.1, 0.1, 0.1, 0.1)).emotions[1::-1]
    doubt = replace(sad, decision="abstain")
    utterance = predict("0", 0, 1, "", (0.1,) * 6)
    assert absence(replace(utterance, emotions=(doubt,))) == "undecided"
    assert summary(replace(utterance, emotions=(doubt, happy))) == "[happy 90 %]"


def test_times_are_rounded_to_milliseconds_and_never_without_length(predict):
    spans = [(1.0004, 2.0006), (1.2, 1.2), (1.2, 1.20049), (0.1 + 0.2, 0.7)]
    assert [whole_milliseconds(predict("0", *span, "", (0.1,) * 6)) for span in spans] == [
        (1000, 2001),
        (1200, 1201),
        (1200, 1201),
        (300, 700),
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(1, 20), st.sampled_from([None, "", "Ana", "Bo"]))
    )
)
def test_lanes_hold_every_utterance_once_and_no_overlap(predict, utterances):
    places = [
        Placed(
            start,
            start + length,
            predict(str(n), start, start + length, "", (0.1,) * 6, speaker=speaker),
        )
        for n, (start, length, speaker) in enumerate(utterances)
    ]
    found = lanes(places, Names())
    assert len({lane.name("text") for lane in found}) == len(found)
    held = [place.prediction.id for lane in found for place in lane.places]
    assert sorted(held) == sorted(place.prediction.id for place in places)
    for lane in found:
        assert {place.prediction.speaker or None for place in lane.places} <= {lane.who}
        ends = [place.end for place in lane.places]
        assert all(end <= place.start for end, place in zip(ends, lane.places[1:], strict=False))
    # No more lanes than the greatest number of utterances of a speaker at one moment.
    for speaker in {lane.who for lane in found}:
        own = [place for place in places if (place.prediction.speaker or None) == speaker]
        most = max((sum(p.start <= q.start < p.end for p in own) for q in own), default=1)
        assert sum(lane.who == speaker for lane in found) == most
