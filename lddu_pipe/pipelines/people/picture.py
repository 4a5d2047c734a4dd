"""Everybody in a picture that has no time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lddu_pipe.annotation import Face, Person
from lddu_pipe.events import FacesSeen, FollowedFace, WordsHeard
from lddu_pipe.evidence import Absent, Evidence, Reason
from lddu_pipe.pipelines.people.boxes import Boxes
from lddu_pipe.pipelines.people.identity import PersonFinder
from lddu_pipe.pipelines.samples import look_up, show_throughout
from lddu_pipe.types import TimeSpan, Utterance


class Picture:
    """Each face has an utterance; words beside the picture go with the largest."""

    def __init__(self, fps: float, persons: PersonFinder) -> None:
        """Nobody is seen yet.

        Args:
            fps: frames a second, which the boxes have to name.
            persons: says who is known.
        """
        self._fps = fps
        self._persons = persons
        self._faces: tuple[FollowedFace, ...] = ()
        self._waiting: list[Utterance] = []

    def hear(self, heard: WordsHeard) -> None:
        """Take in what is heard, which tells nothing here."""

    def see(self, seen: FacesSeen) -> None:
        """Take in who is seen."""
        self._faces += seen.faces
        for face in seen.faces:
            self._persons.see(face.track, TimeSpan(0.0, 0.0), face.identity)
        self._persons.settle()

    def take(self, utterance: Utterance) -> None:
        """Take in an utterance, in order of start."""
        self._waiting.append(utterance)

    def decided(self, begin: float, heard: float, seen: float) -> Iterator[Utterance]:
        """The utterances, once everything was heard and seen.

        Args:
            begin: seconds before which no later utterance begins.
            heard: seconds up to which everything was heard.
            seen: the same of what was seen.
        """
        while self._waiting and self._waiting[0].span.end < min(begin, heard, seen):
            utterance = self._waiting.pop(0)
            if self._shown and not utterance.text:
                yield from (replace(utterance, person=person) for person in self._shown)
            else:
                yield utterance

    @property
    def begin(self) -> float:
        """Seconds of the media before which nothing is asked for any more."""
        return 0.0

    def face_of(self, utterance: Utterance) -> Evidence:
        """What the face of an utterance's person shows, or the largest where that is nobody."""
        if not self._faces:
            return Absent(Reason.NO_PICTURE)
        face = self._shown.get(utterance.person or "") or max(self._faces, key=_height)
        return look_up(show_throughout(face.steps, utterance), utterance)

    @property
    def people(self) -> tuple[Person, ...]:
        """Who is seen; a picture takes no time."""
        names = dict(enumerate(self._persons.names))
        return tuple(
            Person(person, names.get(self._persons.person(face.track) or 0), 0.0, 0.0)
            for person, face in self._shown.items()
        )

    @property
    def faces(self) -> tuple[Face, ...]:
        """Their faces."""
        found = []
        for number, (person, face) in enumerate(self._shown.items(), 1):
            boxes = Boxes(self._fps)
            boxes.add(face)
            found.append(boxes.face(f"f{number}", person))
        return tuple(found)

    @property
    def _shown(self) -> dict[str, FollowedFace]:
        """Faces of which it is told where they are, by person."""
        told = [face for face in self._faces if any(face.boxes)]
        return {f"p{number}": face for number, face in enumerate(told, 1)}


def _height(face: FollowedFace) -> float:
    heights = face.steps.heights
    return 0.0 if heights is None else float(heights.max(initial=0.0))
