"""Who is who from frame to frame."""

from __future__ import annotations

import motmetrics
import numpy as np
import pytest

from lddu_pipe.extractors.landmarks import Region
from lddu_pipe.extractors.tracks import KEPT, Sighting, Track, Tracker, distinct

RANDOM = np.random.default_rng(0)
LOOKS = RANDOM.normal(size=(4, 64)).astype(np.float32)
LOOKS /= np.linalg.norm(LOOKS, axis=1, keepdims=True)


def sighting(x: float, y: float = 100.0, size: float = 60.0, who: int = 0) -> Sighting:
    box = (x - size / 2, y - size / 2, x + size / 2, y + size / 2)
    return Sighting(box, Region(x, y, 1.5 * size, 0.0), LOOKS[who], 0.9)


def test_four_who_walk_past_one_another_stay_who_they_are() -> None:
    tracker = Tracker(6)
    people = [(100, 100, 60), (700, 110, 60), (150, 300, -80), (650, 290, -80)]
    scores = motmetrics.MOTAccumulator(auto_id=True)
    for step in range(60):
        time = step / 10
        places = [
            (x + (70 if index % 2 == 0 else -70) * time, y)
            for index, (x, y, _) in enumerate(people)
        ]
        # Of two that meet, the one behind is not seen.
        seen = [
            sighting(x + RANDOM.normal(0, 2), y + RANDOM.normal(0, 2), who=index)
            for index, (x, y) in enumerate(places)
            if index % 2 or abs(x - places[index + 1][0]) > 45
        ]
        given = tracker.assign(seen, time)
        taken = [id(item) for item in given.values()]
        for item in seen:
            if id(item) not in taken:
                track = tracker.begin(item, time)
                assert track is not None
                given[track] = item
        whose = {
            tracker.number(track): next(
                k
                for k in range(4)
                if item.look is not None and np.array_equal(item.look, LOOKS[k])
            )
            for track, item in given.items()
        }
        scores.update(
            list(whose.values()),
            list(whose),
            np.where(np.eye(len(whose), dtype=bool), 0.0, np.nan),
        )
    found = motmetrics.metrics.create().compute(scores, metrics=["idf1", "num_switches"])
    assert found["idf1"].item() == 1.0
    assert found["num_switches"].item() == 0


def test_who_is_hidden_does_not_take_the_face_that_passed_before() -> None:
    tracker = Tracker(2)
    behind, before = (tracker.begin(sighting(x, who=who), 0.0) for who, x in enumerate((100, 130)))
    assert behind is not None
    given = tracker.assign([sighting(125, who=1)], 0.1)
    assert list(given) == [before]


def test_a_lost_face_comes_back_where_it_is_expected_and_not_for_ever() -> None:
    tracker = Tracker(1)
    track = tracker.begin(sighting(100), 0.0)
    for step in range(1, 6):
        tracker.assign([sighting(100 + 10 * step)], step / 10)
    assert isinstance(track, Track)
    assert track.expected(1.0)[0] == pytest.approx(200, abs=20)
    assert tracker.assign([sighting(400)], 1.0) == {}
    assert list(tracker.assign([sighting(195)], 1.0)) == [track]
    tracker.forget_lost(1.0 + KEPT + 0.1)
    assert tracker.tracks == []


def test_numbers_are_never_used_again_and_the_largest_stay() -> None:
    tracker = Tracker(2)
    tracks = [tracker.begin(sighting(x), 0.0) for x in (100, 300)]
    assert [tracker.number(track) for track in tracks if track] == [0, 1]
    assert tracker.begin(sighting(500, size=65), 0.0) is None
    larger = tracker.begin(sighting(500, size=120), 0.0)
    assert larger is not None
    assert tracker.number(larger) == 2
    assert len(tracker.tracks) == 2
    tracker.end()
    new = tracker.begin(sighting(100), 0.1)
    assert new is not None
    assert tracker.number(new) == 3


def test_one_face_is_seen_once() -> None:
    face, again, other = sighting(100), sighting(110), sighting(200)
    surer = again._replace(sure=0.95)
    assert distinct([face, surer, other]) == [surer, other]
