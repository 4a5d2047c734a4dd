"""What a client is told when something is wrong: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

import errno
import json
import logging
import sqlite3
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from lddu_pipe.errors import LdduPipeError
from lddu_pipe.review.identities import ConflictError
from lddu_pipe.review.repository import UnknownItemError
from lddu_pipe.review.verdicts import UnfitVerdictError

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"


class Problem(HTTPException):
    """Ends a request with an answer that says what is wrong and what to do."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        """Describe what is wrong.

        Args:
            status: of HTTP.
            detail: one sentence for a person.
            headers: that go with the answer.
            extra: members beside those of the standard, as `fields`.
        """
        super().__init__(status, detail, dict(headers or {}))
        self.extra = extra

    def response(self) -> Response:
        """The answer."""
        return Response(self.content(), self.status_code, self.headers, media_type=PROBLEM_TYPE)

    def content(self) -> bytes:
        """The body of the answer."""
        return json.dumps(
            {
                "type": "about:blank",
                "title": HTTPStatus(self.status_code).phrase,
                "status": self.status_code,
                "detail": self.detail,
                **self.extra,
            }
        ).encode()


@contextmanager
def storing() -> Iterator[None]:
    """Within it, a disk that is full ends the request as one that its client may try again."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _full_disk() from None
        raise


def _full_disk() -> Problem:
    return Problem(507, "the server's disk is full; try again later")


def locate(error: BaseException) -> str:
    """Return what was raised and where, without its message: that may hold what somebody said."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where


def _methods(app: FastAPI, path: str) -> list[str]:
    """All methods of a path; the framework names those of the first endpoint it finds."""
    found = sorted(
        method.upper()
        for template, methods in app.openapi()["paths"].items()
        if compile_path(template)[0].match(path)
        for method in methods
    )
    return found or ["GET"]  # a page, which is not in the schema


def defect(error: Exception) -> Problem:
    """Log an unexpected error, and return the answer for the client."""
    logger.error("a defect: %s", locate(error))
    logger.debug("its traceback", exc_info=error)
    return Problem(500, "a defect of the server; its log says more")


def install(app: FastAPI) -> None:
    """Turn every error that the framework handles into a problem; the guard handles the others."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(sqlite3.OperationalError)
    async def _busy(request: Request, error: sqlite3.OperationalError) -> Response:
        logger.error("a store cannot be used: %s", locate(error))
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            return _full_disk().response()
        return Problem(503, "the server cannot read or write its store; try again").response()

    @app.exception_handler(UnknownItemError)
    async def _unknown(request: Request, error: UnknownItemError) -> Response:
        return Problem(404, str(error)).response()

    @app.exception_handler(ConflictError)
    async def _conflict(request: Request, error: ConflictError) -> Response:
        return Problem(409, str(error)).response()

    @app.exception_handler(UnfitVerdictError)
    async def _unfit(request: Request, error: UnfitVerdictError) -> Response:
        return Problem(422, str(error)).response()

    @app.exception_handler(LdduPipeError)
    async def _unreadable(request: Request, error: LdduPipeError) -> Response:
        # What it says names files of this machine.
        logger.error("what is stored cannot be read: %s", locate(error))
        logger.debug("its traceback", exc_info=error)
        return Problem(503, "what is stored cannot be read; the server's log says more").response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        # The framework's own: a path or a method that does not exist, a body that is no JSON.
        detail = {
            404: "there is nothing here; see /openapi.json",
            405: "this path knows other methods; see /openapi.json",
        }.get(error.status_code, HTTPStatus(error.status_code).phrase)
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = ", ".join(_methods(app, request.url.path))
        return Problem(error.status_code, detail, headers=headers).response()

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: ClientDisconnect) -> Response:
        return Problem(400, "the client went away").response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        # Without the values that were sent: proxies log answers.
        fields = [
            {"field": ".".join(map(str, item["loc"])), "problem": str(item["msg"])}
            for item in error.errors()
        ]
        return Problem(422, "the request is not as /openapi.json has it", fields=fields).response()
