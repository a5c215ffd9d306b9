"""Keep the faults of clients out of aiohttp's log."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.log import server_logger


class NoClientFaults(logging.Filter):
    """A filter that drops entries about unreadable requests and about clients that disconnect.

    aiohttp logs an unreadable request with its bytes: perhaps a ticket, a cookie or a password. It answers 400, and the
    access log has a line for it. When a client disconnects between the headers and the content of a file, asyncio
    raises a RuntimeError outside of all middlewares.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        is_closing = isinstance(error, RuntimeError) and str(error) == "Transport is closing"
        return not (is_closing or isinstance(error, (HttpProcessingError, web.RequestPayloadError)))


_NO_CLIENT_FAULTS = NoClientFaults()


def ignore_client_faults() -> None:
    """Have the HTTP servers of this process log no faults of clients. Idempotent."""
    server_logger.addFilter(_NO_CLIENT_FAULTS)
