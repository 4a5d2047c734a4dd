"""Padding is found at either end, be it zeros or noise, and lengths are not believed blindly."""

import numpy as np
import pytest

from lddu_pipe.datasets.padding import cut_padding, find_padding, shown_steps

STEPS, FEATURES = 12, 3


def rows(side, lengths, noise=0.0):
    random = np.random.default_rng(0)
    made = []
    for length in lengths:
        values = noise * random.uniform(0.5, 1, (STEPS, FEATURES))
        kept = slice(0, length) if side == "back" else slice(STEPS - length, STEPS)
        values[kept] = random.uniform(0.5, 1.5, (length, FEATURES))
        made.append(values.astype(np.float32))
    return made


@pytest.mark.parametrize("side", ["front", "back"])
@pytest.mark.parametrize("noise", [0.0, 1e-3], ids=["zeros", "noise"])
def test_padding_is_cut_and_the_content_stays(side, noise):
    lengths = [5, 12, 8]
    given = rows(side, lengths, noise)
    assert find_padding(given, lengths) == side
    for row, length in zip(given, lengths, strict=True):
        cut = cut_padding(shown_steps(row), side, length)
        begin = 0 if side == "back" else STEPS - length
        assert (cut.begin, cut.end, cut.kept) == (begin, begin + length, False)
        assert cut.beyond == (noise > 0 and length < STEPS)


def test_noise_as_loud_as_the_rest_tells_nothing():
    assert find_padding([np.ones((STEPS, FEATURES), np.float32)] * 3, [5, 12, 8]) is None


@pytest.mark.parametrize("side", ["front", "back"])
def test_zeros_are_found_without_lengths(side):
    given = rows(side, [5, 12, 8])
    assert find_padding(given) == side
    cut = cut_padding(shown_steps(given[0]), side, None)
    assert (cut.begin, cut.end) == ((0, 5) if side == "back" else (7, 12))


def test_lengths_up_to_the_first_step_of_zeros_cut_no_content():
    # MMSA counts so: 1 where a row is padded in front, and too few where a face was lost for once
    given = rows("front", [5, 12, 8])
    assert find_padding(given, [1, 12, 1]) == "front"
    cut = cut_padding(shown_steps(given[0]), "front", 1)
    assert (cut.begin, cut.end, cut.kept) == (7, 12, True)
    (row,) = rows("back", [8])
    row[3] = 0
    cut = cut_padding(shown_steps(row), "back", 3)
    assert (cut.begin, cut.end, cut.kept) == (0, 8, True)


def test_steps_of_zeros_in_front_of_a_row_that_is_padded_behind_belong_to_it():
    (row,) = rows("back", [8])
    row[:2] = 0
    cut = cut_padding(shown_steps(row), "back", None)
    assert (cut.begin, cut.end) == (0, 8)


def test_nothing_is_kept_of_what_shows_nothing_or_has_no_length():
    empty = np.zeros(STEPS, np.bool_)
    assert cut_padding(empty, "back", 4).end == 0
    noise = cut_padding(~empty, "back", 0)
    assert (noise.end, noise.beyond) == (0, True)
