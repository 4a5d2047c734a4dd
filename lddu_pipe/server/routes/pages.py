"""The pages for people, and what they are made of. Nothing of anybody is in them."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request, Response

from lddu_pipe.server import pages
from lddu_pipe.server.problems import Problem

# No part of the API: clients have no use for them.
router = APIRouter(include_in_schema=False)

_FOR_GOOD = "public, max-age=31536000, immutable"


@router.get("/")
def home() -> Response:
    """Send files, and find them again."""
    return _page(pages.home_page())


@router.get("/live")
def live() -> Response:
    """Have a live session."""
    return _page(pages.live_page())


@router.get("/annotations/{item_id}")
def annotation(item_id: UUID) -> Response:
    """See an annotation, and correct it; the shell is the same for every one."""
    return _page(pages.annotation_page())


@router.get("/assets/{name}")
def asset(name: str, request: Request, v: str = "") -> Response:
    """A script or a style sheet; the version in the address lets a browser keep it for good."""
    try:
        found = pages.asset(name)
    except KeyError:
        raise Problem(404, "there is no such part of a page") from None
    headers = {"Vary": "Accept-Encoding"}
    if v == found.version:
        headers["Cache-Control"] = _FOR_GOOD
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        return Response(found.compressed, media_type=found.media_type, headers=headers)
    return Response(found.content, media_type=found.media_type, headers=headers)


def _page(content: str) -> Response:
    return Response(
        content, media_type="text/html", headers={"Content-Security-Policy": pages.POLICY}
    )
