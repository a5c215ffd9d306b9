"""Answer the hub's errors by HTTP responses: problem+json (RFC 9457) for programs, a page for people.

Only this module maps errors to HTTP statuses. `type` is `/problems/<code>`. Besides the members of the RFC there are
`code` (stable), `retry` (the same request can succeed later), `request_id` (as in the log) and, if one field is wrong,
`field`. Retry-After is in whole seconds. If the person's time zone is known, `until` is the same moment in that zone,
and `detail` says it in words.
"""

from __future__ import annotations

import json
import math
import traceback
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from hub import errors
from hub.errors import QiandaError
from hub.model.messaging.message import format_moment
from hub.store.files.free_space import is_full
from hub.web.http.app_keys import HUB
from hub.web.http.request_ids import id_of
from hub.web.http.security_events import report_error
from hub.web.pages.i18n import accepted_language, chosen_language, language_of, remember_choice
from hub.web.pages.render import page, translator

PROGRAMS = ("/api/", "/sign/v1/", "/agent/", "/callbacks/", "/healthz", "/readyz", "/metrics", "/.well-known/")
# The first matching class wins.
STATUSES: tuple[tuple[type[QiandaError], int], ...] = (
    (errors.KeyNotValid, 401),
    (errors.LoginRequired, 401),
    (errors.SessionNotValid, 401),
    (errors.IdempotencyMismatch, 422),
    (errors.FileErased, 404),
    (errors.StoredFileUnreadable, 503),
    (errors.BadInput, 422),
    (errors.NotFound, 404),
    (errors.NotAllowed, 403),
    (errors.Refused, 403),
    (errors.Conflict, 409),
    (errors.TooMany, 429),
    (errors.UploadTooSlow, 408),
    (errors.Unavailable, 503),
    (QiandaError, 500),
)

PAGES = {
    "link-not-valid": "signer/link_not_valid.html",
    "session-not-valid": "signer/session_ended.html",
    "not-verified": "signer/session_ended.html",
    "role-not-allowed": "staff/role_not_allowed.html",
}

BARE = {
    HTTPStatus.BAD_REQUEST: ("bad-request", "The request could not be understood."),
    HTTPStatus.NOT_FOUND: ("not-found", "There is nothing here."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method-not-allowed", "This cannot be done here."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("too-large", "The request is too large."),
    HTTPStatus.MISDIRECTED_REQUEST: ("misdirected", "This address does not belong to this server."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported-media-type", "This type of content is not accepted here."),
}
# The only fault of this kind (`refuse_compressed_bodies`).
COMPRESSED = "the body has a Content-Encoding: send it uncompressed"
log = structlog.get_logger()


def status_of(error: QiandaError) -> int:
    return _status_of_kind(type(error))


def _status_of_kind(kind: type[QiandaError]) -> int:
    return next(status for above, status in STATUSES if issubclass(kind, above))


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer all errors of the handlers. The middlewares for disconnected and slow clients enclose this one."""
    try:
        return await handler(request)
    except QiandaError as error:
        report_error(request, error)
        if status_of(error) >= 500:
            log.warning("unavailable", code=error.code, reason=str(error)[:300])
        return _answer(request, status_of(error), error)
    except web.HTTPException as answered:
        if answered.status < 400:
            remember_choice(request, answered)  # the page behind the redirect does not get `?lang=`
            raise
        return _bare(request, answered)
    except web.RequestPayloadError:  # for example, its chunks are broken
        return _bare(request, web.HTTPBadRequest())
    except (ConnectionResetError, TimeoutError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and is_full(error):  # an upload has no space in the folder for temporary files
            log.warning("unavailable", code=errors.DiskFull.code, reason=str(error)[:300])
            return _answer(request, 503, errors.DiskFull())
        if _is_about_the_form(error):
            return _bare(request, web.HTTPBadRequest())
        log.exception("unexpected")
        return _answer(request, 500, QiandaError())


def _is_about_the_form(error: Exception) -> bool:
    """Return whether aiohttp could not parse a form: unknown charset or encoding, invalid bytes."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is web.BaseRequest.post.__code__ for frame, _ in frames)


def _bare(request: web.Request, answered: web.HTTPException) -> web.Response:
    """Answer errors of the web framework itself, such as an unknown path or a body that is too large."""
    code, sentence = BARE.get(HTTPStatus(answered.status), ("error", QiandaError.sentence))
    error = QiandaError(COMPRESSED if answered.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE else "")
    error.code, error.sentence = code, sentence
    response = _answer(request, answered.status, error)
    for name in ("Allow", "Accept-Encoding"):
        if name in answered.headers:
            response.headers[name] = answered.headers[name]
    return response


def _answer(request: web.Request, status: int, error: QiandaError) -> web.Response:
    response = problem_page(request, status, error) if wants_page(request) else problem_json(request, status, error)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(retry_seconds(error))
    return response


def retry_seconds(error: QiandaError) -> int:
    return max(1, math.ceil(error.retry_after.total_seconds())) if error.retry_after is not None else 0


def wants_page(request: web.Request) -> bool:
    """Return whether a person will see the answer: the client accepts HTML, and the path is not an API."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith(PROGRAMS)


def problem_json(request: web.Request, status: int, error: QiandaError) -> web.Response:
    language = chosen_language(request) or accepted_language(request) or "en"
    body: dict[str, object] = {
        "type": f"/problems/{error.code}",
        "title": translator(request, language)(error.sentence),
        "status": status,
        "detail": error.detail,
        "code": error.code,
        "retry": error.retry,
        "request_id": id_of(request),
    }
    if isinstance(error, errors.BadInput) and error.field:
        body["field"] = error.field
    if again := until(request, error):
        body["until"] = again.isoformat(timespec="seconds")
        body["detail"] = error.detail or until_words(request, language, again)
    if isinstance(error, errors.CustodyTooLow):
        body["accepted"] = list(error.accepted)
    text = json.dumps(body, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type="application/problem+json")


def problem_page(request: web.Request, status: int, error: QiandaError) -> web.Response:
    """Return the error page. Some errors have a page of their own, which offers the next step."""
    minutes = math.ceil(retry_seconds(error) / 60)
    template = PAGES.get(error.code, "problem.html")
    again = until(request, error)
    when = until_words(request, language_of(request), again) if again else ""
    at_desk = request.path.startswith("/staff/")
    return page(request, template, status=status, error=error, minutes=minutes, when=when, at_desk=at_desk)


def until(request: web.Request, error: QiandaError) -> datetime | None:
    """Return when the same request may succeed, in the person's time zone, rounded up to a minute.

    None if the moment or the time zone is unknown.
    """
    if not isinstance(error, errors.TooMany) or error.retry_after is None or not error.zone:
        return None
    again = request.config_dict[HUB].services.clock() + error.retry_after + timedelta(seconds=59, microseconds=999_999)
    return again.replace(second=0, microsecond=0).astimezone(ZoneInfo(error.zone))


def until_words(request: web.Request, language: str, again: datetime) -> str:
    today = request.config_dict[HUB].services.clock().astimezone(again.tzinfo).date()
    same_day = again.date() == today
    when = f"{again:%H:%M}" if same_day else format_moment(again, str(again.tzinfo), language)
    return translator(request, language)("Possible again from {when}.", when=when)


@dataclass(frozen=True)
class ProblemType:
    """A kind of error: its code, the HTTP status, its sentence, and whether the same request can succeed later."""

    code: str
    status: int
    sentence: str
    retry: bool = False


def known_problems() -> dict[str, ProblemType]:
    """Return every kind of error by its code, for the pages `/problems` and `/problems/<code>`."""
    found = {code: ProblemType(code, status, sentence) for status, (code, sentence) in BARE.items()}
    kinds = [QiandaError]
    while kinds:
        kind = kinds.pop()
        found.setdefault(kind.code, ProblemType(kind.code, _status_of_kind(kind), kind.sentence, kind.retry))
        kinds += kind.__subclasses__()
    return dict(sorted(found.items()))
