"""Texts that are annotated while their client waits."""

from __future__ import annotations

from fastapi import APIRouter, Response

from lddu_pipe.errors import LdduPipeError
from lddu_pipe.server.messages import TEXT_EXAMPLE, AnnotationMessage, TextMessage
from lddu_pipe.server.problems import Problem
from lddu_pipe.server.service import GUARDED, Services, not_ready, problems

router = APIRouter(prefix="/v1", tags=["texts"], responses=GUARDED)


@router.post(
    "/text",
    response_model=AnnotationMessage,
    summary="Annotate a text at once",
    response_description="The annotation.",
    responses=problems(422),
    openapi_extra={"requestBody": {"content": {"application/json": {"example": TEXT_EXAMPLE}}}},
)
async def annotate_text(message: TextMessage, service: Services) -> Response:
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
    return Response(found.to_json(), media_type="application/json")
