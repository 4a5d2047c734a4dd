"""One person: the largest face, which is taken to be the one who speaks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from math import inf

from lddu_pipe.annotation import Face, Person
from lddu_pipe.events import FacesSeen, WordsHeard
from lddu_pipe.evidence import Absent, Evidence, Present, Reason
from lddu_pipe.pipelines.people.boxes import Boxes
from lddu_pipe.pipelines.samples import FaceSteps, look_up
from lddu_pipe.types import TimeSpan, Utterance


class LargestFace:
    """The face that is followed is everybody's who speaks, and its own where nobody does."""

    def __init__(self, fps: float) -> None:
        """Nobody is seen yet.

        Args:
            fps: frames a second that are looked at.
        """
        self._boxes = Boxes(fps)
        self._steps = FaceSteps()
        self._waiting: deque[Utterance] = deque()

    def hear(self, heard: WordsHeard) -> None:
        """Take in what is heard next, which tells nothing here."""

    def see(self, seen: FacesSeen) -> None:
        """Take in who is seen next."""
        for face in seen.faces:
            self._steps.add(face.steps)
            self._boxes.add(face)

    def take(self, utterance: Utterance) -> None:
        """Take in an utterance, in order of start."""
        self._waiting.append(utterance)

    def decided(self, begin: float, heard: float, seen: float) -> Iterator[Utterance]:
        """The utterances of which everything is known; each is to be judged at once.

        Args:
            begin: seconds of the media before which no later utterance begins.
            heard: seconds of the media up to which everything was heard.
            seen: the same of what was seen.
        """
        while self._waiting and self._waiting[0].span.end <= seen:
            utterance = self._waiting.popleft()
            self._steps.since(utterance.span.start)
            silent = utterance.kind == "silence" and self._boxes.visible
            shown = silent and isinstance(self.face_of(utterance), Present)
            yield replace(utterance, person="p1") if shown else utterance

    @property
    def begin(self) -> float:
        """Seconds of the media before which nothing is asked for any more."""
        return self._waiting[0].span.start if self._waiting else inf

    def face_of(self, utterance: Utterance) -> Evidence:
        """What the face shows in an utterance that is decided, or begins later."""
        steps = self._steps.held
        return Absent(Reason.NO_PICTURE) if steps is None else look_up(steps, utterance)

    def person_of(self, track: int) -> str | None:
        """Whose a face is that is followed."""
        return "p1"

    def in_view(self, span: TimeSpan) -> list[str]:
        """Who is seen in a span that is not over yet."""
        return ["p1"] if self._boxes.shown(span) else []

    def speaker(self, span: TimeSpan) -> str | None:
        """Who seems to speak in a span that is not over yet: that is never known here."""
        return None

    @property
    def people(self) -> tuple[Person, ...]:
        """The person, if there is one; whether it is the one who speaks is not known."""
        return (Person("p1", None, self._boxes.visible, 0.0),) if self._boxes.visible else ()

    @property
    def faces(self) -> tuple[Face, ...]:
        """The face of that person."""
        return (self._boxes.face("f1", "p1"),) if self._boxes.visible else ()
