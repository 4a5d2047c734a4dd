"""Small pictures on raw frames."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lddu_pipe.media import Planes
from lddu_pipe.writers.overlay.sprites import Sprite, draw_box


def frame(width=32, height=16):
    chroma = (height // 2, width // 2)
    return Planes(
        0.0,
        np.full((height, width), 100, np.uint8),
        np.full(chroma, 90, np.uint8),
        np.full(chroma, 160, np.uint8),
    )


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((255, 255, 255, 255), (235, 128, 128)),
        ((0, 0, 0, 255), (16, 128, 128)),
        ((255, 0, 0, 255), (63, 102, 240)),  # BT.709
        ((255, 255, 255, 0), (100, 90, 160)),
        ((255, 255, 255, 128), (168, 109, 144)),
    ],
)
def test_colours_and_transparency(colour, expected):
    planes = frame()
    Sprite.of(Image.new("RGBA", (8, 8), colour), 32, 16).lay_on(planes, 10, 4)
    found = [planes.luma[6, 12], planes.blue[3, 6], planes.red[3, 6]]
    assert found == pytest.approx(expected, abs=1)
    assert (planes.luma[0, 0], planes.luma[4, 9], planes.luma[12, 12]) == (100, 100, 100)
    assert (planes.luma != 100).sum() == (64 if colour[3] else 0)


def test_sides_are_even_and_no_larger_than_the_frame():
    sprite = Sprite.of(Image.new("RGBA", (41, 7), (255, 255, 255, 255)), 32, 16)
    assert (sprite.width, sprite.height) == (32, 8)
    planes = frame()
    sprite.lay_on(planes, 0, 8)
    assert (planes.luma[8:15] == 235).all()
    assert (planes.luma[15] == 100).all()  # what the picture has not is not drawn


def test_a_box_is_drawn_as_far_as_it_is_in_the_frame():
    planes = frame(64, 64)
    draw_box(planes, (-10, 8, 40, 200), 2, (255, 255, 255))
    assert (planes.luma[8, :40] == 235).all()
    assert (planes.luma[10:, 38] == 235).all()
    assert (planes.luma[6, :40] == 16).all()  # black beside it
    assert (planes.luma[:4] == 100).all()
    before = planes.luma.copy()
    draw_box(planes, (400, 400, 500, 500), 2, (255, 0, 0))
    assert (planes.luma == before).all()


def test_a_broken_line_has_gaps_and_both_corners():
    planes = frame(128, 128)
    draw_box(planes, (8, 8, 120, 120), 2, (255, 255, 255), dash=16)
    top = planes.luma[8] == 235
    assert top[8:24].all()
    assert top[104:120].all()
    assert 0.3 < top[8:120].mean() < 0.7
