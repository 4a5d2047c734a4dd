"""What goes over the wire about annotations that are looked through and corrected."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from lddu_pipe.predictions import Decision
from lddu_pipe.review.cast import Cast
from lddu_pipe.review.desk import Offer
from lddu_pipe.review.repository import Origin, ReviewItem
from lddu_pipe.review.store import Correction
from lddu_pipe.review.verdicts import LONGEST_COMMENT, LONGEST_NAME, SOMEBODY_NEW
from lddu_pipe.server.messages import ID, LONGEST_ID, Example, Message
from lddu_pipe.writers.viewer import MediaKind

CORRECTION_EXAMPLE: Example = {
    "number": 12,
    "utterance": "0003",
    "labels": ["happy", "surprise"],
    "start": 4.2,
    "end": 6.85,
    "comment": "laughs while speaking",
    "reviewer": "Ana",
    "person": "p2",
    "created": "2026-01-01T12:10:00.000+00:00",
    "undone": None,
    "text": "What wonderful news!",
    "model_start": 4.2,
    "model_end": 6.5,
    "model": {
        "name": "lddu-base-en",
        "version": "0.6.0",
        "decisions": {
            "happy": "present",
            "sad": "absent",
            "anger": "absent",
            "surprise": "abstain",
            "disgust": "absent",
            "fear": "absent",
        },
    },
}
VERDICT_EXAMPLE: Example = {
    "utterance": "0003",
    "labels": ["happy", "surprise"],
    "start": 4.2,
    "end": 6.85,
    "comment": "laughs while speaking",
    "reviewer": "Ana",
    "person": "p2",
    "replaces": None,
    "annotated": "2026-01-01T12:00:00+00:00",
}
REVIEW_EXAMPLES: dict[str, Example] = {
    "CorrectionMessage": CORRECTION_EXAMPLE,
    "VerdictMessage": VERDICT_EXAMPLE,
    "Offer": {
        "item": ID,
        "name": "interview.mp4",
        "utterance": "0003",
        "start": 4.2,
        "end": 6.5,
        "text": "What wonderful news!",
        "person": "p2",
        "person_name": "Ben",
        "why": "uncertain",
        "uncertainty": 1.4,
    },
    "LinkMessage": {
        "url": "/v1/media/rN0rK1mBqf3hXq7yQ2m0o0m5bq1l8o3T",
        "kind": "video",
        "expires": "2026-01-01T16:00:00+00:00",
    },
}
"""By the name of the message."""


class ItemMessage(Message):
    """An annotation that can be opened, or the reason why there is none."""

    id: UUID
    source: Origin = Field(description="A job of this token, or the folder of --review.")
    name: str = Field(description="Of the media file; text, not a path.")
    state: Literal["done", "failed"]
    error: str | None = Field(description="Why there is no annotation, where it failed.")
    created: str = Field(description="When it ended; ISO 8601, UTC, as all moments.")
    duration: float = Field(ge=0, description="Seconds; 0 for text and stills.")
    utterances: int = Field(ge=0)
    abstained: int = Field(ge=0, description="Utterances of which the model does not decide.")
    present: dict[str, int] = Field(description="By label, utterances in which it is present.")
    missing: dict[str, int] = Field(description="By modality, utterances that lack it.")
    judged: int = Field(ge=0, description="Utterances that a reviewer has looked at.")
    media: bool = Field(description="Whether the media is still there.")

    @classmethod
    def of(cls, item: ReviewItem, *, judged: int, media: bool) -> ItemMessage:
        """The message about an item.

        Args:
            item: which.
            judged: utterances that were looked at.
            media: whether what was annotated is there.
        """
        found = item.statistics or {}
        return cls(
            id=UUID(item.id),
            source=item.source,
            name=item.name,
            state=item.state,
            error=item.error,
            created=item.created,
            duration=found.get("duration", 0.0),
            utterances=found.get("utterances", 0),
            abstained=found.get("abstained", 0),
            present=found.get("present", {}),
            missing=found.get("missing", {}),
            judged=judged,
            media=media,
        )


class ItemsMessage(Message):
    """All annotations that this token may see, the newest first."""

    items: list[ItemMessage]
    labels: list[str] = Field(description="Of all their models, in order.")


class LinkMessage(Message):
    """An address for an element of a page, which cannot send a token."""

    url: str = Field(description="Whoever has it may fetch the media until it expires.")
    kind: MediaKind
    expires: str


class VerdictMessage(Message):
    """What a reviewer says of an utterance."""

    utterance: str = Field(min_length=1, max_length=LONGEST_ID, description="Its id.")
    labels: list[str] | None = Field(
        max_length=100,
        description="Those that are present, none for an empty list; null: cannot tell.",
    )
    start: float | None = Field(None, ge=0, description="Seconds; null leaves it as it is.")
    end: float | None = Field(None, ge=0, description="Seconds; null leaves it as it is.")
    comment: str = Field("", max_length=LONGEST_COMMENT)
    reviewer: str = Field(pattern=r"\S", max_length=LONGEST_NAME, description="A name.")
    person: str | None = Field(
        None,
        min_length=1,
        max_length=LONGEST_ID,
        description=f"Id of whose it is, `{SOMEBODY_NEW}` for somebody who is none of the people; "
        "null leaves it as it is.",
    )
    replaces: int | None = Field(
        None,
        ge=1,
        lt=2**63,
        description="Number of the correction that the reviewer saw in force, if there was one.",
    )
    annotated: str | None = Field(
        None,
        max_length=100,
        description="`provenance.created` of the annotation that the reviewer saw: where it was "
        "made anew since, nothing is changed.",
    )


class ModelSaidMessage(Message):
    """What the model decided when an utterance was corrected."""

    name: str
    version: str
    decisions: dict[str, Decision]


class CorrectionMessage(Message):
    """What a reviewer said of an utterance, and of what."""

    number: int = Field(description="Counts up; a later one is of a later moment.")
    utterance: str = Field(
        description="Its id: now, where the correction is in force; else when it was made."
    )
    labels: list[str] | None = Field(description="Those present; null: cannot tell.")
    start: float | None = Field(description="Seconds; null where there is no time.")
    end: float | None
    comment: str
    reviewer: str
    person: str | None = Field(
        description="Id of whose it is now, where the reviewer said so; null: as the model has it."
    )
    created: str
    undone: str | None = Field(description="When it was taken back.")
    text: str
    model_start: float | None = Field(description="As the model cut it.")
    model_end: float | None
    model: ModelSaidMessage

    @classmethod
    def of(cls, correction: Correction, cast: Cast) -> CorrectionMessage:
        """The message about a correction.

        Args:
            correction: which.
            cast: the people of its annotation.
        """
        verdict, anchor, model = correction.verdict, correction.anchor, correction.model
        return cls(
            number=correction.number,
            utterance=anchor.utterance,
            labels=None if verdict.labels is None else list(verdict.labels),
            start=anchor.start if verdict.start is None else verdict.start,
            end=anchor.end if verdict.end is None else verdict.end,
            comment=verdict.comment,
            reviewer=verdict.reviewer,
            person=cast.whose(verdict.person, None),
            created=correction.created,
            undone=correction.undone,
            text=anchor.text,
            model_start=anchor.start,
            model_end=anchor.end,
            model=ModelSaidMessage(
                name=model.name, version=model.version, decisions=dict(model.decisions)
            ),
        )


class CorrectionsMessage(Message):
    """Everything that was said of the utterances of an annotation."""

    in_force: list[CorrectionMessage]
    unmatched: list[CorrectionMessage] = Field(
        description="In force, of utterances that the annotation does not cut so any more."
    )
    history: list[CorrectionMessage] = Field(description="All of them, the newest first.")


class UndoneMessage(Message):
    """What holds once a correction was taken back."""

    in_force: CorrectionMessage | None


class QueueMessage(Message):
    """What to look at next, in order."""

    next: list[Offer]
