from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lddu_pipe.writers.escaping import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain.mp4", "plain.mp4"),
        ("two\nlines\t and  spaces ", "two lines and spaces"),
        ("\x1b[2Jclear", r"\x1b[2Jclear"),
        ("bad\udcffbyte", r"bad\udcffbyte"),
        ("over\u202eride", r"over\u202eride"),
        ("\x85\u2028next", "next"),
        ("नमस्ते می‌خواهم 👩‍👩‍👧 שלום\u200f", "नमस्ते می‌خواهم 👩‍👩‍👧 שלום\u200f"),
    ],
)
def test_known_texts(text, expected):
    assert printable(text) == expected


@given(st.text())
def test_nothing_is_left_that_a_terminal_obeys(text):
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(unicodedata.category(character) in {"Cc", "Cs"} for character in shown)
    assert printable(shown) == shown


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_letters_signs_and_symbols_stay(text):
    assert printable(text) == text
