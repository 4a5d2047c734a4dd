"""Figures about the server for Prometheus; none depends on what a request contained."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from lddu_pipe.server.exchange import Exchange
from lddu_pipe.server.jobs import Job, JobStore

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class _Queue(Collector):
    """Jobs by state, counted when somebody asks."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Count them."""
        family = GaugeMetricFamily("lddu_pipe_jobs", "Jobs by state.", labels=["state"])
        for state, jobs in self._store.counts().items():
            family.add_metric([state], jobs)
        yield family


class Metrics:
    """Counters of one server."""

    def __init__(self, store: JobStore) -> None:
        """Count from zero.

        Args:
            store: its jobs are counted by state.
        """
        self._registry = CollectorRegistry()
        self._registry.register(_Queue(store))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._requests = Counter(
            "lddu_pipe_requests",
            "Answers by method, route and status.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._request_seconds = Histogram(
            "lddu_pipe_request_seconds",
            "Seconds from a request to the end of its answer.",
            ["route"],
            registry=self._registry,
        )
        self._bytes = Counter(
            "lddu_pipe_received_bytes", "Bytes of request bodies.", registry=self._registry
        )
        self._jobs = Counter(
            "lddu_pipe_jobs_ended", "Jobs by how they ended.", ["how"], registry=self._registry
        )
        self._job_seconds = Histogram(
            "lddu_pipe_job_seconds",
            "Seconds that the work on a job took.",
            buckets=(0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600),
            registry=self._registry,
        )
        self._live = Gauge(
            "lddu_pipe_live_sessions", "Live sessions now.", registry=self._registry
        )
        self._live_ended = Counter(
            "lddu_pipe_live_ended",
            "Live connections by the code they were closed with.",
            ["code"],
            registry=self._registry,
        )
        self._live_seconds = Histogram(
            "lddu_pipe_live_seconds",
            "Seconds that live connections lasted.",
            buckets=(1, 10, 60, 300, 900, 3600),
            registry=self._registry,
        )
        self._ready = Gauge(
            "lddu_pipe_ready", "1 once the model is loaded.", registry=self._registry
        )

    def answered(self, exchange: Exchange) -> None:
        """Count an answer."""
        self._requests.labels(exchange.method, exchange.route, str(exchange.status)).inc()
        self._request_seconds.labels(exchange.route).observe(exchange.seconds)
        self._bytes.inc(exchange.received)

    def ended(self, job: Job, how: str, seconds: float) -> None:
        """Count a job that ended."""
        self._jobs.labels(how).inc()
        self._job_seconds.observe(seconds)

    def live_open(self, sessions: int) -> None:
        """Note how many live sessions there are now."""
        self._live.set(sessions)

    def live_ended(self, code: str, seconds: float, received: int) -> None:
        """Count a live connection that ended; `code` is one of a few, or "gone"."""
        self._live_ended.labels(code).inc()
        self._live_seconds.observe(seconds)
        self._bytes.inc(received)

    def page(self, *, ready: bool) -> bytes:
        """All figures in Prometheus's text format."""
        self._ready.set(ready)
        return generate_latest(self._registry)
