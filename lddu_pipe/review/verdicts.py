"""What a reviewer may say of an utterance, and of a person."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from unicodedata import category

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.review.identities import Likeness
from lddu_pipe.review.matching import Anchor
from lddu_pipe.review.store import Verdict

LONGEST_COMMENT = 2000
LONGEST_NAME = 100
MOST_CORRECTIONS = 200
"""Of one utterance or person, with those undone: rows are never removed."""
SOMEBODY_NEW = "new"
"""In place of a person's id: somebody who is none of the people."""


class UnfitVerdictError(UnusableInputError):
    """What a reviewer says cannot be said of the utterance or the person."""


def check_verdict(
    given: Verdict, labels: Sequence[str], anchor: Anchor, duration: float
) -> Verdict:
    """Check a verdict, and bring it to one form.

    Args:
        given: what the reviewer says.
        labels: of the model.
        anchor: of the utterance.
        duration: seconds of the media.

    Returns:
        The verdict with labels in the order of the model, times in whole milliseconds and none
        where they are the model's own, and no blanks around the texts.

    Raises:
        UnfitVerdictError: something about it is wrong.
    """
    return Verdict(
        _labels(given.labels, labels),
        *_span(given.start, given.end, anchor, duration),
        _text(given.comment, "comment", LONGEST_COMMENT),
        _text(given.reviewer, "reviewer", LONGEST_NAME),
    )


def check_likeness(given: Likeness) -> Likeness:
    """Check what is said of a person, and bring it to one form.

    Returns:
        The same with a name of one line, None where it is blank, and no blanks around the texts.

    Raises:
        UnfitVerdictError: something about it is wrong.
    """
    name = _text(" ".join((given.name or "").split()), "name", LONGEST_NAME)
    if any(category(sign) == "Cc" for sign in name):
        raise UnfitVerdictError("the name holds a control character")
    return replace(
        given,
        name=name or None,
        comment=_text(given.comment, "comment", LONGEST_COMMENT),
        reviewer=_text(given.reviewer, "reviewer", LONGEST_NAME),
    )


def _labels(given: Sequence[str] | None, known: Sequence[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    for label in given:
        if label not in known:
            raise UnfitVerdictError(f"unknown label {label!r}; known are: {', '.join(known)}")
    if len(set(given)) < len(given):
        raise UnfitVerdictError("a label is given twice")
    return tuple(label for label in known if label in given)


def _span(
    start: float | None, end: float | None, anchor: Anchor, duration: float
) -> tuple[float | None, float | None]:
    if start is None and end is None:
        return None, None
    if anchor.start is None or anchor.end is None:
        raise UnfitVerdictError("a text or a picture has no time; leave out start and end")
    if start is None or end is None:
        raise UnfitVerdictError("give both start and end, or neither")
    # Times in the annotation are rounded, so that the last one may lie past the end.
    latest = max(duration, anchor.end)
    if not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end <= latest):
        raise UnfitVerdictError(f"{start:g} to {end:g} s is no span within 0 to {latest:.3f} s")
    span = round(start, 3), round(end, 3)
    if span[0] >= span[1]:
        raise UnfitVerdictError("a span lasts a millisecond or longer")
    return (None, None) if span == (anchor.start, anchor.end) else span


def _text(text: str, what: str, longest: int) -> str:
    if len(text) > longest:
        raise UnfitVerdictError(f"the {what} is longer than {longest} characters")
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise UnfitVerdictError(f"the {what} holds half a character")
    return text.strip()
