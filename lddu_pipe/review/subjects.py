"""Subjects: all corrections of one utterance share one, whatever its id is by now."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from lddu_pipe.review.candidates import Opened
from lddu_pipe.review.matching import Anchor, match
from lddu_pipe.review.store import Correction, in_force


def attach(history: Sequence[Correction], opened: Opened) -> dict[str, str]:
    """Find the utterance of each subject; what is in force comes first.

    A subject all of whose corrections were undone keeps its place where nothing else has it.

    Args:
        history: of the annotation, the oldest first; what is of other media belongs to nothing.
        opened: the annotation.

    Returns:
        Id of the utterance by subject.
    """
    of_media = [item for item in history if item.media == opened.media]
    now = in_force(of_media)
    found = match({subject: item.anchor for subject, item in now.items()}, opened.anchors)
    dormant = {item.subject: item.anchor for item in of_media if item.subject not in now}
    taken = set(found.values())
    free = [anchor for anchor in opened.anchors if anchor.utterance not in taken]
    return found | match(dormant, free)


def subject_of(
    owner: str, media: str, anchor: Anchor, history: Sequence[Correction], opened: Opened
) -> str:
    """The subject of an utterance: the one that it has, or a new one.

    Two who are the first to correct an utterance, at the same time and perhaps from two processes,
    come to the same one, and so the store can tell them.

    Args:
        owner: under whose name corrections are kept.
        media: what was annotated.
        anchor: of the utterance.
        history: of the annotation, the oldest first.
        opened: the annotation.
    """
    for subject, utterance in attach(history, opened).items():
        if utterance == anchor.utterance:
            return subject
    place = (owner, media, anchor.start, anchor.end, anchor.text, anchor.repeat)
    name = _digest(repr(place))
    known = {correction.subject for correction in history}
    while name in known:  # that of an utterance which stood here once, and stands elsewhere now
        name = _digest(name)
    return name


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
