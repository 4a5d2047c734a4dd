"""What can be reviewed: annotations, wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from lddu_pipe.datasets.manifest import ManifestRow
from lddu_pipe.errors import LdduPipeError
from lddu_pipe.review.store import CorrectionStore

Origin = Literal["job", "folder"]


class UnknownItemError(LdduPipeError):
    """There is no such annotation for whoever asks."""

    def __init__(self) -> None:
        """The message is always the same."""
        super().__init__("there is no such annotation; it may have been deleted")


@dataclass(frozen=True)
class ReviewItem:
    """One input that was annotated or failed."""

    id: str
    """UUID; stays the same when the input is annotated again."""
    source: Origin
    name: str
    """Of the file, as a person knows it; only ever shown."""
    state: Literal["done", "failed"]
    error: str | None
    """One line, where it failed."""
    created: str
    """When it was annotated or failed: ISO 8601, UTC."""
    statistics: Mapping[str, Any] | None
    """As `lddu_pipe.pipelines.batch.work.statistics_of` gives them; None where it failed."""
    row: ManifestRow | None = None
    """The row of the manifest that it came from, if any: which files, and how they are read."""


class Repository(Protocol):
    """Annotations of one kind, with the corrections of them.

    `owner` is whoever asks: the fingerprint of a token, empty without one.
    """

    @property
    def store(self) -> CorrectionStore:
        """Where corrections of these annotations are kept."""
        ...

    def owner_of(self, owner: str) -> str:
        """Under which name the store keeps the corrections that `owner` makes and sees."""
        ...

    def items(self, owner: str) -> Sequence[ReviewItem]:
        """What `owner` may see, the newest first."""
        ...

    def item(self, owner: str, item_id: str) -> ReviewItem | None:
        """One of them; None where `owner` has none of that id."""
        ...

    def annotation(self, item: ReviewItem) -> Path:
        """Where the annotation of an item that is done stands, as JSON."""
        ...

    def media(self, item: ReviewItem) -> Path | None:
        """The file that was annotated; None where it is gone or is another by now."""
        ...

    def has_media(self, item: ReviewItem) -> bool:
        """Whether there is a file to be shown, for lists: quick, and blind to what it holds.

        Only `media` tells whether it is still what was annotated.
        """
        ...
