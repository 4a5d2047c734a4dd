"""An annotation with its people as reviewers say; emotions stay what the model says of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lddu_pipe.annotation import Annotation, Person
from lddu_pipe.predictions import Prediction
from lddu_pipe.review.cast import Cast
from lddu_pipe.review.matching import whole_characters
from lddu_pipe.review.sightings import VOICED


@dataclass(frozen=True)
class Part:
    """How much of an annotation is a person's."""

    seconds_visible: float = 0.0
    seconds_speaking: float = 0.0
    utterances: int = 0
    overlapping: int = 0
    """Those that begin before another of the same person has ended."""


def with_people(annotation: Annotation, cast: Cast, said: Mapping[str, int]) -> Annotation:
    """The annotation with its people as reviewers say.

    People who are one have one id, their seconds together, and all faces of theirs; utterances are
    those of whom they were given to, and names are set. Nothing is cut or left out: what two
    people said at the same time overlaps once they are one. The provenance says so.

    Args:
        annotation: as it was made.
        cast: its people.
        said: by utterance, the number of whose it is, where a reviewer says so.
    """
    items = [
        _given(item, person, cast)
        for item, person in zip(
            annotation.utterances, _persons(annotation, cast, said), strict=True
        )
    ]
    faces = [replace(face, person=_who(cast, face.person)) for face in annotation.faces]
    parts = measure_people(annotation, cast, said)
    people = [
        Person(member.id, member.name, part.seconds_visible, part.seconds_speaking)
        for member in cast.members.values()
        if member.same_as is None
        for part in [parts[member.id]]
        # Of whom everything was given to others nothing is left.
        if part.utterances or part.seconds_visible or part.seconds_speaking or member.name
    ]
    config = {**annotation.provenance.config, "corrected": "people"}
    provenance = replace(annotation.provenance, config=config)
    return replace(annotation, utterances=items, faces=faces, people=people, provenance=provenance)


def _given(item: Prediction, person: str | None, cast: Cast) -> Prediction:
    """An utterance as that of a person; by another's name the transcript calls it no more."""
    before = cast.who(_plain(item.person))
    speaker = item.speaker if before in (None, person) else None
    return replace(item, utterance=replace(item.utterance, person=person, speaker=speaker))


def measure_people(
    annotation: Annotation, cast: Cast, said: Mapping[str, int]
) -> Mapping[str, Part]:
    """How much of an annotation is each person's, by the id of those who are nobody else.

    An utterance with a voice takes its seconds along to whom it is given; faces stay whose they
    are.

    Args:
        annotation: as it was made.
        cast: its people.
        said: by utterance, the number of whose it is, where a reviewer says so.
    """
    visible: dict[str, float] = defaultdict(float)
    speaking: dict[str, float] = defaultdict(float)
    for member in cast.members.values():
        if member.found is not None:
            visible[member.same_as or member.id] += member.found.seconds_visible
            speaking[member.same_as or member.id] += member.found.seconds_speaking
    own: dict[str, list[Prediction]] = defaultdict(list)
    persons = _persons(annotation, cast, said)
    for item, person in zip(annotation.utterances, persons, strict=True):
        before = cast.who(_plain(item.person))
        if person != before and item.kind in VOICED:
            for who, seconds in ((before, item.start - item.end), (person, item.end - item.start)):
                speaking[who or ""] = max(0.0, speaking[who or ""] + seconds)
        own[person or ""].append(item)
    return {
        member.id: Part(
            round(visible[member.id], 3),
            round(speaking[member.id], 3),
            len(own[member.id]),
            _overlapping(own[member.id]),
        )
        for member in cast.members.values()
        if member.same_as is None
    }


def _persons(annotation: Annotation, cast: Cast, said: Mapping[str, int]) -> list[str | None]:
    """Whose each utterance is."""
    return [cast.whose(said.get(item.id), _plain(item.person)) for item in annotation.utterances]


def _overlapping(items: Sequence[Prediction]) -> int:
    count, until = 0, float("-inf")
    for item in sorted(items, key=lambda each: (each.start, each.end)):
        count += item.start < until
        until = max(until, item.end)
    return count


def _who(cast: Cast, person: str) -> str:
    return cast.who(_plain(person)) or person


def _plain(person: str | None) -> str | None:
    """An id as a cast has it."""
    return None if person is None else whole_characters(person)
