"""Prometheus metrics; labels are templates and names of the code, never parts of a request."""

import os
from collections.abc import Iterable

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST
MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.requests = Counter(
            "tcn_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tcn_request_seconds",
            "Time from the head of a request to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "tcn_requests_in_flight",
            "Requests that are being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.batch_series = Histogram(
            "tcn_batch_series", "Series forecast together.", buckets=SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "tcn_batch_seconds", "Time of one batch.", buckets=SECONDS, registry=self.registry
        )
        self.loaded_bytes = Gauge(
            "tcn_models_loaded_bytes",
            "Weights in memory.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )

    def observe_batch(self, n_series: int, seconds: float) -> None:
        """Note one batch of the engine."""
        self.batch_series.observe(n_series)
        self.batch_seconds.observe(seconds)

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Note one answered request."""
        known = method if method in METHODS else "other"
        key = (known, route, status)
        children = self._children.get(key)
        if children is None:
            count = self.requests.labels(known, route, str(status))
            children = self._children[key] = (count, self.seconds.labels(route))
        children[0].inc()
        children[1].observe(seconds)

    def render(self, jobs: Iterable[tuple[str, int]]) -> bytes:
        """Write all metrics, with the number of jobs by status, as Prometheus reads them."""
        registry = self.registry
        if MULTIPROCESS_VARIABLE in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        lines = ["# HELP tcn_jobs Jobs by status.", "# TYPE tcn_jobs gauge"]
        lines += [f'tcn_jobs{{status="{status}"}} {count}' for status, count in jobs]
        return generate_latest(registry) + ("\n".join(lines) + "\n").encode()
