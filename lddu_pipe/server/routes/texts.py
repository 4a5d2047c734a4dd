"""Texts that are annotated while their client waits."""

from __future__ import annotations

from fastapi import APIRouter, Response

from lddu_pipe.errors import LdduPipeError
from lddu_pipe.schemas import SCHEMA_VERSION
from lddu_pipe.server.messages import ANNOTATION_CONTENT, TEXT_EXAMPLE, TextMessage
from lddu_pipe.server.problems import Problem
from lddu_pipe.server.service import GUARDED, Schema, Services, not_ready, problems

router = APIRouter(prefix="/v1", tags=["texts"], responses=GUARDED)


@router.post(
    "/text",
    response_class=Response,
    summary="Annotate a text at once",
    responses={
        200: {"description": "The annotation.", "content": ANNOTATION_CONTENT},
        **problems(422),
    },
    openapi_extra={"requestBody": {"content": {"application/json": {"example": TEXT_EXAMPLE}}}},
)
async def annotate_text(
    message: TextMessage, service: Services, schema: Schema = SCHEMA_VERSION
) -> Response:
    """For a few sentences; the answer is the annotation. Texts of several clients share a pass."""
    if len(message.text) > service.limits.text:
        raise Problem(
            422, f"the text is longer than {service.limits.text} characters; upload it as a job"
        )
    if not service.runner.ready:
        raise not_ready()
    try:
        found = await service.texts.annotate(message.text)
    except LdduPipeError as error:
        raise Problem(422, str(error)) from None
    return Response(found.to_json(schema), media_type="application/json")
