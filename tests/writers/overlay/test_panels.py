"""What stands in panels and captions, and that it can be read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.predictions import Uncertainty
from lddu_pipe.types import MODALITIES
from lddu_pipe.writers.overlay.panels import EMOTIONS, Panels, _in_order, _Word
from lddu_pipe.writers.overlay.scene import Caption, ShownFace
from lddu_pipe.writers.terminal import HIGH_EPISTEMIC

HAPPY = EMOTIONS[0]


@pytest.fixture
def panels(three_people):
    return Panels(three_people, 1280, 720)


def face(annotation, index, utterance=None):
    return ShownFace(annotation.faces[index], (0.1, 0.1, 0.2, 0.2), utterance, speaks=False)


def filled(image, colour):
    return int((np.asarray(image)[:, :, :3] == colour).all(axis=2).sum())


@pytest.mark.parametrize(
    ("size", "letters"),
    [((640, 360), 12), ((360, 640), 12), ((1920, 1080), 28), ((3840, 2160), 56)],
)
def test_letters_grow_with_the_picture_and_panels_leave_room(three_people, size, letters):
    panels = Panels(three_people, *size)
    assert panels.unit == letters
    image = panels.of_face(face(three_people, 0, three_people.utterances[0]))
    assert image.width < 0.55 * size[0]
    assert image.height < 0.3 * size[1]


def test_a_bar_is_as_long_as_the_emotion_is_probable(three_people, panels):
    happy = three_people.utterances[0]
    less = replace(
        happy,
        emotions=tuple(
            replace(score, probability=0.5) if score.label == "happy" else score
            for score in happy.emotions
        ),
    )
    full, half = (filled(panels.of_face(face(three_people, 0, p)), HAPPY) for p in (happy, less))
    assert half / full == pytest.approx(0.5 / 0.9, abs=0.05)


def test_what_was_abstained_from_has_hollow_bars_and_says_so(three_people, panels):
    happy = three_people.utterances[0]
    doubted = tuple(replace(score, decision="abstain") for score in happy.emotions)
    undecided = replace(happy, emotions=doubted, abstained=True)
    sure = panels.of_face(face(three_people, 0, happy))
    unsure = panels.of_face(face(three_people, 0, undecided))
    assert filled(unsure, HAPPY) < 0.5 * filled(sure, HAPPY)
    assert unsure.width > panels.of_face(face(three_people, 0)).width  # "undecided"
    missing = dict.fromkeys(MODALITIES, Absent(Reason.NOT_IN_ROW))
    nothing = replace(undecided, missing=missing)
    assert filled(panels.of_face(face(three_people, 0, nothing)), HAPPY) == 0


def test_doubt_has_a_line_of_its_own(three_people, panels):
    happy = three_people.utterances[0]
    heights = [
        panels.of_face(
            face(
                three_people,
                0,
                replace(
                    happy,
                    emotions=tuple(replace(score, uncertainty=doubt) for score in happy.emotions),
                ),
            )
        ).height
        for doubt in (Uncertainty(0.2, 0.02), Uncertainty(0.2, HIGH_EPISTEMIC))
    ]
    assert heights[1] - heights[0] == round(1.32 * panels.unit)


def test_long_words_are_said_on_pages_that_fit_and_leave_none_out(three_people):
    words = [f"word{number}" for number in range(60)]
    spoken = three_people.utterances[0]
    long = replace(spoken, utterance=replace(spoken.utterance, text=" ".join(words)))
    panels = Panels(three_people, 640, 360)
    caption = Caption(long, seen=True)
    times = np.linspace(long.start, long.end, 50, endpoint=False)
    pages = [panels.page_of(caption, float(time)) for time in times]
    assert pages == sorted(pages)
    assert len(set(pages)) > 2
    told = [
        word.text
        for page in sorted(set(pages))
        for line in panels._pages_of(caption)[page]
        for word in line
        if word.text != "Ana:"
    ]
    assert told == words
    for page in set(pages):
        assert panels.of_caption(caption, page).width <= 640
    endless = replace(spoken, utterance=replace(spoken.utterance, text="x" * 2000))
    assert panels.of_caption(Caption(endless, seen=False), 0).width <= 640


HELLO, YOU = "\u05e9\u05dc\u05d5\u05dd", "\u05dc\u05da"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"I said {HELLO} {YOU} to her", ["I", "said", YOU, HELLO, "to", "her"]),
        ("all in order", ["all", "in", "order"]),
    ],
)
def test_words_from_right_to_left_are_drawn_in_their_order(text, shown):
    line = [_Word(word, (255, 255, 255)) for word in text.split()]
    assert [word.text for word in _in_order(line)] == shown


def test_text_without_blanks_is_broken_into_lines_that_fit(three_people):
    spoken = three_people.utterances[0]
    chinese = replace(
        spoken, utterance=replace(spoken.utterance, text="\u6211\u5f88\u9ad8\u5174" * 40)
    )
    panels = Panels(three_people, 640, 360)
    caption = Caption(chinese, seen=True)
    told = [
        word.text
        for page in panels._pages_of(caption)
        for line in page
        for word in line
        if word.text != "Ana:"
    ]
    assert "".join(told) == chinese.text
    word = _Word("\u6211", (255, 255, 255))
    assert panels._length_of([word, word]) == pytest.approx(2 * panels._length_of([word]), abs=1)
