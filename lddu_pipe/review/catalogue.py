"""Where a desk finds what it works on: the items of some repositories, and their annotations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.review.candidates import Opened, Reading, open_annotation
from lddu_pipe.review.repository import Repository, ReviewItem, UnknownItemError


class Catalogue:
    """The items of some repositories. Threads may share it.

    Everywhere `owner` is whoever asks, and what others own is as if it did not exist.
    """

    def __init__(self, repositories: Sequence[Repository]) -> None:
        """Take the repositories; they stay open as long as the catalogue is used."""
        self.repositories = tuple(repositories)
        self._reading = Reading()

    def items(self, owner: str) -> list[ReviewItem]:
        """What `owner` may review, and what could not be annotated, the newest first."""
        found = [item for repository in self.repositories for item in repository.items(owner)]
        return sorted(found, key=lambda item: item.created, reverse=True)

    def find(self, owner: str, item_id: str) -> tuple[Repository, ReviewItem] | None:
        """An item and where it is; None where `owner` has none of that id."""
        for repository in self.repositories:
            item = repository.item(owner, item_id)
            if item is not None:
                return repository, item
        return None

    def done(self, owner: str, item_id: str) -> tuple[Repository, ReviewItem]:
        """An item that was annotated, and where it is.

        Raises:
            UnknownItemError: there is no such item.
            UnusableInputError: it could not be annotated.
        """
        found = self.find(owner, item_id)
        if found is None:
            raise UnknownItemError
        if found[1].state != "done":
            raise UnusableInputError(f"{found[1].name} could not be annotated: {found[1].error}")
        return found

    def open(self, repository: Repository, item: ReviewItem) -> Opened:
        """What an annotation holds, kept until it changes.

        Raises:
            UnusableInputError: it is gone or damaged.
        """
        return self._reading.open(item, repository.annotation(item))

    def read(self, repository: Repository, item: ReviewItem) -> tuple[Annotation, Opened]:
        """An annotation, and what it holds: the file may be written anew at any moment.

        Raises:
            UnusableInputError: it is gone or damaged.
        """
        annotation = Annotation.load(repository.annotation(item))
        return annotation, open_annotation(item.id, annotation)

    def opened(self, repository: Repository, owner: str) -> Iterator[tuple[ReviewItem, Opened]]:
        """Every item that can be reviewed; one may be written anew or deleted this very moment."""
        for item in repository.items(owner):
            if item.state == "done":
                with suppress(UnusableInputError):
                    yield item, self.open(repository, item)

    def forget(self, item_id: str) -> None:
        """Forget an annotation."""
        self._reading.forget(item_id)

    def drop(self, repository: Repository, owner: str, item: ReviewItem, gone: set[str]) -> None:
        """Delete what was said of media, except of media that another item has, too."""
        others = [
            opened for other, opened in self.opened(repository, owner) if other.id != item.id
        ]
        for media in gone - {opened.media for opened in others}:
            repository.store.delete(repository.owner_of(owner), media)
