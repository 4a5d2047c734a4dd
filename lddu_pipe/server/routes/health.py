"""How the server is."""

from __future__ import annotations

from fastapi import APIRouter, Response

from lddu_pipe.server.messages import StatusMessage
from lddu_pipe.server.metrics import CONTENT_TYPE
from lddu_pipe.server.service import ANYWHERE, Services, not_ready, problems

router = APIRouter(tags=["server"], responses=ANYWHERE)


@router.get(
    "/health",
    response_model=StatusMessage,
    summary="Is it alive?",
    response_description="It is.",
)
async def health() -> StatusMessage:
    """Answers as long as the server lives."""
    return StatusMessage(status="ok")


@router.get(
    "/ready",
    response_model=StatusMessage,
    summary="Does it work?",
    response_description="It does.",
    responses=problems(503),
)
def ready(service: Services) -> StatusMessage:
    """Answers well once the model is loaded and the queue can be read."""
    service.store.counts()
    if not service.runner.ready:
        raise not_ready()
    return StatusMessage(status="ok")


@router.get(
    "/metrics",
    response_class=Response,
    summary="Figures for Prometheus",
    responses={
        200: {
            "description": "Prometheus's text format.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **problems(401),
    },
)
def figures(service: Services) -> Response:
    """Needs a token where the server has one."""
    page = service.metrics.page(ready=service.runner.ready)
    return Response(page, headers={"Content-Type": CONTENT_TYPE})
