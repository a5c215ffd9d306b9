"""Count and time what this process does, for `/metrics`. No label may hold free text from a request or a person.

The counters of a process start at zero with it, as Prometheus expects. Figures from the database are read by
`hub.operator_metrics` on request.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

REGISTRY = CollectorRegistry()
# Methods that are counted by name. A client may send any other word as a method; those share one label.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "other"


class SecurityEvent(StrEnum):
    """Something that can happen innocently or through an attacker. One event means nothing, many of them are a sign."""

    LOGIN_FAILED = "login-failed"
    LOGIN_LOCKED = "login-locked"
    ANSWER_WRONG = "answer-wrong"
    SIGNER_LOCKED = "signer-locked"
    KEY_REFUSED = "api-key-refused"
    ACCESS_REFUSED = "access-refused"
    OTHER_SITE = "other-site"
    FOREIGN_ADDRESS = "foreign-address"
    CALL_REFUSED = "call-refused"
    METRICS_REFUSED = "metrics-refused"
    TOO_MANY_REQUESTS = "too-many-requests"


class CallOutcome(StrEnum):
    """The outcome of a call to a messaging provider."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The provider refuses this message because of the number or the text."""
    UNKNOWN = "unknown"
    """It is not known whether the provider took the message."""
    NOT_NOW = "not-now"
    ACCOUNT = "account"
    """The provider refuses us: the credential (HTTP 401 or 403), the account, the sender."""


ProcessCollector(registry=REGISTRY)
HTTP_REQUESTS = Counter(
    "qianda_http_requests", "Requests by method, route and status", ["method", "route", "status"], registry=REGISTRY
)
HTTP_SECONDS = Histogram(
    "qianda_http_request_seconds",
    "Time from the head of a request to the end of its answer, by method and route",
    ["method", "route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
DUE_TO_SENT_SECONDS = Histogram(
    "qianda_due_to_sent_seconds",
    "Time from the moment at which a message was due until a provider took it, by purpose",
    ["purpose"],
    buckets=(0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200),
    registry=REGISTRY,
)
PROVIDER_CALLS = Counter(
    "qianda_provider_calls", "Calls of messaging providers by outcome", ["provider", "outcome"], registry=REGISTRY
)
PROVIDER_SECONDS = Histogram(
    "qianda_provider_call_seconds",
    "Duration of calls of messaging providers",
    ["provider"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
    registry=REGISTRY,
)
SERVICE_TROUBLE = Counter(
    "qianda_service_trouble",
    "Times that an outside service was away or wrong (authority, timestamp service, identity provider), by kind",
    ["kind", "service"],
    registry=REGISTRY,
)
TOKEN_AVAILABLE = Gauge(
    "qianda_token_available",
    "Whether a token of keys answered this process when it was last asked, by its label",
    ["token"],
    registry=REGISTRY,
)
SECURITY_EVENTS = Counter(
    "qianda_security_events", "Failed logins, locks, refusals and the like", ["event"], registry=REGISTRY
)
LOOP_RESTARTS = Counter(
    "qianda_worker_loop_restarts", "Times that a loop of a worker failed and began anew", ["loop"], registry=REGISTRY
)
# To find a series by its labels takes longer than to count in it. There are as many as routes, and providers.
_requests, _seconds = cache(HTTP_REQUESTS.labels), cache(HTTP_SECONDS.labels)
_calls, _call_seconds = cache(PROVIDER_CALLS.labels), cache(PROVIDER_SECONDS.labels)
for _event in SecurityEvent:  # an increase from nothing to 1 is visible only if the series begins at 0
    SECURITY_EVENTS.labels(_event.value)


def begin_provider_series(providers: Iterable[str]) -> None:
    """Begin the series of these providers at 0."""
    for provider in providers:
        PROVIDER_SECONDS.labels(provider)
        for outcome in CallOutcome:
            PROVIDER_CALLS.labels(provider, outcome.value)


def count_request(method: str, route: str, status: int, seconds: float | None) -> None:
    """Count a request.

    `route`: the pattern, never the path, which may contain a ticket. `seconds`: None for a stream, which stays open as
    long as its page.
    """
    known = method if method in METHODS else OTHER_METHOD
    _requests(known, route, status).inc()
    if seconds is not None:
        _seconds(known, route).observe(seconds)


def count_call(provider: str, outcome: CallOutcome, seconds: float) -> None:
    _calls(provider, outcome.value).inc()
    _call_seconds(provider).observe(seconds)
