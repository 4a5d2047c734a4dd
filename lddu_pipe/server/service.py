"""What the endpoints work with, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request

from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.schemas import SchemaVersion
from lddu_pipe.server.archives import Archives
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import Job, JobStore
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.live.desk import LiveDesk
from lddu_pipe.server.messages import JobMessage
from lddu_pipe.server.metrics import Metrics
from lddu_pipe.server.problems import PROBLEM_TYPE, Problem
from lddu_pipe.server.runner import JobRunner
from lddu_pipe.server.signed_urls import SignedUrls
from lddu_pipe.server.texts import TextDesk


@dataclass(frozen=True)
class Service:
    """What the endpoints work with."""

    store: JobStore
    folder: DataFolder
    runner: JobRunner
    texts: TextDesk
    metrics: Metrics
    limits: Limits
    desk: ReviewDesk
    signed_urls: SignedUrls
    archives: Archives
    live: LiveDesk

    def message(self, job: Job) -> JobMessage:
        """What a client is told of a job."""
        return JobMessage.of(
            job, ahead=self.store.ahead(job), progress=self.runner.progress(job.id)
        )


def _service(request: Request) -> Service:
    return cast(Service, request.app.state.service)


def _owner(request: Request) -> str:
    return cast(str, request.state.owner)


Services = Annotated[Service, Depends(_service)]
Owner = Annotated[str, Depends(_owner)]
Schema = Annotated[
    SchemaVersion,
    Query(alias="schema", description="Version of the layout of json and jsonl."),
]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The schema of answers that are problems."""
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemMessage"}}}
    meanings = {
        400: "The request is broken.",
        401: "The token is missing or wrong.",
        403: "A page from elsewhere called.",
        404: "There is no such thing of this token.",
        408: "The request came too slowly.",
        409: "It is in another state.",
        413: "The request is too large.",
        415: "The body is of another type.",
        421: "The request is for another host.",
        422: "The request is not as this schema has it, or what it brings cannot be used.",
        429: "Too many requests, or too many jobs that wait.",
        503: "The server is not ready, or too busy.",
        507: "The disk is full.",
    }
    return {status: {"description": meanings[status], "content": content} for status in statuses}


ANYWHERE = problems(400, 403, 408, 413, 421, 429)
"""What every endpoint answers."""

GUARDED = {**ANYWHERE, **problems(401, 503, 507)}
"""And where it needs a token."""


def not_ready() -> Problem:
    """What is answered until the model is loaded."""
    return Problem(503, "the model is being loaded; try again", headers={"Retry-After": "5"})
