"""The app: endpoints, the runner behind them, and the guard before them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Lifespan

from lddu_pipe.layout import AnnotationLayout
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.repository import Repository
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.server import problems
from lddu_pipe.server.annotator import Annotator
from lddu_pipe.server.archives import Archives
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.guard import Guard, is_open
from lddu_pipe.server.jobs import JobStore
from lddu_pipe.server.limits import Limits
from lddu_pipe.server.live.desk import LiveDesk
from lddu_pipe.server.live.saving import save
from lddu_pipe.server.messages import EXAMPLES, ProblemMessage
from lddu_pipe.server.metrics import Metrics
from lddu_pipe.server.people_messages import PEOPLE_EXAMPLES
from lddu_pipe.server.problems import locate
from lddu_pipe.server.repository import JobRepository
from lddu_pipe.server.review_messages import REVIEW_EXAMPLES
from lddu_pipe.server.routes import ROUTERS
from lddu_pipe.server.runner import JobRunner
from lddu_pipe.server.service import Service
from lddu_pipe.server.signed_urls import SignedUrls
from lddu_pipe.server.texts import TextDesk

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Multi-label emotions with calibrated probability and uncertainty, from video, sound, pictures and
text. Upload media and get a job; watch it; fetch its annotation in any format; correct it. Errors
are `application/problem+json`. Apparent expression is not inner state: read the model card.
"""


@dataclass(frozen=True)
class Access:
    """Who may call."""

    tokens: Sequence[str] = field(default=(), repr=False)
    """Each has jobs of its own. Without any, only this machine may call."""
    origins: Sequence[str] = ()
    """Of pages elsewhere whose scripts may call, such as ``http://localhost:9000``."""


def create_app(
    annotator: Annotator,
    folder: DataFolder,
    *,
    limits: Limits | None = None,
    access: Access | None = None,
    reviewed: Repository | None = None,
    failed: Callable[[Exception], None] | None = None,
) -> FastAPI:
    """Make the app; its runner starts and stops with its lifespan.

    Args:
        annotator: the one model.
        folder: for jobs and what was uploaded; reserved for this app.
        limits: of clients.
        access: who may call.
        reviewed: annotations to be looked through beside those of jobs; its caller closes it.
        failed: told why the model cannot be loaded, after which no job will be done.

    Raises:
        UnusableInputError: the folder holds something else.
    """
    limits, access = limits or Limits(), access or Access()
    store = JobStore(folder.store)
    metrics = Metrics(store)
    runner = JobRunner(
        store, folder, annotator, limits, ended=metrics.ended, failed=failed or _log_failure
    )
    corrections = CorrectionStore(folder.corrections)
    repositories: list[Repository] = [JobRepository(store, folder, corrections)]
    if reviewed is not None:
        repositories.append(reviewed)
    live = LiveDesk(
        annotator.live,
        partial(save, store, folder),
        lambda: runner.ready,
        limits.live,
        metrics,
    )
    service = Service(
        store,
        folder,
        runner,
        TextDesk(annotator.read, limits),
        metrics,
        limits,
        ReviewDesk(repositories),
        SignedUrls(),
        Archives(folder.path),
        live,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(runner.recover)
        runner.start()
        janitor = asyncio.create_task(_clean(store, folder, limits.keep_media))
        try:
            yield
        finally:
            janitor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await janitor
            await asyncio.to_thread(runner.stop)
            live.close()
            store.close()
            corrections.close()

    app = make_api(lifespan, with_token=bool(access.tokens))
    app.state.service = service
    if access.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=access.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location"],
        )
    # The outermost: nothing of the framework runs for a request that is refused.
    app.add_middleware(
        Guard, tokens=access.tokens, origins=access.origins, limits=limits, metrics=metrics
    )
    return app


def make_api(lifespan: Lifespan[FastAPI] | None = None, *, with_token: bool) -> FastAPI:
    """Make the endpoints and their schema, with nothing behind them.

    Args:
        lifespan: of the app.
        with_token: whether the schema asks for a token.
    """
    app = FastAPI(
        title="lddu-pipe",
        version=version("lddu-pipe"),
        summary="Emotions of utterances, and how sure they are.",
        description=_DESCRIPTION,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere; /openapi.json is enough for any viewer.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    for router in ROUTERS:
        app.include_router(router)
    _describe(app, with_token=with_token)
    return app


async def _clean(store: JobStore, folder: DataFolder, age: float) -> None:
    """Delete the uploads of jobs that ended `age` seconds ago, now and from then on."""

    def clean() -> None:
        for job_id in store.expired(age):
            folder.remove_media(job_id)
            store.forget_media(job_id)

    while True:
        try:
            await run_in_threadpool(clean)
        except Exception as error:
            # A disk that refuses; the next round tries again.
            logger.error("uploads cannot be deleted: %s", locate(error))
        await asyncio.sleep(min(60.0, max(1.0, age / 10)))


def _describe(app: FastAPI, *, with_token: bool) -> None:
    """Complete the schema: messages that answers refer to, problems, and the token."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = make()
        parts = schema["components"]["schemas"]
        for message in (ProblemMessage, AnnotationLayout):
            made = message.model_json_schema(ref_template="#/components/schemas/{model}")
            parts |= made.pop("$defs", {})
            parts[message.__name__] = made
        for name, example in {**EXAMPLES, **REVIEW_EXAMPLES, **PEOPLE_EXAMPLES}.items():
            parts[name]["examples"] = [example]
        # The framework's own description of a 422, which our handler replaces.
        for name in ("HTTPValidationError", "ValidationError"):
            parts.pop(name, None)
        if with_token:
            schema["components"]["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"}
            }
            for path, methods in schema["paths"].items():
                for operation in methods.values():
                    if not is_open(path):
                        operation["security"] = [{"token": []}]
        app.openapi_schema = schema
        return schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual has it


def _log_failure(error: Exception) -> None:
    logger.error("the model cannot be loaded: %s", error)
