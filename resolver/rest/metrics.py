"""What the server counts, for Prometheus. No label is a key, a tenant or a user."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from resolver.rest.workers import METRICS_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Mapping

NO_ROUTE = "(none)"
"""Stands for the route of requests that no route was found for."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The numbers of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "resolver_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self.seconds = Histogram(
            "resolver_http_request_seconds",
            "Time from a request's first byte to its answer's last.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.in_work = Gauge(
            "resolver_http_requests_in_work",
            "Requests in work now.",
            multiprocess_mode="livesum",
            registry=self._registry,
        )
        self.limited = Counter(
            "resolver_http_requests_limited",
            "Requests refused because too many came.",
            ["by"],
            registry=self._registry,
        )
        self.refused_logins = Counter(
            "resolver_refused_logins",
            "Requests whose credentials were missing or not valid.",
            registry=self._registry,
        )
        self.values = Counter(
            "resolver_values_used",
            "Values given out for use in blueprints.",
            ["by"],
            registry=self._registry,
        )
        self.values_late = Counter(
            "resolver_values_used_late",
            "Values given out for use although the secret had expired, or the value was due for rotation.",
            ["state"],
            registry=self._registry,
        )

        self.webhook_events = Counter(
            "resolver_webhook_events",
            "Events sent to webhooks, by what became of them.",
            ["result"],
            registry=self._registry,
        )
        for result in ("delivered", "failed", "dropped"):  # from 0 on, so that the first one is an increase
            self.webhook_events.labels(result)
        self.keys_fetched = Gauge(
            "resolver_issuer_keys_fetched_timestamp_seconds",
            "When the keys in use of an issuer of JWTs were fetched, in seconds since 1970.",
            ["issuer"],
            multiprocess_mode="livemin",
            registry=self._registry,
        )

    def count_event(self, result: str) -> None:
        """Count an attempt to send an event, or one that was given up."""
        self.webhook_events.labels(result).inc()

    def count_key_ages(self, ages: Mapping[str, float]) -> None:
        """Note how old the keys of issuers are."""
        for issuer, age in ages.items():
            self.keys_fetched.labels(issuer).set(time.time() - age)

    def count_values(self, by: str, total: int, *, expired: int, due: int) -> None:
        """Count values that were given out, with those among them that are late."""
        self.values.labels(by).inc(total)
        self.values_late.labels("expired").inc(expired)
        self.values_late.labels("due").inc(due)

    def text(self) -> bytes:
        """All numbers, of all workers, in Prometheus's text format."""
        if METRICS_DIRECTORY not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
