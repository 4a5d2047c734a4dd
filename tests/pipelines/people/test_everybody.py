"""Whose utterances are, and what becomes of what the others show meanwhile."""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import pytest

from lddu_pipe.events import FacesSeen, FollowedFace, WordsHeard
from lddu_pipe.evidence import Absent, Present, Reason
from lddu_pipe.pipelines.people import Everybody
from lddu_pipe.pipelines.people.identity import PersonFinder
from lddu_pipe.pipelines.people.speaking import SpeakerFinder
from lddu_pipe.types import Cue, TimeSpan, Utterance
from tests.pipelines.people.test_lane import shown


class Mouths(SpeakerFinder):
    """Knows whose voice it is."""

    def __init__(self, tracks: Mapping[int, int]) -> None:
        super().__init__()
        self._of = tracks

    def who(
        self,
        span: TimeSpan,
        voice: int | str | None,
        until: float,
        people: Mapping[int, int] | None = None,
    ) -> int | None:
        return self._of.get(voice) if isinstance(voice, int) else None


def face(track: int, begin: float, end: float, *, valid: bool = True) -> FollowedFace:
    steps = shown(begin, end, valid=valid)
    box = (0.25 * track, 0.25, 0.25 * track + 0.125, 0.5)
    return FollowedFace(track, steps, (box,) * len(steps))


def spoken(start: float, end: float, voice: int | None) -> Utterance:
    return Utterance("", TimeSpan(start, end), "Well.", (), voice=voice)


SAID = [spoken(2.0, 6.0, 0), spoken(6.0, 9.0, 1), spoken(9.0, 12.0, 7), spoken(13.0, 15.0, None)]
SEEN = [
    FacesSeen((face(0, 0.0, 4.0),), 4.0),
    FacesSeen((face(0, 4.0, 8.0), face(1, 5.0, 8.0)), 8.0),
    FacesSeen((face(1, 8.0, 14.0), face(2, 9.0, 14.0, valid=False)), 14.0),
]


def meet(tracks: Mapping[int, int]) -> Everybody:
    return Everybody(10.0, 5.0, 60.0, PersonFinder(), Mouths(tracks), None)


def told(everybody: Everybody, known: float) -> list[tuple[str | None, str, float, float, str]]:
    found = []
    for item in everybody.decided(known, known, known):
        evidence = everybody.face_of(item)
        why = "" if isinstance(evidence, Present) else str(evidence)
        span = item.span
        found.append((item.person, item.kind, round(span.start, 3), round(span.end, 3), why))
    return found


def test_who_speaks_has_the_utterance_and_the_others_what_they_show() -> None:
    everybody = meet({0: 0, 1: 1})
    for seen in SEEN:
        everybody.see(seen)
    for utterance in SAID:
        everybody.take(utterance)
    everybody.see(FacesSeen((), np.inf))
    assert told(everybody, np.inf) == [
        ("p1", "silence", 0.0, 2.0, ""),
        ("p1", "speech", 2.0, 6.0, ""),
        ("p2", "silence", 5.0, 6.0, ""),
        ("p1", "silence", 6.0, 8.0, ""),
        ("p2", "speech", 6.0, 9.0, ""),
        ("p3", "speech", 9.0, 12.0, "who speaks is not in view"),
        ("p2", "silence", 9.0, 14.0, ""),
        (None, "speech", 13.0, 15.0, "who speaks is not in view"),
    ]
    assert [(one.id, one.seconds_visible, one.seconds_speaking) for one in everybody.people] == [
        ("p1", pytest.approx(8.0), 4.0),
        ("p2", pytest.approx(9.0), 3.0),
        ("p3", 0, 3.0),
        ("p4", pytest.approx(5.0), 0),
    ]
    assert [(one.id, one.person, one.start) for one in everybody.faces] == [
        ("f1", "p1", 0.0),
        ("f2", "p2", 5.0),
        ("f3", "p4", 9.0),
    ]


def test_whether_ears_or_eyes_are_quicker_changes_nothing() -> None:
    order = random.Random(1)
    found = []
    for _ in range(10):
        everybody = meet({0: 0, 1: 1})
        items: list[FacesSeen | Utterance] = [*SEEN]
        for utterance in reversed(SAID):
            items.insert(order.randint(0, len(items)), utterance)
        said = sorted(
            (place for place, item in enumerate(items) if isinstance(item, Utterance)),
        )
        for place, utterance in zip(said, SAID, strict=True):
            items[place] = utterance
        rows = []
        heard = seen = 0.0
        for item in items:
            if isinstance(item, Utterance):
                everybody.take(item)
                heard = item.span.end + 30 * (item is SAID[-1])
            else:
                everybody.see(item)
                seen = item.until
            begin = heard if item is not SAID[-1] else np.inf
            rows += [
                (one.person, one.kind, one.span) for one in everybody.decided(begin, heard, seen)
            ]
        everybody.see(FacesSeen((), np.inf))
        rows += [(one.person, one.kind, one.span) for one in everybody.decided(*[np.inf] * 3)]
        found.append(rows)
    assert all(rows == found[0] for rows in found)


def test_a_voice_is_known_again_where_its_face_is_not_in_view() -> None:
    everybody = meet({0: 0})
    everybody.see(SEEN[0])
    everybody.take(spoken(1.0, 3.0, 0))
    everybody.see(FacesSeen((face(1, 4.0, 9.0),), 9.0))
    everybody.see(FacesSeen((), np.inf))
    assert [row[0] for row in told(everybody, np.inf) if row[1] == "speech"] == ["p1"]


def test_a_transcript_names_its_speakers() -> None:
    everybody = meet({})
    cues = [Cue("Well.", TimeSpan(0.0, 1.0), (), "Ann"), Cue("No.", TimeSpan(1.0, 2.0), (), "Bo")]
    everybody.hear(WordsHeard(tuple(cues)))
    for cue in cues:
        everybody.take(Utterance("", cue.span, cue.text, (), cue.speaker))
    rows = told(everybody, np.inf)
    assert [row[0] for row in rows] == ["p1", "p2"]
    assert [one.name for one in everybody.people] == ["Ann", "Bo"]
    assert rows[0][4] == "no picture at this time"


def test_windows_of_nobody_stay_where_nobody_can_be_read() -> None:
    everybody = meet({})
    faces = face(0, 0.0, 5.0, valid=False), face(1, 5.0, 9.0)
    everybody.see(FacesSeen(faces, 10.0, shown=TimeSpan(0.0, 10.0)))
    for start in (0.0, 5.0):
        everybody.take(Utterance("", TimeSpan(start, start + 5), kind="silence"))
    everybody.see(FacesSeen((), np.inf))
    why = "a face that is too small, blurred, turned away or too briefly seen to be read"
    assert told(everybody, np.inf) == [
        (None, "silence", 0.0, 5.0, why),
        ("p2", "silence", 5.0, 9.0, ""),
    ]
    assert everybody.face_of(spoken(9.5, 9.8, None)) == Absent(Reason.NO_FACE)
    assert everybody.face_of(spoken(10.5, 10.8, None)) == Absent(Reason.NO_PICTURE)


def test_nobody_says_two_things_at_a_time() -> None:
    everybody = meet({0: 0})
    everybody.see(FacesSeen((face(0, 0.0, 10.0),), 10.0))
    for start, end in ((0.0, 4.0), (3.5, 6.0), (4.0, 5.5)):
        everybody.take(spoken(start, end, 0))
    everybody.see(FacesSeen((), np.inf))
    assert [row[:4] for row in told(everybody, np.inf)] == [
        ("p1", "speech", 0.0, 4.0),
        ("p2", "speech", 4.0, 5.5),
        ("p1", "speech", 4.0, 6.0),
        ("p1", "silence", 6.0, 10.0),
    ]
