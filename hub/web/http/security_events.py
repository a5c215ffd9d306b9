"""Report security events of requests: decide which errors are security events, and write them to the log."""

from __future__ import annotations

from aiohttp import web

from hub import errors
from hub.errors import QiandaError
from hub.measures import SecurityEvent
from hub.security_log import hash_value, log_security_event
from hub.web.http.app_keys import HUB, RATE_LIMITS

REPORTED = web.RequestKey("security_event", SecurityEvent)
# The first matching class wins. The limit on bursts raises `TooMany` itself. Its subclasses are everyday limits; only
# `Locked` is reported.
EVENTS: tuple[tuple[type[QiandaError], SecurityEvent], ...] = (
    (errors.Locked, SecurityEvent.SIGNER_LOCKED),
    (errors.WrongAnswer, SecurityEvent.ANSWER_WRONG),
    (errors.KeyNotValid, SecurityEvent.KEY_REFUSED),
    (errors.AccessDenied, SecurityEvent.ACCESS_REFUSED),
)


def report_event(request: web.Request, event: SecurityEvent, **facts: str) -> None:
    """Log and count an event of this request. If there are several, only the first is reported, which knows the most.

    During a set-up there is no key yet for hashing addresses, so its events are not reported.
    """
    hub = request.config_dict.get(HUB)
    if hub is None or REPORTED in request:
        return
    request[REPORTED] = event
    cipher = hub.database.cipher
    log_security_event(cipher, event, request.config_dict[RATE_LIMITS].address(request), **facts)


def report_error(request: web.Request, error: QiandaError) -> None:
    """Report this error if it is a security event."""
    event = SecurityEvent.TOO_MANY_REQUESTS if type(error) is errors.TooMany else _event_of(error)
    if event is not None:
        report_event(request, event)


def report_login(request: web.Request, event: SecurityEvent, login: str) -> None:
    """Report a refused login. The login name is hashed, because people sometimes type their password there."""
    report_event(request, event, login=hash_value(request.config_dict[HUB].database.cipher, "login", login))


def _event_of(error: QiandaError) -> SecurityEvent | None:
    return next((event for kind, event in EVENTS if isinstance(error, kind)), None)
