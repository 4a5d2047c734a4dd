"""Which correction belongs to which utterance of an annotation that was perhaps made anew."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lddu_pipe.annotation import Annotation

Key = TypeVar("Key", bound=Hashable)

LEAST_OVERLAP = 0.5
"""Of two spans, intersection over union; only above it do they mean the same utterance."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An utterance as the model cut it: what a correction holds on to."""

    utterance: str
    """Its id, unique in the annotation."""
    text: str
    repeat: int
    """How many utterances of the same text come before it."""
    speaker: str | None
    start: float | None
    """Seconds; None where there is no time, as in a text or a still picture."""
    end: float | None


def anchors_of(annotation: Annotation) -> list[Anchor]:
    """An anchor for each utterance, in order."""
    timed = annotation.media.duration > 0
    seen: Counter[str] = Counter()
    anchors = []
    for item in annotation.utterances:
        times = (item.start, item.end) if timed else (None, None)
        anchors.append(Anchor(item.id, item.text, seen[item.text], item.speaker, *times))
        seen[item.text] += 1
    return anchors


def match(known: Mapping[Key, Anchor], utterances: Sequence[Anchor]) -> dict[Key, str]:
    """Find the utterance of each known anchor, one to one.

    With time, those that overlap most come together first, and the same words decide between
    equals: of two people who speak at once each keeps their own. Without time the words must be
    equal, and the k-th of equal ones belongs to the k-th.

    Returns:
        Id of the utterance, by key; what belongs to none is left out.
    """
    pairs = [*_same_words(known, utterances), *_overlapping(known, utterances)]
    found: dict[Key, str] = {}
    taken: set[str] = set()
    for _, key, utterance in sorted(pairs, key=lambda pair: pair[0]):
        if key not in found and utterance not in taken:
            found[key] = utterance
            taken.add(utterance)
    return found


def overlap(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Intersection over union of two spans, 0..1; 1 for the same moment."""
    union = max(one[1], other[1]) - min(one[0], other[0])
    if union == 0:
        return 1.0
    return max(0.0, min(one[1], other[1]) - max(one[0], other[0])) / union


_Rank = tuple[float, bool, int, int]
"""The better pair is the lesser: overlap, other words, and the order in which they were given."""


def _same_words(
    known: Mapping[Key, Anchor], utterances: Sequence[Anchor]
) -> Iterator[tuple[_Rank, Key, str]]:
    places = {
        (item.text, item.repeat): (index, item.utterance)
        for index, item in enumerate(utterances)
        if item.start is None
    }
    for number, (key, anchor) in enumerate(known.items()):
        if anchor.start is None and (anchor.text, anchor.repeat) in places:
            index, utterance = places[anchor.text, anchor.repeat]
            yield (-1.0, False, number, index), key, utterance


def _overlapping(
    known: Mapping[Key, Anchor], utterances: Sequence[Anchor]
) -> Iterator[tuple[_Rank, Key, str]]:
    timed = sorted(
        (item.start, index) for index, item in enumerate(utterances) if item.start is not None
    )
    for number, (key, anchor) in enumerate(known.items()):
        if anchor.start is None or anchor.end is None:
            continue
        length = anchor.end - anchor.start
        # One that begins earlier or later cannot share half of the union.
        begin = bisect_left(timed, (anchor.start - length, -1))
        end = bisect_right(timed, (anchor.start + length / 2, len(utterances)))
        for start, index in timed[begin:end]:
            other = utterances[index]
            share = overlap((anchor.start, anchor.end), (start, other.end or start))
            if share > LEAST_OVERLAP:
                yield (-share, anchor.text != other.text, number, index), key, other.utterance
