"""The endpoints, a module a subject."""

from lddu_pipe.server.routes import health, jobs, pages, texts

ROUTERS = (jobs.router, texts.router, health.router, pages.router)
"""In the order in which the reference describes them."""
