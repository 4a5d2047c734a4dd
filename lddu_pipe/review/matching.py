"""Which correction belongs to which utterance of an annotation that was perhaps made anew."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lddu_pipe.annotation import Annotation

Key = TypeVar("Key", bound=Hashable)

LEAST_OVERLAP = 0.5
"""Of two spans, intersection over union; only above it do they mean the same utterance."""
LONGEST_TEXT = 2000
"""Characters of an utterance's text that are kept with it: more tell no utterance from another."""
NEAREST = 16
"""Of each anchor that does not stand where it stood, so many utterances that begin before it are
looked at, and so many that do not; more lie near only where dozens are spoken at once."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An utterance as the model cut it: what a correction holds on to."""

    utterance: str
    """Its id, unique in the annotation."""
    text: str
    """At most `LONGEST_TEXT` characters: where it is cut, only these are compared."""
    repeat: int
    """How many utterances of the same text, as far as it is kept, come before it."""
    speaker: str | None
    start: float | None
    """Seconds; None where there is no time, as in a text or a still picture."""
    end: float | None


def anchors_of(annotation: Annotation) -> list[Anchor]:
    """An anchor for each utterance, in order; their texts can be stored."""
    timed = annotation.media.duration > 0
    seen: Counter[str] = Counter()
    anchors = []
    for item in annotation.utterances:
        times = (item.start, item.end) if timed else (None, None)
        text = whole_characters(item.text[:LONGEST_TEXT])
        speaker = None if item.speaker is None else whole_characters(item.speaker)
        anchors.append(Anchor(item.id, text, seen[text], speaker, *times))
        seen[text] += 1
    return anchors


def whole_characters(text: str) -> str:
    """A text that can be encoded: JSON may hold half a character, which becomes U+FFFD."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def match(known: Mapping[Key, Anchor], utterances: Sequence[Anchor]) -> dict[Key, str]:
    """Find the utterance of each known anchor, one to one.

    The k-th of the same words in the same place belongs to the k-th; without time, there is no
    more to go by. With time, those of the rest that overlap most come together first, and the same
    words decide between equals: of two people who speak at once each keeps their own. Time and
    memory grow with the number of anchors, not with its square; see `NEAREST`.

    Returns:
        Id of the utterance, by key; what belongs to none is left out.
    """
    alike: dict[_Place, deque[str]] = defaultdict(deque)
    for item in utterances:
        alike[_place(item)].append(item.utterance)
    found: dict[Key, str] = {}
    for key, anchor in known.items():
        if same := alike.get(_place(anchor)):
            found[key] = same.popleft()
    taken = set(found.values())
    pairs = _overlapping(
        {key: anchor for key, anchor in known.items() if key not in found},
        [item for item in utterances if item.utterance not in taken],
    )
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


_Place = tuple[float | None, float | None, str, int]
"""What tells an utterance from the others of its annotation."""
_Rank = tuple[float, bool, bool, int, int]
"""The better pair is the lesser: overlap, other words, another of these words, and the order in
which they were given."""


def _place(anchor: Anchor) -> _Place:
    return anchor.start, anchor.end, anchor.text[:LONGEST_TEXT], anchor.repeat


def _overlapping(
    known: Mapping[Key, Anchor], utterances: Sequence[Anchor]
) -> Iterator[tuple[_Rank, Key, str]]:
    # The k-th of equal spans looks around the k-th: not all of them around the first.
    order: Counter[tuple[float, float]] = Counter()
    timed = []
    for index, item in enumerate(utterances):
        if item.start is not None and item.end is not None:
            timed.append((item.start, item.end, order[item.start, item.end], index))
            order[item.start, item.end] += 1
    timed.sort()
    order.clear()
    for number, (key, anchor) in enumerate(known.items()):
        if anchor.start is None or anchor.end is None:
            continue
        span = (anchor.start, anchor.end)
        middle = bisect_left(timed, (*span, order[span], -1))
        order[span] += 1
        length = anchor.end - anchor.start
        for start, end, _, index in timed[max(0, middle - NEAREST) : middle + NEAREST]:
            # One that begins earlier or later cannot share half of the union.
            if not anchor.start - length <= start <= anchor.start + length / 2:
                continue
            other = utterances[index]
            share = overlap(span, (start, end))
            if share > LEAST_OVERLAP:
                words = (anchor.text != other.text, anchor.repeat != other.repeat)
                yield (-share, *words, number, index), key, other.utterance
