"""Code that the Twilio channels share: options, the library's client with our own HTTP client, and error codes.

The library's own asynchronous HTTP client does not keep its timeout, may POST a second time by itself, and lets errors
of aiohttp and JSON through. Ours makes one attempt with one timeout, and its errors say whether the request can have
arrived. Messages and calls are created without the library, whose layers take a quarter of such a call's CPU time.
Sources: Twilio "Messages resource", "Calls resource", "Error and warning dictionary".
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar

import aiohttp
from pydantic import Field, HttpUrl, SecretStr
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from yarl import URL

from channels import (
    AccountTrouble,
    CannotAsk,
    ChannelContext,
    ChannelError,
    ChannelOptions,
    Failure,
    MessageRefused,
    NotNow,
    Receipt,
    ReplyLost,
)
from channels.answers import read_answer

Resource = TypeVar("Resource")
# Returns the receipt for Twilio's description of an object; None if it is malformed.
ReadReceipt = Callable[[Resource], Receipt | None]

ACCOUNT = "^AC[0-9a-f]{32}$"
PAGE = 1000  # Twilio's maximum; one number hardly ever has more
_MAX_WAIT = timedelta(hours=1)
# Errors that the library raises for an unexpected answer.
_UNREADABLE = (TwilioException, ValueError, TypeError, KeyError, AttributeError, RecursionError)

# Errors that stop every message of the account. Those in the last line come in receipts: 30032 toll-free number not
# verified, 30033 campaign suspended, 30034 number without a registered campaign, 30035 registration not complete,
# 30037 outbound messages switched off.
_ACCOUNT_TROUBLE = frozenset(
    {
        10001, 20003, 20005, 20006, 20404, 30002, 90010,  # keys, suspended or closed
        21210, 21212, 21603, 21609, 21659, 21660, 21701, 21703, 21704, 21705,  # sender, service or callback address
        30032, 30033, 30034, 30035, 30037,  # sender not verified or registered (toll-free, A2P 10DLC), sending disabled
    }
)  # fmt: skip
_NOT_NOW = frozenset({14107, 20429, 21611, 30001, 30003, 30008, 30022})
_FAILURES = {
    **dict.fromkeys((13224, 21211, 21214, 21216, 21217, 21614, 21635, 30004, 30005, 30006), Failure.ADDRESS),
    21610: Failure.OPTED_OUT,
    **dict.fromkeys((30007, 30450), Failure.FILTERED),
    **dict.fromkeys((12100, 21602, 21605, 21617, 21619, 21622, 30019), Failure.CONTENT),
    **dict.fromkeys((30001, 30003, 30008, 30009, 30018, 30022, 30036, 30410), Failure.TRANSIENT),
}


class TwilioOptions(ChannelOptions):
    """Options. `account`: AC and 32 hexadecimal digits. `base_url`: differs only for a regional endpoint."""

    account: str = Field(pattern=ACCOUNT)
    auth_token: SecretStr = Field(min_length=1)
    base_url: HttpUrl = HttpUrl("https://api.twilio.com")


class OneRequest(AsyncHttpClient):
    """HTTP client with one attempt and timeout. Raises NotNow if the request cannot have arrived, else ReplyLost."""

    def __init__(self, http: aiohttp.ClientSession, deadline: float) -> None:
        super().__init__(logging.getLogger("twilio"), is_async=True)
        self._http = http
        self._deadline = aiohttp.ClientTimeout(total=deadline, connect=deadline / 2)

    async def request(  # type: ignore[override]  # as in the library's own asynchronous class
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- the library's signature
        allow_redirects: bool = False,
    ) -> Response:
        """Make a request for the library. Its `timeout` argument is ignored in favour of ours."""
        credentials = {"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {}
        try:
            async with self._http.request(
                method,
                uri,
                params=list(_pairs(params)),
                data=encode_form(data),
                headers={**(headers or {}), **credentials},
                timeout=self._deadline,
                allow_redirects=False,
            ) as reply:
                return _usable(Response(reply.status, (await read_answer(reply)).decode(), reply.headers))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotNow(f"no connection ({type(error).__name__})") from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise ReplyLost(type(error).__name__) from error


def make_client(options: TwilioOptions, context: ChannelContext) -> Client:
    """Return the library's client, with regions set by the configuration only, not by environment variables."""
    made = Client(
        options.account,
        options.auth_token.get_secret_value(),
        http_client=OneRequest(context.http, options.deadline),
        environment={"TWILIO_EDGE": "", "TWILIO_REGION": ""},
    )
    made.api.base_url = str(options.base_url).rstrip("/")
    return made


class Collection:
    """The messages or the calls of an account, to which one can be added. `name`: `Messages` or `Calls`."""

    def __init__(self, name: str, options: TwilioOptions, context: ChannelContext) -> None:
        self._http = OneRequest(context.http, options.deadline)
        self._url = f"{str(options.base_url).rstrip('/')}/2010-04-01/Accounts/{options.account}/{name}.json"
        token = options.auth_token.get_secret_value()
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(options.account, token),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    async def create(self, fields: Mapping[str, object], read: ReadReceipt[Any]) -> Receipt:
        """Create an object with these fields, named as Twilio names them, and read its receipt. Raises MessageRefused,
        NotNow, AccountTrouble or ReplyLost."""
        reply = await self._http.request("POST", self._url, data=fields, headers=self._headers)
        if not 200 <= reply.status_code < 300:
            raise convert_error(reply.status_code, _read_code(reply.text))
        try:
            receipt = read(SimpleNamespace(**json.loads(reply.text)))
        except _UNREADABLE as error:
            raise ReplyLost("unreadable answer") from error
        if receipt is None:
            raise ReplyLost("unreadable answer")
        if receipt.failure is Failure.ACCOUNT:
            raise AccountTrouble(receipt.detail)
        if receipt.failure:
            raise MessageRefused(receipt.detail, receipt.failure)
        return receipt


def _read_code(text: str) -> int | None:
    """Return the error code in an answer; None if it is no answer of Twilio's."""
    try:
        code = json.loads(text)["code"]
    except _UNREADABLE:
        return None
    return code if isinstance(code, int) else None


async def fetch(call: Awaitable[Resource | None], read: ReadReceipt[Resource]) -> Receipt | None:
    """Await a query, and read the receipt of what it found. None if there is no such object. Raises CannotAsk."""
    try:
        found = await call
        receipt = None if found is None else read(found)
    except TwilioRestException as error:
        if error.status == 404 and error.code == 20404:
            return None
        raise CannotAsk(f"HTTP {error.status}, code {error.code}") from error
    except _UNREADABLE as error:
        raise CannotAsk("unreadable answer") from error
    except ChannelError as error:
        raise CannotAsk(str(error)) from error
    if found is None:
        return None
    if receipt is None:
        raise CannotAsk("unreadable answer")
    return receipt


def convert_error(status: int, code: int | None) -> ChannelError:
    """Return the error for an HTTP status of 4xx and Twilio's error code."""
    reason = f"HTTP {status}, code {code}"
    if status == 401 or code in _ACCOUNT_TROUBLE:
        return AccountTrouble(reason)
    # Without Twilio's code, the answer may come from a proxy and says nothing about the message.
    if not isinstance(code, int) or code == status or not 400 <= status < 500:
        return ReplyLost(reason)
    if code in _NOT_NOW:
        return NotNow(reason)
    return MessageRefused(reason, convert_failure(code))


def convert_failure(code: int | None) -> Failure:
    """Return the failure for Twilio's error code."""
    if code in _ACCOUNT_TROUBLE:
        return Failure.ACCOUNT
    return _FAILURES.get(code or 0, Failure.OTHER)


async def list_since(resources: Any, name: str, to: str, since: datetime) -> list[Any]:
    """Return the objects of a Twilio list for one number since a moment, oldest first. `name`: key of the list.

    Twilio's lists begin with the newest. Raises CannotAsk if the answer is not such a list.
    """
    found: list[Any] = []
    page = await resources.page_async(to=to, page_size=PAGE)
    while page is not None:
        if not isinstance(page._payload.get(name), list):
            raise CannotAsk("unreadable answer")
        here = list(page)
        found += [each for each in here if each.date_created >= since]
        if here and here[-1].date_created < since:
            break
        page = await page.next_page_async()
    found.reverse()  # dates have whole seconds, so the order within one second is the list's
    return sorted(found, key=lambda each: each.date_created)


def _usable(response: Response) -> Response:
    if response.status_code >= 500:  # a gateway may answer for a server that has already taken the message
        raise ReplyLost(f"HTTP {response.status_code}")
    if response.status_code == 429:
        raise NotNow("HTTP 429, too many requests", _retry_after(response.headers or {}))
    return response


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    seconds = headers.get("Retry-After", "")
    return min(timedelta(seconds=int(seconds[:6])), _MAX_WAIT) if seconds.isascii() and seconds.isdecimal() else None


def encode_form(fields: Mapping[str, object] | None) -> bytes | None:
    """Return the body of a form, encoded by yarl: aiohttp's own way takes a fifth of a call's CPU time."""
    return URL.build(query=list(_pairs(fields))).raw_query_string.encode() or None


def _pairs(fields: Mapping[str, object] | None) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a form or query; a list gives several pairs."""
    for name, value in (fields or {}).items():
        for each in value if isinstance(value, list) else [value]:
            yield name, str(each)
