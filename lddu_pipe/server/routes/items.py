"""What a request about an annotation is of: the desk, and the item that its path names."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.repository import ReviewItem, UnknownItemError
from lddu_pipe.server.problems import Problem
from lddu_pipe.server.service import Owner, Services


def _desk(service: Services) -> ReviewDesk:
    return service.desk


Desk = Annotated[ReviewDesk, Depends(_desk)]


def _find(request: Request, item_id: UUID, desk: Desk, owner: Owner) -> ReviewItem:
    request.state.job_id = str(item_id)
    item = desk.find(owner, str(item_id))
    if item is None:
        raise UnknownItemError
    if item.state == "failed":
        raise Problem(409, f"there is no annotation: {item.error}")
    return item


Found = Annotated[ReviewItem, Depends(_find)]
