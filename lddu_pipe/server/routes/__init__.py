"""The endpoints, a module a subject."""

from lddu_pipe.server.routes import health, jobs, live, pages, people, reviews, texts

ROUTERS = (
    jobs.router,
    texts.router,
    reviews.router,
    people.router,
    reviews.links,
    live.router,
    health.router,
    pages.router,
)
"""In the order in which the reference describes them."""
