"""The people of an annotation over HTTP: named, made one, and the annotation with them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from lddu_pipe.schemas import SCHEMA_VERSION
from lddu_pipe.server.people_messages import (
    LIKENESS_EXAMPLE,
    IdentityMessage,
    LikenessMessage,
    PeopleMessage,
    UndoneIdentityMessage,
)
from lddu_pipe.server.results import FILE_CONTENT, FormatName, as_file
from lddu_pipe.server.routes.items import Desk, Found
from lddu_pipe.server.service import GUARDED, Owner, Schema, problems

router = APIRouter(prefix="/v1", tags=["reviews"], responses=GUARDED)


@router.get(
    "/annotations/{item_id}/people",
    response_model=PeopleMessage,
    summary="See who is in it",
    response_description="Everybody, and what was said of them.",
    responses=problems(404, 409, 422),
)
def list_people(item: Found, desk: Desk, owner: Owner) -> PeopleMessage:
    """Those whom the model found and those whom reviewers brought in, as it is now."""
    return PeopleMessage.of(desk.people.look(owner, item.id))


@router.post(
    "/annotations/{item_id}/people",
    status_code=201,
    response_model=IdentityMessage,
    summary="Say who a person is",
    response_description="What was said, which is in force.",
    responses=problems(404, 409, 422),
    openapi_extra={
        "requestBody": {"content": {"application/json": {"example": LIKENESS_EXAMPLE}}}
    },
)
def identify(item: Found, likeness: LikenessMessage, desk: Desk, owner: Owner) -> IdentityMessage:
    """A name, or that two people are one; to give an utterance to somebody, correct the utterance.

    What was said before is kept. Where somebody else was faster, nothing is changed (409).
    """
    made = desk.people.identify(
        owner,
        item.id,
        likeness.person,
        likeness.name,
        likeness.same_as,
        comment=likeness.comment,
        reviewer=likeness.reviewer,
        replaces=likeness.replaces,
        annotated=likeness.annotated,
    )
    return IdentityMessage.of(made, desk.people.cast(owner, item.id))


@router.delete(
    "/annotations/{item_id}/people/{number}",
    response_model=UndoneIdentityMessage,
    summary="Take back who a person is",
    response_description="What holds now.",
    responses=problems(404, 409, 422),
)
def undo(
    item: Found,
    number: Annotated[int, Path(ge=1, lt=2**63)],
    desk: Desk,
    owner: Owner,
) -> UndoneIdentityMessage:
    """What was said of that person before holds again; the history keeps both."""
    now = desk.people.undo(owner, item.id, number)
    if now is None:
        return UndoneIdentityMessage(in_force=None)
    return UndoneIdentityMessage(
        in_force=IdentityMessage.of(now, desk.people.cast(owner, item.id))
    )


@router.get(
    "/annotations/{item_id}/corrected",
    response_class=Response,
    summary="Get an annotation with its people as reviewers say",
    responses={
        200: {"description": "The annotation, as a file to save.", "content": FILE_CONTENT},
        **problems(404, 409, 422),
    },
)
def get_corrected(
    item: Found,
    desk: Desk,
    owner: Owner,
    name: FormatName = "json",
    schema: Schema = SCHEMA_VERSION,
) -> Response:
    """In any format. Emotions and cuts stay the model's: labels are in the export."""
    annotation = desk.people.corrected(owner, item.id)
    if item.source == "folder":
        # Where it lies on this machine is nobody's business.
        annotation = annotation.of_path(item.name)
    return as_file(annotation, name, schema, item.id)
