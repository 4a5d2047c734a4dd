from __future__ import annotations

from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from lddu_pipe.annotation import ModelInfo, SourceInfo
from lddu_pipe.events import FacesSeen, FollowedFace, StreamOpened, UnitJudged, WordsHeard
from lddu_pipe.evidence import Absent, ModalitySequence, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.types import Cue, TimeSpan, Utterance
from lddu_pipe.writers.live import Lines, LiveView, Pace

LABELS = ("happy", "sad", "anger")


def prediction(person="p1", start=0.0, end=3.0, text="What news!", abstained=False, **more):
    scores = {"happy": (0.81, "present", 0.02), "sad": (0.4, "abstain", 0.2)}
    scores |= {"anger": (0.03, "absent", 0.0)} | more.pop("scores", {})
    emotions = tuple(
        EmotionScore(label, share, decision, max(share, 1 - share), Uncertainty(0.1, spread))
        for label, (share, decision, spread) in scores.items()
    )
    missing = {name: Absent(Reason.NO_FACE) for name in more.pop("missing", ())}
    utterance = Utterance("~0", TimeSpan(start, end), text, person=person, **more)
    return Prediction(utterance, emotions, missing, abstained)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Paper(StringIO):
    encoding = ""

    def __init__(self, encoding):
        super().__init__()
        self.encoding = encoding


class Screen:
    """A view and what it looks like."""

    def __init__(self, width=90, height=30, encoding="utf-8"):
        self.console = Console(
            file=Paper(encoding), width=width, height=height, force_terminal=False
        )
        self.clock = Clock()
        self.pace = Pace(0.42, 0.0)
        self.view = LiveView(self.console, "v4l2:/dev/video0", lambda: self.pace, self.clock)
        model = ModelInfo("lddu-base-en", "1.0.0", LABELS, aligned=False)
        self.view.take(StreamOpened(SourceInfo("", "", 0.0, True, True), model, {}))

    def judged(self, *predictions, final=False):
        for item in predictions:
            self.view.take(UnitJudged(item, final))

    @property
    def lines(self):
        with self.console.capture() as drawn:
            self.console.print(self.view)
        return [line.rstrip() for line in drawn.get().splitlines()]

    @property
    def text(self):
        return "\n".join(self.lines)


def test_one_person_has_bars_doubt_words_and_no_name():
    screen = Screen(width=62)
    screen.judged(prediction())
    screen.clock.now += 3.2
    assert screen.lines == [
        "╭────────────────────────────────────────────────────────────╮",
        "│ happy  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━──────  81 %            │",
        "│ sad    ━━━━━━━╍╍╍╍╍╍╍╍╍╍╍╍╍──────────────  40 %  undecided │",
        "│ anger  ━─────────────────────────────────   3 %            │",
        "│ What news!                                                 │",
        "╰──────────────────────────────────── by words, voice, face ─╯",
        "● 0:03  0.4 s behind  Ctrl-C ends it  v4l2:/dev/video0",
    ]


def test_terminals_without_unicode_get_plain_signs():
    screen = Screen(width=62, encoding="ascii")
    screen.judged(prediction())
    assert screen.text.isascii()
    assert "=======~~~~~~~~~~~~~----" in screen.text


def test_several_people_have_names_and_stand_beside_each_other():
    screen = Screen(width=90)
    screen.judged(prediction("p1"), prediction("p2", text="", kind="silence", missing=["text"]))
    screen.judged(prediction(None, text="Somebody else."))
    assert screen.lines[0].startswith("╭─ p1 ───")
    assert "╭─ p2 ───" in screen.lines[0]
    assert "only seen" in screen.lines[4]
    assert "by voice, face" in screen.lines[5]
    assert screen.lines[6].startswith("╭─ person not known ─")
    assert all(len(line) <= 90 for line in screen.lines)


def test_a_terminal_that_is_too_low_says_who_is_not_shown():
    screen = Screen(width=50, height=12)
    screen.judged(*[prediction(f"p{number}") for number in range(1, 4)])
    assert "and 2 more, for whom there is no room" in screen.text
    assert len(screen.lines) <= 12


def test_what_is_undecided_or_blind_says_so():
    screen = Screen()
    screen.judged(prediction(abstained=True))
    assert "undecided" in screen.lines[0]
    assert screen.text.count("undecided") == 1
    screen.judged(prediction(missing=["text", "audio", "vision"], abstained=True))
    assert "nothing to go by" in screen.text


def test_a_doubtful_label_that_is_present_is_marked():
    screen = Screen()
    screen.judged(
        prediction(scores={"happy": (0.7, "present", 0.15), "anger": (0.2, "absent", 0.2)})
    )
    assert [line.count("uncertain") for line in screen.lines[1:4]] == [1, 0, 0]


def test_of_many_labels_the_likeliest_keep_their_order():
    many = {f"label {number}": (number / 20, "absent", 0.0) for number in range(12)}
    screen = Screen()
    screen.view.take(
        StreamOpened(
            SourceInfo("", "", 0.0, True, True),
            ModelInfo("own", "1", (*LABELS, *many), aligned=False),
            {},
        )
    )
    screen.judged(prediction(scores=many))
    assert [line.split()[1] for line in screen.lines[1:4]] == ["happy", "sad", "label"]
    assert [line.split()[2] for line in screen.lines[3:7]] == ["8", "9", "10", "11"]


def test_long_words_show_their_end_and_nothing_a_terminal_obeys():
    screen = Screen(width=60)
    screen.judged(prediction(text="First \x1b[31m " + "and so on " * 20 + "at last."))
    assert "… so on and so on" in screen.lines[4]
    assert "at last. │" in screen.lines[4]
    assert "\x1b" not in screen.text


def test_who_is_gone_leaves_and_who_is_in_view_stays():
    screen = Screen()
    screen.judged(prediction("p1"), prediction("p2"))
    screen.clock.now += 3
    steps = ModalitySequence(
        values=np.zeros((1, 1), np.float32),
        valid=np.ones(1, bool),
        modality="vision",
        spans=np.array([[3.0, 3.1]]),
        feature_names=("x",),
        fingerprint="",
    )
    face = FollowedFace(0, steps, person="p2")
    screen.view.take(FacesSeen((face, face._replace(person="p9")), 3.1))
    screen.clock.now += 2
    assert "p1" not in screen.text
    assert "p2" in screen.text
    screen.clock.now += 9
    assert screen.lines[0] == "nobody is seen or heard"


def test_a_voice_that_turns_out_to_be_somebodys_leaves_one_card():
    screen = Screen()
    screen.judged(prediction(None))
    known = prediction("p1", text="It is mine.")
    screen.view.take(UnitJudged(known, False, replaces="~0"))
    assert screen.text.count("╭") == 1
    assert "It is mine." in screen.text
    assert "person not known" not in screen.text


def test_a_late_final_result_does_not_hide_the_next_running_one():
    screen = Screen()
    screen.judged(prediction(start=5.0, end=6.0, text="Now."))
    screen.judged(prediction(start=0.0, end=5.0, text="Before."), final=True)
    assert "Now." in screen.text
    assert "Before." not in screen.text
    screen.judged(prediction(start=5.0, end=7.0, text="Now it is over."), final=True)
    assert "Now it is over." in screen.text


def test_last_words_are_shown_until_they_are_judged():
    screen = Screen(width=60)
    for text in ("We went to the sea", "and it was " * 12, "cold."):
        screen.view.take(WordsHeard((Cue(text, TimeSpan(0, 1 + len(text)), ()),)))
    heard = screen.lines[-2]
    assert heard.startswith("heard … ")
    assert heard.endswith("it was cold.")
    assert len(heard) <= 60
    screen.judged(prediction(end=18.0), final=True)
    assert screen.lines[-2].endswith("it was")  # goes on
    screen.judged(prediction(end=200.0), final=True)
    assert not any(line.startswith("heard") for line in screen.lines)


@pytest.mark.parametrize("width", [24, 40, 61, 200])
def test_no_line_is_wider_than_the_terminal(width):
    screen = Screen(width=width)
    screen.pace = Pace(12.0, 0.5)
    screen.judged(*[prediction(f"p{number}") for number in range(1, 6)])
    screen.view.finish()
    assert max(map(len, screen.lines)) <= width
    assert len(screen.lines[-1]) <= width - len("^C")  # which the terminal writes behind it


def test_how_it_goes_is_said():
    screen = Screen(width=120)
    screen.pace = Pace(2.5, 0.004)
    assert "2.5 s behind  <1 % of pictures dropped" in screen.lines[-1]
    screen.view.finish()
    screen.clock.now += 3725
    assert screen.lines[-1].startswith("○ finishing  1:02:05  ")
    assert "Ctrl-C gives that up" in screen.lines[-1]


def test_an_utterance_on_a_line():
    lines = Lines()
    assert lines.line(prediction()).plain == "0:00.0 – 0:03.0  What news!  [happy 81 %]"
    silent = prediction("p2", text="", kind="silence", start=3600.0, end=3603.5)
    assert lines.line(silent).plain == ("1:00:00.0 – 1:00:03.5  p2: only seen  [happy 81 %]")
    unsure = prediction(scores={"happy": (0.5, "abstain", 0.1)})
    assert lines.line(unsure).plain == "0:00.0 – 0:03.0  p1: What news!  [undecided]"
