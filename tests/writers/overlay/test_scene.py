"""What is to be seen of an annotation at a moment."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lddu_pipe.annotation import Face
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.writers.overlay.scene import Scene, box_at

LEFT, RIGHT = (0.0, 0.2, 0.2, 0.4), (0.4, 0.2, 0.6, 0.4)


def at(boxes, time, fps=10.0, start=1.0):
    box = box_at(Face("f1", "p1", start, fps, tuple(boxes)), time)
    return None if box is None else round(box[0], 4)


@pytest.mark.parametrize(
    ("boxes", "time", "left"),
    [
        ((LEFT, RIGHT), 1.0, 0.0),
        ((LEFT, RIGHT), 1.05, 0.2),  # half-way
        ((LEFT, RIGHT), 1.19, 0.4),  # until the next would come
        ((LEFT, RIGHT), 1.21, None),
        ((LEFT, RIGHT), 0.96, 0.0),
        ((LEFT, RIGHT), 0.9, None),
        ((LEFT, None, None, RIGHT), 1.15, 0.2),  # a moment without it would flicker
        ((LEFT, None, None, None, None, RIGHT), 1.25, None),
        ((LEFT, None, None, None, None, RIGHT), 1.47, 0.4),
        ((None, None), 1.0, None),
        ((), 1.0, None),
    ],
)
def test_a_box_is_between_those_that_are_known(boxes, time, left):
    assert at(boxes, time) == left


def shown(moment):
    faces = {item.face.id: (item.prediction and item.prediction.id) for item in moment.faces}
    return faces, [(item.prediction.id, item.seen) for item in moment.captions]


def test_a_moment_has_faces_with_what_they_show_and_words_below(three_people):
    scene = Scene(three_people)
    assert shown(scene.at(0.5)) == ({"f1": "0000", "f2": None}, [("0000", True)])
    assert shown(scene.at(2.7)) == (
        {"f1": "0000", "f2": "0001"},
        [("0000", True), ("0002", False)],  # who has no face is told below with all
    )
    # Of Ana, whose face is lost, there is no word to tell, and so nothing below the picture.
    assert shown(scene.at(4.25)) == ({"f2": "0001"}, [("0002", False)])
    assert shown(scene.at(8.5)) == ({"f1": None, "f2": "0004"}, [("0006", False)])
    assert shown(scene.at(60.0)) == ({}, [])


def test_the_face_of_who_is_heard_speaks_and_that_of_a_listener_does_not(three_people):
    scene = Scene(three_people)
    assert [item.speaks for item in scene.at(2.7).faces] == [True, False]
    assert [item.speaks for item in scene.at(3.5).faces] == [False, False]


def test_of_one_person_the_face_has_what_was_judged_of_it(three_people):
    """Who speaks is not known, yet the face was looked at."""
    alone = three_people.of("Ana")
    spoken = replace(
        alone.utterances[0], utterance=replace(alone.utterances[0].utterance, person=None)
    )
    scene = Scene(replace(alone, utterances=[spoken]))
    assert shown(scene.at(0.5)) == ({"f1": "0000"}, [("0000", True)])
    assert not scene.at(0.5).faces[0].speaks
    unseen = replace(spoken, missing={"vision": Absent(Reason.NO_FACE)})
    scene = Scene(replace(alone, utterances=[unseen]))
    assert shown(scene.at(0.5)) == ({"f1": None}, [("0000", False)])


def test_times_and_rates_beyond_reason_cost_nothing(three_people):
    wild = [
        Face("f1", "p1", 1e15, 10.0, (LEFT,)),
        Face("f2", "p1", 0.0, 0.0, (LEFT,)),
        Face("f3", "p1", 0.0, 1e-9, (LEFT, RIGHT)),
    ]
    scene = Scene(replace(three_people, faces=wild))
    assert list(shown(scene.at(0.5))[0]) == ["f3"]
