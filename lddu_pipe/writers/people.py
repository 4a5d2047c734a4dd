"""What people are called in results: by name, as the transcript has it, or by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lddu_pipe.annotation import Annotation, Person
from lddu_pipe.predictions import Prediction

NOBODY = "person not known"
"""Who is told to say what nobody is known to; ``writers/viewer/people.js`` says so, too."""


class Names:
    """What everybody is called, as far as they are known yet.

    A person without a name is called as the transcript calls the one who says what this person
    says; else by the id, and that only where there are several people: of one, nobody asks who.
    """

    def __init__(self, people: Iterable[Person] = ()) -> None:
        """Know these people.

        Args:
            people: some or all; others are met in utterances.
        """
        self._names: dict[str, str | None] = {person.id: person.name for person in people}
        self._speakers: dict[str, set[str]] = {}
        """By the id of a person, what a transcript calls them."""

    @classmethod
    def in_annotation(cls, annotation: Annotation) -> Names:
        """What everybody in an annotation is called."""
        names = cls(annotation.people)
        for prediction in annotation.utterances:
            names.meet(prediction)
        return names

    def meet(self, prediction: Prediction) -> None:
        """Learn from an utterance whose it is."""
        if prediction.person is not None:
            self._names.setdefault(prediction.person, None)
            if prediction.speaker:
                self._speakers.setdefault(prediction.person, set()).add(prediction.speaker)

    @property
    def several(self) -> bool:
        """Whether there is more than one person."""
        return len(self._names) > 1

    def of(self, prediction: Prediction) -> str | None:
        """Whose an utterance is, None where that is not known or goes without saying."""
        person = prediction.person
        if person is not None and self._names.get(person):
            return self.of_person(person)
        if prediction.speaker or person is None or not self.several:
            return prediction.speaker or None
        return self.of_person(person)

    def of_person(self, person: str) -> str:
        """What the person with this id is called; nobody else is called the same."""
        name = self._names.get(person) or self._as_speaker(person)
        if name is None:
            return person
        shared = Counter(self._names.get(one) or self._as_speaker(one) for one in self._names)
        return f"{name} ({person})" if shared[name] > 1 else name

    def _as_speaker(self, person: str) -> str | None:
        """The one name that a transcript has for a person, if it is only one."""
        speakers = self._speakers.get(person, set())
        return next(iter(speakers)) if len(speakers) == 1 and self.several else None
