"""Where panels stand: in the picture, beside their faces, in nobody's way."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lddu_pipe.writers.overlay.placing import Area, Placing

SIZE = (220, 110)
SIZES = [(640, 360), (1280, 720), (3840, 2160), (360, 640)]


def place(faces, width=1280, height=720, captions=(), placing=None, time=0.0, size=SIZE):
    named = [(str(at), Area(*face), size) for at, face in enumerate(faces)]
    placing = placing or Placing(width, height, gap=8)
    return placing.place(named, [Area(*caption) for caption in captions], time)


SHARES = st.floats(0, 1)


@settings(deadline=None, max_examples=30)
@given(
    faces=st.lists(st.tuples(SHARES, SHARES, SHARES, SHARES), max_size=6),
    picture=st.sampled_from(SIZES),
)
def test_panels_are_wholly_in_the_picture(faces, picture):
    width, height = picture
    boxes = [(a * width, b * height, c * width, d * height) for a, b, c, d in faces]
    for area in place(boxes, width, height):
        assert 0 <= area.left < area.right <= width
        assert 0 <= area.top < area.bottom <= height
        assert (area.width, area.height) == pytest.approx(SIZE)


def test_six_faces_in_a_row_have_panels_apart_from_each_other_and_from_faces():
    faces = [(130 + 175 * n, 220 + 12 * (n % 2), 260 + 175 * n, 370) for n in range(6)]
    panels = place(faces, captions=[(100, 640, 1180, 710)])
    for one, other in combinations([*panels, *(Area(*face) for face in faces)], 2):
        assert one.overlap(other) < 0.02 * one.size
    for panel, face in zip(panels, faces, strict=True):
        assert panel.distance(Area(*face)) < 100


def test_a_face_that_fills_the_picture_leaves_its_panel_inside():
    (panel,) = place([(0, 0, 1280, 720)], captions=[(0, 650, 1280, 720)])
    assert panel.overlap(Area(0, 650, 1280, 720)) == 0


def test_a_panel_follows_its_face_and_does_not_tremble_or_jump_with_it():
    placing = Placing(1280, 720, gap=8)

    def left(x, time):
        return place([(x, 200, x + 60, 300)], placing=placing, time=time)[0].left

    first = left(1000, 0.0)
    for frame in range(1, 30):
        assert abs(left(1000 + 3 * (-1) ** frame, frame / 30) - first) < 2
    # Where room becomes scarce by a little it stays on its side; by much it changes.
    sides = [left(1000 + 2 * n, 1 + n / 30) < 1000 + 2 * n for n in range(120)]
    assert not any(sides[:5])
    assert sides[-1]
    assert sum(a != b for a, b in pairwise(sides)) == 1
