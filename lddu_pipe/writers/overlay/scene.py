"""What is to be seen on a video at a moment: faces with what they show, and what is said."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import floor
from typing import Generic, NamedTuple, TypeVar

from lddu_pipe.annotation import Annotation, Face
from lddu_pipe.predictions import Prediction

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, shares of the picture."""

_BRIDGED = 0.3
"""Seconds for which a lost face is taken to be where its neighbours in time say: less would only
flicker."""

_Item = TypeVar("_Item")


class ShownFace(NamedTuple):
    """A face that is in the picture."""

    face: Face
    box: Box
    prediction: Prediction | None
    """What its person shows at the moment, where that was judged."""
    speaks: bool


class Caption(NamedTuple):
    """What stands below the picture."""

    prediction: Prediction
    seen: bool
    """Whether the face of who speaks is in the picture, and so has what it shows beside it."""


class Moment(NamedTuple):
    """All of it."""

    faces: tuple[ShownFace, ...]
    captions: tuple[Caption, ...]


class Scene:
    """What there is to show of an annotation, by moment."""

    def __init__(self, annotation: Annotation) -> None:
        """Sort it by time, so that a moment is found quickly in a video of any length."""
        last = annotation.media.duration
        faces = [face for face in annotation.faces if face.fps > 0]
        self._faces = _Seconds(((*_span(face), face) for face in faces), last)
        self._utterances = _Seconds(
            ((item.start, item.end, item) for item in annotation.utterances), last
        )
        self._only = annotation.people[0].id if len(annotation.people) == 1 else None

    def at(self, time: float) -> Moment:
        """What is to be seen at a moment, in seconds; what began first comes first."""
        going = [item for item in self._utterances.at(time) if item.start <= time < item.end]
        faces = []
        for face in self._faces.at(time):
            box = box_at(face, time)
            if box is not None:
                own = [item for item in going if self._whose(item) == face.person]
                shown = own[-1] if own else None
                # Of one face it may have been judged what it shows while somebody unknown speaks.
                heard = shown is not None and shown.kind in ("speech", "sound")
                speaks = heard and shown is not None and shown.person is not None
                faces.append(ShownFace(face, box, shown, speaks))
        seen = {item.face.person for item in faces}
        captions = [
            Caption(item, self._whose(item) in seen)
            for item in going
            if _is_told(item, seen=self._whose(item) in seen)
        ]
        return Moment(tuple(faces), tuple(captions))

    def _whose(self, prediction: Prediction) -> str | None:
        """The person whose face has been judged; of one person, that is known without a name."""
        if prediction.person is None and "vision" not in prediction.missing:
            return self._only
        return prediction.person


def _is_told(prediction: Prediction, *, seen: bool) -> bool:
    """Whether an utterance stands below the picture: words, and what no face has beside it.

    Of somebody who is only seen, and that not now, there is nothing to tell.
    """
    if seen:
        return bool(prediction.text)
    return prediction.kind != "silence" or prediction.person is None


def box_at(face: Face, time: float) -> Box | None:
    """Where a face is at a moment, between the boxes that are known; None where it is lost."""
    place = (time - face.start) * face.fps
    far = max(1, round(_BRIDGED * face.fps))
    before = _known(face, range(floor(place), floor(place) - far, -1))
    after = _known(face, range(floor(place) + 1, floor(place) + 1 + far))
    if before is not None and after is not None and after[0] - before[0] <= far:
        part = (place - before[0]) / (after[0] - before[0])
        left, top, right, bottom = (
            a + (b - a) * part for a, b in zip(before[1], after[1], strict=True)
        )
        return left, top, right, bottom
    # A box is that of the time until the next, and of half of that before it.
    if before is not None and place - before[0] < 1:
        return before[1]
    if after is not None and after[0] - place <= 0.5:
        return after[1]
    return None


def _known(face: Face, places: Iterable[int]) -> tuple[int, Box] | None:
    """The first of some places at which there is a box, and that box."""
    for place in places:
        box = face.boxes[place] if 0 <= place < len(face.boxes) else None
        if box is not None:
            return place, box
    return None


def _span(face: Face) -> tuple[float, float]:
    """Seconds outside of which a face has no box."""
    return face.start - 0.5 / face.fps, face.start + len(face.boxes) / face.fps


class _Seconds(Generic[_Item]):
    """Things that last from one moment to another, by the whole seconds in which they are."""

    def __init__(self, items: Iterable[tuple[float, float, _Item]], last: float) -> None:
        self._by_second: dict[int, list[_Item]] = {}
        for start, end, item in items:
            for second in range(max(0, floor(start)), floor(min(end, last + 1)) + 1):
                self._by_second.setdefault(second, []).append(item)

    def at(self, time: float) -> Sequence[_Item]:
        """What may be there at a moment, in the order in which it was given."""
        return self._by_second.get(floor(time), ())
