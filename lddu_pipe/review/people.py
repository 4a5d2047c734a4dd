"""Who the people in annotations are: named, made one, given back their utterances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lddu_pipe.annotation import Annotation
from lddu_pipe.review.candidates import Opened
from lddu_pipe.review.cast import Cast, closes_a_circle, make_cast
from lddu_pipe.review.catalogue import Catalogue
from lddu_pipe.review.corrected import Part, measure_people, with_people
from lddu_pipe.review.identities import ConflictError, Identity, Likeness, identities_in_force
from lddu_pipe.review.repository import Repository, ReviewItem, UnknownItemError
from lddu_pipe.review.sightings import Presence, match_people
from lddu_pipe.review.store import in_force
from lddu_pipe.review.subjects import attach
from lddu_pipe.review.verdicts import MOST_CORRECTIONS, UnfitVerdictError, check_likeness


@dataclass(frozen=True)
class People:
    """The people of one item, and what was said of them."""

    cast: Cast
    parts: Mapping[str, Part]
    """How much of the annotation is whose, by the id of those who are nobody else."""
    history: Sequence[Identity]
    """Everything that was ever said of them, the newest first."""


class PeopleDesk:
    """Says who people are. Everywhere `owner` is whoever asks. Threads may share it."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Work on the annotations of a catalogue."""
        self._catalogue = catalogue

    def cast(self, owner: str, item_id: str) -> Cast:
        """The people of an item.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        repository, item = self._catalogue.done(owner, item_id)
        return cast_of(repository, owner, item, self._catalogue.open(repository, item))

    def look(self, owner: str, item_id: str) -> People:
        """The people of an item, and what was said of them.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        repository, item = self._catalogue.done(owner, item_id)
        annotation, opened = self._catalogue.read(repository, item)
        cast = cast_of(repository, owner, item, opened)
        parts = measure_people(annotation, cast, _given(repository, owner, item, opened))
        history = repository.store.people.history(repository.owner_of(owner), opened.media)
        return People(
            cast,
            parts,
            [each for each in reversed(history) if each.person in cast.ids],
        )

    def corrected(self, owner: str, item_id: str) -> Annotation:
        """The annotation of an item with its people as reviewers say.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        repository, item = self._catalogue.done(owner, item_id)
        annotation, opened = self._catalogue.read(repository, item)
        cast = cast_of(repository, owner, item, opened)
        return with_people(annotation, cast, _given(repository, owner, item, opened))

    def identify(
        self,
        owner: str,
        item_id: str,
        person: str,
        name: str | None = None,
        same_as: str | None = None,
        comment: str = "",
        reviewer: str = "",
        replaces: int | None = None,
        annotated: str | None = None,
    ) -> Identity:
        """Store who a person is, as a reviewer says.

        Args:
            owner: whoever says so.
            item_id: of the annotation.
            person: the id of who is spoken of.
            name: of that person; None or blank leaves it as the model has it.
            same_as: id of the person who they are, too; None for nobody but themselves.
            comment: anything.
            reviewer: a name.
            replaces: number of what the reviewer saw in force of that person; None for nothing.
            annotated: when the annotation was made that the reviewer saw, as its provenance has
                it; None where that does not matter.

        Returns:
            What was said, which is in force.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
            UnfitVerdictError: there is no such person, or something about what is said is wrong.
            ConflictError: somebody else was first, or it was annotated anew meanwhile.
        """
        repository, item = self._catalogue.done(owner, item_id)
        annotation, opened = self._catalogue.read(repository, item)
        said = check_likeness(Likeness(name, None, comment, reviewer))
        if annotated not in (None, annotation.provenance.created):
            raise ConflictError(f"{item.name} was annotated anew; look again")
        store, whose = repository.store.people, repository.owner_of(owner)
        number = number_of(repository, owner, item, opened, person)
        history = store.history(whose, opened.media)
        if same_as is not None:
            other = number_of(repository, owner, item, opened, same_as)
            if closes_a_circle(number, other, identities_in_force(history)):
                raise UnfitVerdictError(f"{same_as} is {person} already, so {person} stays")
            said = replace(said, same_as=other)
        if sum(each.person == number for each in history) >= MOST_CORRECTIONS:
            raise UnfitVerdictError(
                f"{MOST_CORRECTIONS} things were said of {person} already, and no more are kept"
            )
        made = store.add(number, said, replaces=replaces, who=person)
        if repository.item(owner, item_id) is None:
            # Deleted meanwhile, and perhaps before there was something to forget.
            self._catalogue.drop(repository, owner, item, {opened.media})
            raise UnknownItemError
        return made

    def undo(self, owner: str, item_id: str, number: int) -> Identity | None:
        """Take back what was said of a person of an item.

        Returns:
            What is in force of that person now; None where nothing is.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
            ConflictError: it is not in force, or not of this item.
        """
        repository, item = self._catalogue.done(owner, item_id)
        media = self._catalogue.open(repository, item).media
        return repository.store.people.undo(number, repository.owner_of(owner), media)


def cast_of(repository: Repository, owner: str, item: ReviewItem, opened: Opened) -> Cast:
    """The people of an item.

    Args:
        repository: that has it.
        owner: whoever asks.
        item: which.
        opened: its annotation.
    """
    store, whose = repository.store, repository.owner_of(owner)
    known = store.people.known(whose, opened.media)
    if not known:
        return make_cast(opened.people, {}, {}, ())
    anchors = {each.number: each.anchor for each in known if each.anchor is not None}
    found = match_people(
        anchors,
        opened.appearances,
        lambda: Presence(Annotation.load(repository.annotation(item))),
    )
    said = store.history(whose, opened.media, item.id)
    return make_cast(
        opened.people,
        found,
        identities_in_force(store.people.history(whose, opened.media)),
        {
            each.verdict.person
            for each in in_force(said).values()
            if each.verdict.person is not None and each.media == opened.media
        },
    )


def number_of(
    repository: Repository, owner: str, item: ReviewItem, opened: Opened, person: str
) -> int:
    """The number of somebody of whom something is to be said.

    Args:
        repository: that has the item.
        owner: whoever says so.
        item: which.
        opened: its annotation.
        person: the id of who is spoken of.

    Raises:
        UnfitVerdictError: there is no such person.
    """
    member = cast_of(repository, owner, item, opened).members.get(person)
    if member is None:
        raise UnfitVerdictError(f"{item.name} has no person {person!r}")
    if member.number is not None:
        return member.number
    anchor = next(each for each in opened.appearances if each.person == person)
    return repository.store.people.number_of(
        anchor, owner=repository.owner_of(owner), media=opened.media, item=item.id
    )


def _given(repository: Repository, owner: str, item: ReviewItem, opened: Opened) -> dict[str, int]:
    """By utterance, the number of whose it is, where a reviewer says so."""
    history = repository.store.history(repository.owner_of(owner), opened.media, item.id)
    belongs = attach(history, opened)
    return {
        belongs[subject]: correction.verdict.person
        for subject, correction in in_force(history).items()
        if subject in belongs and correction.verdict.person is not None
    }
