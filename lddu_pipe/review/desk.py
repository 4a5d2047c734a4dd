"""The desk of a reviewer: what there is to review, what was said of it, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.review.agreement import ReviewProgress, measure
from lddu_pipe.review.cast import Cast
from lddu_pipe.review.catalogue import Catalogue
from lddu_pipe.review.identities import ConflictError
from lddu_pipe.review.manifest import Export, label_rows
from lddu_pipe.review.people import PeopleDesk, cast_of, number_of
from lddu_pipe.review.queue import Why, offers
from lddu_pipe.review.repository import Repository, ReviewItem, UnknownItemError
from lddu_pipe.review.sources import said_of
from lddu_pipe.review.store import Correction, Snapshot, Verdict, in_force
from lddu_pipe.review.subjects import attach, subject_of
from lddu_pipe.review.survey import Survey, survey
from lddu_pipe.review.verdicts import (
    MOST_CORRECTIONS,
    SOMEBODY_NEW,
    UnfitVerdictError,
    check_verdict,
)
from lddu_pipe.writers.viewer import MediaKind


@dataclass(frozen=True)
class Corrections:
    """What was said of one item."""

    in_force: Sequence[Correction]
    """Of utterances of the present annotation, by whose ids they go, in their order."""
    unmatched: Sequence[Correction]
    """In force, of utterances that the present annotation does not have."""
    history: Sequence[Correction]
    """All of these and what they replaced, the newest first."""
    cast: Cast
    """Whose utterances they give to whom."""


@dataclass(frozen=True)
class Offer:
    """An utterance to look at."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}  # in the API's schema

    item: str
    name: str
    """Of the item."""
    utterance: str
    start: float | None
    """Seconds; None where there is no time."""
    end: float | None
    text: str
    person: str | None
    """The id of whose it is, where that is known."""
    person_name: str | None
    why: Why
    """`random` ones make the estimate of agreement unbiased."""
    uncertainty: float
    """How many of its decisions are expected to be wrong."""


class ReviewDesk:
    """Reviews the annotations of some repositories. Threads may share it.

    Everywhere `owner` is whoever asks, and what others own is as if it did not exist.
    """

    def __init__(self, repositories: Sequence[Repository]) -> None:
        """Take the repositories; they stay open as long as the desk is used."""
        self._catalogue = Catalogue(repositories)
        self.people = PeopleDesk(self._catalogue)
        """Who the people in these annotations are."""
        self._surveys: dict[str, tuple[object, Survey]] = {}

    def items(self, owner: str) -> list[ReviewItem]:
        """What `owner` may review, and what could not be annotated, the newest first."""
        return self._catalogue.items(owner)

    def find(self, owner: str, item_id: str) -> ReviewItem | None:
        """One item; None where `owner` has none of that id."""
        found = self._catalogue.find(owner, item_id)
        return None if found is None else found[1]

    def annotation(self, owner: str, item_id: str) -> Path:
        """Where the annotation of an item stands, as JSON.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        repository, item = self._catalogue.done(owner, item_id)
        return repository.annotation(item)

    def media(self, owner: str, item_id: str) -> tuple[Path | None, MediaKind]:
        """The file that was annotated, and what can be shown of it.

        Returns:
            None and what it was, where the file is gone or is another by now.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        repository, item = self._catalogue.done(owner, item_id)
        kind = self._catalogue.open(repository, item).kind
        return (None if kind == "none" else repository.media(item)), kind

    def has_media(self, owner: str, item_id: str) -> bool:
        """Whether there is probably something to show of an item; reads no media.

        `media` may find that the file is another by now.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        repository, item = self._catalogue.done(owner, item_id)
        return self._catalogue.open(repository, item).kind != "none" and repository.has_media(item)

    def corrections(self, owner: str, item_id: str) -> Corrections:
        """What was said of an item.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        repository, item = self._catalogue.done(owner, item_id)
        opened = self._catalogue.open(repository, item)
        history = repository.store.history(repository.owner_of(owner), opened.media, item.id)
        belongs = attach(history, opened)
        order = {utterance: index for index, utterance in enumerate(opened.candidates)}
        now = in_force(history)
        known = [
            _renamed(now[subject], utterance)
            for subject, utterance in sorted(belongs.items(), key=lambda pair: order[pair[1]])
            if subject in now
        ]
        lost = [
            correction
            for subject, correction in now.items()
            if subject not in belongs and self._is_lost(owner, correction, item)
        ]
        shown = {*belongs, *(correction.subject for correction in lost)}
        return Corrections(
            known,
            lost,
            [
                _renamed(correction, belongs.get(correction.subject))
                for correction in reversed(history)
                if correction.subject in shown
            ],
            cast_of(repository, owner, item, opened),
        )

    def correct(
        self,
        owner: str,
        item_id: str,
        utterance: str,
        labels: Sequence[str] | None,
        start: float | None = None,
        end: float | None = None,
        comment: str = "",
        reviewer: str = "",
        replaces: int | None = None,
        annotated: str | None = None,
        person: str | None = None,
    ) -> Correction:
        """Store what a reviewer says of an utterance.

        Args:
            owner: whoever says so.
            item_id: of the annotation.
            utterance: its id there.
            labels: those that are present, all others are absent; None for "cannot tell".
            start: seconds, where the utterance is cut otherwise; with `end`.
            end: seconds.
            comment: anything.
            reviewer: a name.
            replaces: number of the correction that the reviewer saw; None for none.
            annotated: when the annotation was made that the reviewer saw, as its provenance has
                it; None where that does not matter.
            person: id of whose it is, where the model has it otherwise; `SOMEBODY_NEW` for
                somebody who is none of these people.

        Returns:
            The correction, which is in force.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
            UnfitVerdictError: there is no such utterance or person, or something else about what
                is said is wrong.
            ConflictError: somebody else was first, or it was annotated anew meanwhile.
        """
        repository, item = self._catalogue.done(owner, item_id)
        annotation, opened = self._catalogue.read(repository, item)
        said = {prediction.id: prediction for prediction in annotation.utterances}
        if utterance not in said:
            raise UnfitVerdictError(f"{item.name} has no utterance {utterance!r}")
        anchor = opened.candidates[utterance].anchor
        verdict = check_verdict(
            Verdict(None if labels is None else tuple(labels), start, end, comment, reviewer),
            opened.labels,
            anchor,
            opened.duration,
        )
        if annotated not in (None, annotation.provenance.created):
            raise ConflictError(f"{item.name} was annotated anew; look again")
        number = None
        if person not in (None, SOMEBODY_NEW, opened.candidates[utterance].person):
            number = number_of(repository, owner, item, opened, person)
        whose = repository.owner_of(owner)
        history = repository.store.history(whose, opened.media, item.id)
        subject = subject_of(whose, opened.media, anchor, history, opened)
        if sum(each.subject == subject for each in history) >= MOST_CORRECTIONS:
            raise UnfitVerdictError(
                f"utterance {utterance} has {MOST_CORRECTIONS} corrections already, and none more "
                "is kept; to undo the last one still brings back the one before"
            )
        made = repository.store.add(
            subject,
            replace(verdict, person=number),
            anchor,
            Snapshot.of(
                annotation.model.name,
                annotation.model.version,
                said[utterance],
                person=opened.candidates[utterance].person if len(opened.people) > 1 else None,
            ),
            owner=whose,
            media=opened.media,
            item=item.id,
            name=item.name,
            replaces=replaces,
            somebody_new=person == SOMEBODY_NEW,
        )
        if repository.item(owner, item_id) is None:
            # Deleted meanwhile, and perhaps before there was something to forget.
            self._catalogue.drop(repository, owner, item, {opened.media})
            raise UnknownItemError
        return made

    def undo(self, owner: str, item_id: str, number: int) -> Correction | None:
        """Take a correction of an item back.

        Returns:
            The one that is in force now; None where there is none.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
            ConflictError: the correction is not in force, or not of this item.
        """
        repository, _ = self._catalogue.done(owner, item_id)
        found = self.corrections(owner, item_id)
        known = {item.number: item for item in (*found.in_force, *found.unmatched)}
        now = repository.store.undo(number if number in known else -1, repository.owner_of(owner))
        return None if now is None else _renamed(now, known[number].anchor.utterance)

    @contextmanager
    def forgetting(self, owner: str, item_id: str) -> Iterator[None]:
        """Delete an item within the context, and what was said of it goes after it.

        It stays where another item that is done has the same media. Nothing goes where the
        context ends in an exception.
        """
        found = self._catalogue.find(owner, item_id)
        if found is None:
            yield
            return
        repository, item = found
        gone = repository.store.media_of(repository.owner_of(owner), item.id)
        with suppress(UnusableInputError):  # failed or damaged: then by its id alone
            if item.state == "done":
                gone.add(self._catalogue.open(repository, item).media)
        yield
        self._catalogue.drop(repository, owner, item, gone)
        self._catalogue.forget(item.id)
        self._surveys.pop(owner, None)

    def queue(self, owner: str, limit: int = 10) -> list[Offer]:
        """What to look at next; see `lddu_pipe.review.queue`."""
        known = self._survey(owner)
        casts: dict[str, Cast] = {}
        found: list[Offer] = []
        for key, why in offers(known.by_lot, known.by_doubt, known.judged.keys()):
            if len(found) >= limit:
                break
            candidate = known.candidates[key]
            anchor = candidate.anchor
            if candidate.item not in casts:
                casts[candidate.item] = self.people.cast(owner, candidate.item)
            cast = casts[candidate.item]
            found.append(
                Offer(
                    candidate.item,
                    known.names[candidate.item],
                    anchor.utterance,
                    anchor.start,
                    anchor.end,
                    anchor.text,
                    cast.who(candidate.person),
                    cast.name_of(candidate.person),
                    why,
                    candidate.doubt.wrong,
                )
            )
        return found

    def judged(self, owner: str) -> dict[str, int]:
        """How many utterances of each item were looked at, by the item's id."""
        return dict(self._survey(owner).judged_of_item)

    def progress(self, owner: str) -> ReviewProgress:
        """How far the review is, and how often model and reviewer agree."""
        found = self._survey(owner)
        return measure([found.candidates[key] for key in found.by_lot], found.judged)

    def rows(self, *owners: str) -> Export:
        """The corrections in force as labelled rows, also those that fit no utterance by now."""
        return label_rows(
            [
                said
                for owner in owners
                for repository in self._catalogue.repositories
                for said in said_of(repository, owner, self._catalogue.opened(repository, owner))
            ]
        )

    def _survey(self, owner: str) -> Survey:
        """What there is to review; computed again only after a change."""
        # Asked before anything is read, so that a change meanwhile is seen the next time.
        changes = [repository.store.changes() for repository in self._catalogue.repositories]
        opened = [
            list(self._catalogue.opened(repository, owner))
            for repository in self._catalogue.repositories
        ]
        state = changes, [[(item.id, item.name, each) for item, each in of] for of in opened]
        kept = self._surveys.get(owner)
        if kept is not None and kept[0] == state:
            return kept[1]
        said = [
            repository.store.in_force(repository.owner_of(owner))
            for repository in self._catalogue.repositories
        ]
        made = survey(list(zip(opened, said, strict=True)))
        self._surveys[owner] = state, made
        return made

    def _is_lost(self, owner: str, correction: Correction, item: ReviewItem) -> bool:
        """Whether a correction that fits no utterance of an item is to be shown with it.

        Items may share their media, as rows of a manifest do: each shows what was said of it.
        """
        return correction.item == item.id or self._catalogue.find(owner, correction.item) is None


def _renamed(correction: Correction, utterance: str | None) -> Correction:
    """A correction under the id that its utterance has now."""
    if utterance is None:
        return correction
    return replace(correction, anchor=replace(correction.anchor, utterance=utterance))
