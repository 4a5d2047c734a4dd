"""What goes over the wire: jobs, texts, problems, and the contract of annotations."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from lddu_pipe.server.jobs import Job, JobState
from lddu_pipe.server.options import JobOptions
from lddu_pipe.types import Decision

Example: TypeAlias = dict[str, Any]

ID = "6f1c2f0e-5d0b-4c57-9a3e-0b6a3f1d2c4b"

OPTIONS_EXAMPLE: Example = {
    "fps": 5.0,
    "window": None,
    "aligned": None,
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
_SCORES = (
    ("happy", 0.9088, "present", 0.9088, 0.354, 0.0268),
    ("sad", 0.0426, "absent", 0.9574, 0.2426, 0.0197),
    ("anger", 0.0268, "absent", 0.9732, 0.1808, 0.0104),
    ("surprise", 0.0662, "absent", 0.9338, 0.2992, 0.0151),
    ("disgust", 0.0038, "absent", 0.9962, 0.0993, 0.0013),
    ("fear", 0.0078, "absent", 0.9922, 0.1173, 0.0046),
)
"""What `lddu-base-en` says of `TEXT_EXAMPLE`, in the order of `EmotionMessage`."""

ANNOTATION_EXAMPLE: Example = {
    "schema_version": "1.0",
    "media": {
        "path": "",
        "sha256": "",
        "duration": 0.0,
        "has_audio": False,
        "has_video": False,
    },
    "model": {
        "name": "lddu-base-en",
        "version": "0.6.0",
        "labels": [label for label, *_ in _SCORES],
        "aligned": False,
    },
    "utterances": [
        {
            "id": "0000",
            "start": 0.0,
            "end": 1.2,
            "text": "What wonderful news!",
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
                    "confidence": confidence,
                    "uncertainty": {"aleatoric": aleatoric, "epistemic": epistemic},
                }
                for label, probability, decision, confidence, aleatoric, epistemic in _SCORES
            ],
            "abstained": False,
        }
    ],
    "provenance": {
        "created": "2026-01-01T12:00:00+00:00",
        "versions": {"lddu-pipe": "0.1.0", "torch": "2.13.0"},
        "weights": {
            "model.safetensors": "23d055fc0bd3833b75286776216bd5bef1c3d7f24e97589f56ffcd854d4af698"
        },
        "config": {"fps": 10.0, "aligned": False, "passes": 16, "transcript": "text"},
    },
}
PROBLEM_EXAMPLE: Example = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": "there is no such job; it may have been deleted",
}
EXAMPLES: dict[str, Example] = {
    "AnnotationMessage": ANNOTATION_EXAMPLE,
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


class MediaMessage(Message):
    """What was annotated."""

    path: str = Field(description="The name its sender gave; empty for a text.")
    sha256: str
    duration: float = Field(ge=0, description="Seconds; 0 for text and stills.")
    has_audio: bool
    has_video: bool


class ModelMessage(Message):
    """Which model spoke."""

    name: str
    version: str
    labels: list[str]
    aligned: bool
    scales: Annotated[list[str], Field(description="Schema 1.2 only.")] = []


class ModalityMessage(Message):
    """Whether a modality was there, and why not."""

    present: bool
    reason: Annotated[str, Field(description="Only where it is absent.")] = ""


class ModalitiesMessage(Message):
    """Each modality of an utterance."""

    text: ModalityMessage
    audio: ModalityMessage
    vision: ModalityMessage


class UncertaintyMessage(Message):
    """Two kinds of doubt; see docs/uncertainty.md."""

    aleatoric: float
    epistemic: float


class EmotionMessage(Message):
    """One label of an utterance."""

    label: str
    probability: float = Field(ge=0, le=1, description="Calibrated: that the emotion is there.")
    decision: Decision
    confidence: float = Field(ge=0, le=1, description="Calibrated: that the decision is right.")
    uncertainty: UncertaintyMessage


class ScaleMessage(Message):
    """A place on a continuous scale."""

    value: float = Field(ge=-1, le=1)
    low: float | None = Field(
        ge=-1, le=1, description="With `high`, the interval, if there is one."
    )
    high: float | None = Field(ge=-1, le=1)


class UtteranceMessage(Message):
    """One utterance with all labels, in label order."""

    id: str
    start: float
    end: float
    text: str
    speaker: str | None
    modalities: ModalitiesMessage
    emotions: list[EmotionMessage]
    abstained: bool
    label_set: Annotated[list[str], Field(description="From schema 1.1 on.")] = []
    scales: Annotated[dict[str, ScaleMessage], Field(description="Schema 1.2 only.")] = {}


class ProvenanceMessage(Message):
    """What is needed to get the same annotation again."""

    created: str
    versions: dict[str, str]
    weights: dict[str, str]
    config: dict[str, str | float | bool | None]


class AnnotationMessage(Message):
    """The annotation; docs/annotation.md is the contract."""

    schema_version: Literal["1.0", "1.1", "1.2"]
    media: MediaMessage
    model: ModelMessage
    utterances: list[UtteranceMessage]
    provenance: ProvenanceMessage
