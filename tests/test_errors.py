"""What people read when something is wrong."""

from __future__ import annotations

from lddu_pipe.errors import UnusableInputError


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    assert str(UnusableInputError("no key 'a\x85b\u2028c\r\nd\x1c' in a.json")) == (
        "no key 'a b c d ' in a.json"
    )
