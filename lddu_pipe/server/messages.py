"""What goes over the wire beside annotations: jobs, texts, problems; and an example of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from lddu_pipe.schemas import SCHEMA_VERSION, SCHEMA_VERSIONS
from lddu_pipe.server.jobs import Job, JobState
from lddu_pipe.server.options import JobOptions

Example: TypeAlias = dict[str, Any]

ID = "6f1c2f0e-5d0b-4c57-9a3e-0b6a3f1d2c4b"
LONGEST_ID = 200
"""Characters of the id of an utterance or a person that a message may name."""

OPTIONS_EXAMPLE: Example = {
    "fps": 5.0,
    "window": None,
    "aligned": None,
    "people": None,
    "audio_track": None,
    "video_track": None,
    "speakers": None,
}
JOB_EXAMPLE: Example = {
    "id": ID,
    "state": "running",
    "name": "interview.mp4",
    "size": 1_482_113,
    "transcript": "interview.srt",
    "options": OPTIONS_EXAMPLE,
    "ahead": 0,
    "stage": "look at faces",
    "share": 0.42,
    "error": None,
    "attempts": 1,
    "media": True,
    "created": "2026-01-01T12:00:00.000+00:00",
    "started": "2026-01-01T12:00:01.250+00:00",
    "finished": None,
}
TEXT_EXAMPLE: Example = {"text": "What wonderful news!"}
ANNOTATION_EXAMPLE: Example = {
    "schema_version": SCHEMA_VERSION,
    "media": {"path": "", "sha256": "", "duration": 0.0, "has_audio": False, "has_video": False},
    "model": {
        "name": "an-example",
        "version": "1.0",
        "labels": ["glad", "gloomy"],
        "aligned": False,
    },
    "people": [],
    "faces": [],
    "utterances": [
        {
            "id": "0000",
            "kind": "text",
            "person": None,
            "start": 0.0,
            "end": 1.2,
            "text": "What wonderful news!",
            "language": "en",
            "speaker": None,
            "modalities": {
                "text": {"present": True},
                "audio": {"present": False, "reason": "no sound given"},
                "vision": {"present": False, "reason": "no pictures given"},
            },
            "emotions": [
                {
                    "label": label,
                    "probability": probability,
                    "decision": decision,
                    "confidence": 0.9,
                    "uncertainty": {"aleatoric": 0.3, "epistemic": 0.02},
                }
                for label, probability, decision in (
                    ("glad", 0.9, "present"),
                    ("gloomy", 0.1, "absent"),
                )
            ],
            "abstained": False,
        }
    ],
    "provenance": {
        "created": "2026-01-01T12:00:00+00:00",
        "versions": {"lddu-pipe": "1.0"},
        "weights": {"model.safetensors": "0" * 64},
        "config": {"fps": 10.0, "aligned": False, "passes": 16, "transcript": "text"},
    },
}
"""Invented: it shows the layout, and says nothing of any model."""

EARLIER_ANNOTATION: Mapping[str, Any] = {
    "type": "object",
    "properties": {"schema_version": {"enum": list(SCHEMA_VERSIONS[1:])}},
    "required": ["schema_version"],
}
"""JSON Schema of what is sent where an earlier version of the contract is asked for."""
ANNOTATION_CONTENT: Mapping[str, Any] = {
    "application/json": {
        "schema": {
            "anyOf": [{"$ref": "#/components/schemas/AnnotationLayout"}, EARLIER_ANNOTATION]
        }
    }
}

PROBLEM_EXAMPLE: Example = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": "there is no such job; it may have been deleted",
}
EXAMPLES: dict[str, Example] = {
    "AnnotationLayout": ANNOTATION_EXAMPLE,
    "JobMessage": JOB_EXAMPLE,
    "JobsMessage": {"jobs": [JOB_EXAMPLE], "next": None},
    "ProblemMessage": PROBLEM_EXAMPLE,
    "StatusMessage": {"status": "ok"},
    "TextMessage": TEXT_EXAMPLE,
}
"""By the name of the message; the schema gets them as they stand, in this order."""


class Message(BaseModel):
    """Base of all that is sent."""

    model_config = ConfigDict(extra="forbid")


class JobMessage(Message):
    """A job: where it stands, and what it was made of."""

    id: UUID
    state: JobState
    name: str = Field(description="Of the media file, as its sender calls it; text, not a path.")
    size: int = Field(ge=0, description="Bytes of the media file.")
    transcript: str | None = Field(description="Name of the transcript, if one was sent.")
    options: JobOptions
    ahead: int = Field(ge=0, description="Jobs, of anybody, that are done before this one.")
    stage: str | None = Field(description="What is being done, while the job runs.")
    share: float | None = Field(ge=0, le=1, description="The part of the stage that is done.")
    error: str | None = Field(description="Why there is no result, where the job failed.")
    attempts: int = Field(ge=0, description="How often the job was begun.")
    media: bool = Field(description="Whether the uploaded files are still on the server.")
    created: str = Field(description="ISO 8601, UTC, as all moments.")
    started: str | None
    finished: str | None

    @classmethod
    def of(cls, job: Job, *, ahead: int, progress: tuple[str, float] | None) -> JobMessage:
        """The message about a job.

        Args:
            job: which.
            ahead: jobs that are done before it.
            progress: the stage and the share of it that is done, while it runs.
        """
        running = progress if job.state == "running" else None
        return cls(
            id=UUID(job.id),
            state=job.state,
            name=job.name,
            size=job.size,
            transcript=job.transcript,
            options=JobOptions.model_validate(job.options),
            ahead=ahead,
            stage=None if running is None else running[0],
            share=None if running is None else min(max(running[1], 0.0), 1.0),
            error=job.error,
            attempts=job.attempts,
            media=job.media,
            created=job.created,
            started=job.started,
            finished=job.finished,
        )


class JobsMessage(Message):
    """A page of jobs, the newest first."""

    jobs: list[JobMessage]
    next: UUID | None = Field(description="Give it as `before` for the page that follows.")


class TextMessage(Message):
    """A text that is annotated while its client waits."""

    text: str = Field(min_length=1, description="What somebody said or wrote, one cue a line.")


class StatusMessage(Message):
    """How the server is."""

    status: Literal["ok"]


class FieldMessage(Message):
    """What is wrong with one part of a request."""

    field: str
    problem: str


class ProblemMessage(BaseModel):
    """What is wrong, as RFC 9457 has it."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str = Field(description="One sentence for a person: what is wrong, what to do.")
    fields: list[FieldMessage] | None = Field(None, description="Of a request, one by one.")
