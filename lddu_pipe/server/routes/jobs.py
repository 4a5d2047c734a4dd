"""Media that are uploaded, and what becomes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from lddu_pipe.schemas import SCHEMA_VERSION
from lddu_pipe.server.jobs import Job, JobState
from lddu_pipe.server.messages import ID, JobMessage, JobsMessage
from lddu_pipe.server.problems import Problem, storing
from lddu_pipe.server.results import FILE_CONTENT, FormatName, as_file, load
from lddu_pipe.server.service import GUARDED, Owner, Schema, Services, problems
from lddu_pipe.server.uploads import FORM_SCHEMA, receive

_LOOK = 0.25  # s; how often a client that watches a job is told of changes

router = APIRouter(prefix="/v1", tags=["jobs"], responses=GUARDED)


def _find(request: Request, job_id: UUID, service: Services, owner: Owner) -> Job:
    request.state.job_id = str(job_id)
    job = service.store.get(str(job_id), owner)
    if job is None:
        raise Problem(404, "there is no such job; it may have been deleted")
    return job


Found = Annotated[Job, Depends(_find)]


@router.post(
    "/jobs",
    status_code=202,
    response_model=JobMessage,
    summary="Upload media, get a job",
    responses={
        202: {
            "description": "The job is queued.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Its path."}},
        },
        **problems(415, 422),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": FORM_SCHEMA,
                    "example": {
                        "media": "(the bytes of interview.mp4)",
                        "transcript": "(the bytes of interview.srt)",
                        "fps": 5,
                    },
                    "encoding": {
                        "media": {"contentType": "application/octet-stream"},
                        "transcript": {"contentType": "text/plain"},
                    },
                }
            },
        }
    },
)
async def upload(
    request: Request, response: Response, service: Services, owner: Owner
) -> JobMessage:
    """Send a form with `media`, and perhaps `transcript` and options.

    The files are streamed to the server's disk. Their names are kept to be shown, no more. Media
    that last too long or cannot be decoded make the job fail, which its `error` explains.
    """
    most = service.limits.waiting
    if await run_in_threadpool(service.store.unfinished, owner) >= most:
        raise _full(most)
    job_id = str(uuid4())
    request.state.job_id = job_id
    try:
        with storing():
            folder = await run_in_threadpool(service.folder.arrive, job_id)
            sent = await receive(
                request.stream(),
                request.headers.get("content-type", ""),
                folder,
                job_id,
                service.limits,
            )
            await run_in_threadpool(service.folder.keep, job_id)
            job = await run_in_threadpool(service.store.add, sent, owner, most=most)
            if job is None:
                await run_in_threadpool(service.folder.remove, job_id)
                raise _full(most)
    finally:
        # What became a job has been moved away by now.
        await run_in_threadpool(service.folder.discard, job_id)
    service.runner.wake()
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return await run_in_threadpool(service.message, job)


@router.get(
    "/jobs",
    response_model=JobsMessage,
    summary="List jobs",
    response_description="A page of them.",
    responses=problems(404, 422),
)
def list_jobs(
    service: Services,
    owner: Owner,
    state: Annotated[JobState | None, Query(description="Only jobs in this state.")] = None,
    before: Annotated[
        UUID | None, Query(description="Only jobs older than this one: `next` of a page.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> JobsMessage:
    """The jobs of this token, the newest first."""
    start = None
    if before is not None:
        start = service.store.get(str(before), owner)
        if start is None:
            raise Problem(404, "the job of `before` is gone; list from the start")
    found = service.store.page(owner, state=state, before=start, limit=limit + 1)
    return JobsMessage(
        jobs=[service.message(job) for job in found[:limit]],
        next=UUID(found[limit - 1].id) if len(found) > limit else None,
    )


@router.get(
    "/jobs/{job_id}",
    response_model=JobMessage,
    summary="See how a job stands",
    response_description="The job.",
    responses=problems(404, 422),
)
def get_job(job: Found, service: Services) -> JobMessage:
    """Its state, how many jobs are before it, and while it runs its stage."""
    return service.message(job)


@router.get(
    "/jobs/{job_id}/events",
    response_class=EventSourceResponse,
    summary="Watch a job",
    responses={
        200: {
            "description": "An event `job` with the job as data whenever it changes; after the "
            "last state, or with an event `deleted`, the stream ends.",
            "content": {
                "text/event-stream": {
                    "example": 'event: job\ndata: {"id": "' + ID + '", "state": "done"}\n\n'
                }
            },
        },
        **problems(404, 422),
    },
)
async def watch(job: Found, service: Services) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events: no need to ask again and again."""
    sent: JobMessage | None = None
    while True:
        found = await run_in_threadpool(service.store.get, job.id, job.owner)
        if found is None:
            yield ServerSentEvent(event="deleted", data={"id": job.id})
            return
        message = await run_in_threadpool(service.message, found)
        if message != sent:
            yield ServerSentEvent(event="job", data=message)
            sent = message
        if found.state in ("done", "failed"):
            return
        await asyncio.sleep(_LOOK)


@router.get(
    "/jobs/{job_id}/result",
    response_class=Response,
    summary="Get the annotation",
    responses={
        200: {
            "description": "The annotation, as a file to save.",
            "content": FILE_CONTENT,
        },
        **problems(404, 409, 422),
    },
)
def get_result(
    job: Found,
    service: Services,
    name: FormatName = "json",
    schema: Schema = SCHEMA_VERSION,
) -> Response:
    """In any format. It is always a file to save: none of them is shown by the server's origin."""
    if job.state == "failed":
        raise Problem(409, f"the job failed: {job.error}")
    if job.state != "done":
        raise Problem(409, "the job is not done yet; watch its events")
    try:
        annotation = load(service.folder, job)
    except FileNotFoundError:
        raise Problem(404, "there is no such job; it may have been deleted") from None
    return as_file(annotation, name, schema, job.id)


@router.delete(
    "/jobs/{job_id}",
    status_code=204,
    summary="Delete a job",
    response_description="It is gone.",
    responses=problems(404, 422),
)
def delete_job(job: Found, service: Services) -> None:
    """Its files, its result and what was corrected of it are removed; one that runs is given up.

    Corrections stay where another job that is done has the same media.
    """
    with service.desk.forgetting(job.owner, job.id):
        if not service.store.delete(job.id, job.owner):
            raise Problem(404, "there is no such job; it may have been deleted")
    # Where it runs, its files go as soon as the runner has let go of them.
    if not service.runner.give_up(job.id):
        service.folder.remove(job.id)


def _full(most: int) -> Problem:
    return Problem(
        429,
        f"{most} of your jobs wait; send more once some are done",
        headers={"Retry-After": "60"},
    )
