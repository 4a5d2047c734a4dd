"""What corrections are of, for an export: items, media, whole texts and people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.conversation import Conversation
from lddu_pipe.review.candidates import Opened
from lddu_pipe.review.cast import Cast
from lddu_pipe.review.manifest import Said
from lddu_pipe.review.matching import LONGEST_TEXT, Anchor, anchors_of, match, whole_characters
from lddu_pipe.review.people import cast_of
from lddu_pipe.review.repository import Repository, ReviewItem
from lddu_pipe.review.store import Correction
from lddu_pipe.review.subjects import attach


def said_of(
    repository: Repository, owner: str, opened: Iterable[tuple[ReviewItem, Opened]]
) -> Iterator[Said]:
    """Each correction in force with what it is of.

    Args:
        repository: that it is kept on.
        owner: whoever asks.
        opened: the items of the repository that are done.
    """
    of_media: dict[str, list[tuple[ReviewItem, Opened]]] = defaultdict(list)
    for item, found in opened:
        of_media[found.media].append((item, found))
    texts, items = _Texts(repository), _Items(repository, owner)
    for correction in repository.store.in_force(repository.owner_of(owner)):
        known = of_media[correction.media]
        said = _said(repository, correction, known)
        person, context = items.person(said, known), items.context(said, known)
        yield replace(said, text=texts.of(said), person=person, context=context)


def _said(
    repository: Repository, correction: Correction, found: Sequence[tuple[ReviewItem, Opened]]
) -> Said:
    """A correction with the item that it is of, among those of the same media.

    Its own where that is still there, as rows of a manifest may share their media; else one whose
    media is there.
    """
    best = Said(correction, None, "none", None, correction.anchor.text, None)
    for item, opened in sorted(found, key=lambda pair: pair[0].id != correction.item):
        media = None if opened.kind == "none" else repository.media(item)
        if best.item is None or media is not None:
            best = replace(best, item=item, kind=opened.kind, media=media)
        if media is not None or (opened.kind == "none" and item.id == correction.item):
            break
    return best


class _Items:
    """Whose utterances are, and what was said before them; each item is read once."""

    def __init__(self, repository: Repository, owner: str) -> None:
        self._repository = repository
        self._owner = owner
        self._known: dict[str, _Known] = {}

    def person(self, said: Said, found: Sequence[tuple[ReviewItem, Opened]]) -> str | None:
        """Whose an utterance is: a name, or an id that no other file has; None if unknown."""
        item, correction = said.item, said.correction
        if item is None:
            return None
        known = self._of(item, found)
        person = known.cast.whose(correction.verdict.person, known.persons.get(correction.subject))
        return known.cast.name_of(person) or (None if person is None else f"{item.name}/{person}")

    def context(self, said: Said, found: Sequence[tuple[ReviewItem, Opened]]) -> tuple[str, ...]:
        """What was said before an utterance; nothing where its annotation is gone."""
        if said.item is None:
            return ()
        return self._of(said.item, found).contexts.get(said.correction.subject, ())

    def _of(self, item: ReviewItem, found: Sequence[tuple[ReviewItem, Opened]]) -> _Known:
        if item.id not in self._known:
            opened = next(opened for other, opened in found if other.id == item.id)
            self._known[item.id] = self._read(item, opened)
        return self._known[item.id]

    def _read(self, item: ReviewItem, opened: Opened) -> _Known:
        owner = self._repository.owner_of(self._owner)
        history = self._repository.store.history(owner, opened.media, item.id)
        belongs = attach(history, opened)
        before = _before(item, opened)
        return _Known(
            cast_of(self._repository, self._owner, item, opened),
            {subject: opened.candidates[one].person for subject, one in belongs.items()},
            {subject: before[one] for subject, one in belongs.items()},
        )


class _Known(NamedTuple):
    """Of an item."""

    cast: Cast
    persons: Mapping[str, str | None]
    """By subject, the id of whose its utterance is, as the model has it."""
    contexts: Mapping[str, tuple[str, ...]]
    """By subject, what was said before its utterance."""


def _before(item: ReviewItem, opened: Opened) -> dict[str, tuple[str, ...]]:
    """By utterance, what was said before it."""
    conversation = Conversation((item.row.context or ()) if item.row else ())
    contexts = {}
    for anchor in opened.anchors:
        contexts[anchor.utterance] = conversation.before(anchor.start or 0.0)
        if anchor.text.strip():
            conversation.hear(anchor.text, anchor.end or 0.0)
    return contexts


class _Texts:
    """Whole texts of utterances, of which corrections have only the beginning where they are long.

    One annotation is held at a time.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._item = ""
        self._anchors: list[Anchor] = []
        self._texts: dict[str, str] = {}

    def of(self, said: Said) -> str:
        """The whole text where the annotation still has it, else the beginning that was stored."""
        anchor, item = said.correction.anchor, said.item
        if len(anchor.text) < LONGEST_TEXT or item is None:
            return anchor.text
        if item.id != self._item:
            try:
                annotation = Annotation.load(self._repository.annotation(item))
            except UnusableInputError:  # deleted this very moment
                return anchor.text
            self._item, self._anchors = item.id, anchors_of(annotation)
            self._texts = {each.id: each.text for each in annotation.utterances}
        utterance = match({"": anchor}, self._anchors).get("")
        text = whole_characters(self._texts.get(utterance or "", ""))
        return text if text.startswith(anchor.text) else anchor.text
