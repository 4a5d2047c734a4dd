"""Annotations that are looked through and corrected: those of jobs, and of a folder."""

from __future__ import annotations

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import FileResponse

from lddu_pipe.annotation import Annotation
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.review.agreement import ReviewProgress
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.repository import ReviewItem, UnknownItemError
from lddu_pipe.server.problems import Problem
from lddu_pipe.server.review_messages import (
    VERDICT_EXAMPLE,
    CorrectionMessage,
    CorrectionsMessage,
    ItemMessage,
    ItemsMessage,
    LinkMessage,
    QueueMessage,
    UndoneMessage,
    VerdictMessage,
)
from lddu_pipe.server.routes.items import Desk, Found
from lddu_pipe.server.service import ANYWHERE, GUARDED, Owner, Services, problems
from lddu_pipe.server.signed_urls import MEDIA_FOLDER, Shown
from lddu_pipe.writers import contract

_SHOWN = ("video/", "audio/", "image/")
"""Types of media that a browser is told."""

router = APIRouter(prefix="/v1", tags=["reviews"], responses=GUARDED)
links = APIRouter(tags=["reviews"], responses=ANYWHERE)


@router.get(
    "/annotations",
    response_model=ItemsMessage,
    summary="List what can be reviewed",
    response_description="All of them.",
)
def list_items(desk: Desk, owner: Owner) -> ItemsMessage:
    """Annotations of this token's jobs and of the server's folder, and what could not be done."""
    items = desk.items(owner)
    judged = desk.judged(owner)
    labels: dict[str, None] = {}
    for item in items:
        labels |= dict.fromkeys((item.statistics or {}).get("present", ()))
    return ItemsMessage(
        items=[
            ItemMessage.of(
                item, judged=judged.get(item.id, 0), media=_has_media(desk, owner, item)
            )
            for item in items
        ],
        labels=list(labels),
    )


@router.get(
    "/annotations/{item_id}",
    response_class=Response,
    summary="Get an annotation",
    responses={
        200: {
            "description": "The annotation as it was made; corrections are apart.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/AnnotationLayout"}}
            },
        },
        **problems(404, 409, 422),
    },
)
def get_annotation(item: Found, desk: Desk, owner: Owner) -> Response:
    """As JSON, the contract; `GET /v1/jobs/{job_id}/result` has other formats."""
    try:
        content = desk.annotation(owner, item.id).read_bytes()
    except FileNotFoundError:
        raise UnknownItemError from None
    annotation = Annotation.from_json(content, item.name)
    if item.source == "folder":
        # Where it lies on this machine is nobody's business.
        annotation = annotation.of_path(item.name)
    return Response(contract.render(annotation), media_type="application/json")


@router.post(
    "/annotations/{item_id}/media",
    status_code=201,
    response_model=LinkMessage,
    summary="Get a link to the media",
    response_description="The link.",
    responses=problems(404, 409, 422),
)
def link_media(item: Found, desk: Desk, owner: Owner, service: Services) -> LinkMessage:
    """For elements of a page, which cannot send a token; it expires."""
    path, kind = desk.media(owner, item.id)
    if kind == "none":
        raise Problem(404, "this is a text: there is no media")
    if path is None:
        raise _gone()
    try:
        signed = service.signed_urls.issue(Shown.of(path, _media_type(item.name)))
    except OSError:
        raise _gone() from None
    return LinkMessage(url=MEDIA_FOLDER + signed.signature, kind=kind, expires=signed.expires)


@links.get(
    MEDIA_FOLDER + "{signature}",
    response_class=Response,
    summary="Get media by a link",
    responses={
        200: {
            "description": "The media.",
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        },
        206: {
            "description": "The part that was asked for.",
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        },
        416: {
            "description": "There is no such part.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(404, 422),
    },
)
def get_media(signature: str, service: Services) -> Response:
    """The link is all it needs; parts can be asked for with `Range`."""
    found = service.signed_urls.redeem(signature)
    if found is None:
        raise Problem(404, "this link has expired; ask for another")
    return FileResponse(found.path, media_type=found.media_type)


@router.get(
    "/annotations/{item_id}/corrections",
    response_model=CorrectionsMessage,
    summary="See what was corrected",
    response_description="All corrections of it.",
    responses=problems(404, 409, 422),
)
def list_corrections(item: Found, desk: Desk, owner: Owner) -> CorrectionsMessage:
    """Those in force, and everything that was ever said."""
    found = desk.corrections(owner, item.id)
    return CorrectionsMessage(
        in_force=[CorrectionMessage.of(each, found.cast) for each in found.in_force],
        unmatched=[CorrectionMessage.of(each, found.cast) for each in found.unmatched],
        history=[CorrectionMessage.of(each, found.cast) for each in found.history],
    )


@router.post(
    "/annotations/{item_id}/corrections",
    status_code=201,
    response_model=CorrectionMessage,
    summary="Confirm or correct an utterance",
    response_description="The correction, which is in force.",
    responses=problems(404, 409, 422),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": VERDICT_EXAMPLE}}}},
)
def correct(item: Found, verdict: VerdictMessage, desk: Desk, owner: Owner) -> CorrectionMessage:
    """What was said before is kept. Where somebody else was faster, nothing is changed (409)."""
    made = desk.correct(
        owner,
        item.id,
        verdict.utterance,
        verdict.labels,
        start=verdict.start,
        end=verdict.end,
        comment=verdict.comment,
        reviewer=verdict.reviewer,
        replaces=verdict.replaces,
        annotated=verdict.annotated,
        person=verdict.person,
    )
    return CorrectionMessage.of(made, desk.people.cast(owner, item.id))


@router.delete(
    "/annotations/{item_id}/corrections/{number}",
    response_model=UndoneMessage,
    summary="Take a correction back",
    response_description="What holds now.",
    responses=problems(404, 409, 422),
)
def undo(
    item: Found,
    number: Annotated[int, Path(ge=1, lt=2**63)],
    desk: Desk,
    owner: Owner,
) -> UndoneMessage:
    """The one before it is in force again; the history keeps both. Only the last can be undone."""
    now = desk.undo(owner, item.id, number)
    if now is None:
        return UndoneMessage(in_force=None)
    return UndoneMessage(in_force=CorrectionMessage.of(now, desk.people.cast(owner, item.id)))


@router.get(
    "/queue",
    response_model=QueueMessage,
    summary="See what to review next",
    response_description="The next ones.",
    responses=problems(422),
)
def queue(
    desk: Desk, owner: Owner, limit: Annotated[int, Query(ge=1, le=100)] = 10
) -> QueueMessage:
    """The most uncertain first, and every fourth drawn at random: see docs/review.md."""
    return QueueMessage(next=desk.queue(owner, limit))


@router.get(
    "/agreement",
    response_model=ReviewProgress,
    summary="See how far reviewers agree with the model",
    response_description="Progress and agreement.",
)
def agreement(desk: Desk, owner: Owner) -> ReviewProgress:
    """Estimated from the utterances that were drawn at random, with 95 % intervals."""
    return desk.progress(owner)


@router.get(
    "/corrections.zip",
    response_class=Response,
    summary="Export corrections for training",
    responses={
        200: {
            "description": "`corrections.jsonl`, a manifest, with the media that it names.",
            "content": {"application/zip": {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
def export(desk: Desk, owner: Owner, service: Services) -> Response:
    """Unpack it, and give the manifest to `calibrate`, `extract` or `train`.

    Media that were deleted are missing: of their utterances the words remain, where there are any.
    """
    found = desk.rows(owner)
    if not found.rows:
        raise Problem(404, "there are no corrections to export")
    return service.archives.pack(owner, found, "corrections.zip")


def _has_media(desk: ReviewDesk, owner: str, item: ReviewItem) -> bool:
    try:
        return item.state == "done" and desk.has_media(owner, item.id)
    except (UnknownItemError, UnusableInputError):  # deleted this very moment
        return False


def _media_type(name: str) -> str:
    """What a browser is told: nothing in which a script could run."""
    found, _ = mimetypes.guess_type(name)
    if found is None or not found.startswith(_SHOWN) or "svg" in found:
        return "application/octet-stream"
    return found


def _gone() -> Problem:
    return Problem(404, "the media is not there any more; what was said of it stays")
