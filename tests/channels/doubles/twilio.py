"""A double of an account at Twilio: what its doubles for texts and for calls have in common.

It keeps state: each resource has an id and moves from status to status, and signed calls really go to the address that
was given with the resource. The ledger is written before a reply is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import parse_qs, urldefrag, urlencode, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from twilio.request_validator import RequestValidator
from yarl import URL

from channels import CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted, Trouble
from tests.channels.doubles.ledger import Ledger

ACCOUNT, AUTH_TOKEN, SENDER = "AC" + "0123456789abcdef" * 2, "auth-token-of-the-double", "+15005550006"
PATH = "/2010-04-01/Accounts/{account}"
ANSWERED = {
    Trouble.BAD_NUMBER: (400, 21211),
    Trouble.OPTED_OUT: (400, 21610),
    Trouble.BUSY: (429, 20429),
    Trouble.ACCOUNT: (401, 20003),
}
RETRY_AFTER = 7
# Seconds for which a late reply is held back at most.
HELD = 30.0


@dataclass
class Resource:
    """A message or a call. `visible`: when the list begins to show it."""

    sid: str
    to: str
    form: Mapping[str, str]
    status: str
    created: datetime
    visible: datetime
    error_code: int | None = None
    sent: datetime | None = None

    @property
    def callback(self) -> str:
        return self.form.get("StatusCallback", "")

    @property
    def key(self) -> str:
        return parse_qs(urlsplit(self.callback).query).get("key", [""])[0]


@dataclass
class TwilioAccount:
    """The account.

    `lose`: the share of replies that are lost after the request was accepted, drawn with `seed`. `delay`: seconds
    before each answer. `lag`: seconds before a list shows something new. `page`: maximum number of entries on a page of
    a list. `deliver`: whether each accepted message is reported step by step until it is delivered. `callbacks`: the
    origin to which calls go instead of the one that they were addressed to; they are signed for the latter. `now`: its
    clock.
    """

    lose: float = 0.0
    seed: int = 0
    delay: float = 0.0
    lag: float = 0.0
    page: int = 1000
    callbacks: str = ""
    deliver: bool = False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ledger: Ledger = field(default_factory=Ledger)
    accepted: list[Accepted] = field(default_factory=list)
    trouble: list[Trouble] = field(default_factory=list)
    resources: dict[str, Resource] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)
    able: frozenset[Trouble] = frozenset(Trouble)
    to: str = "+447700900101"
    requests: int = 0
    url: str = ""

    collection: ClassVar[str]
    prefix: ClassVar[str]
    moves: ClassVar[Mapping[str, tuple[str, ...]]]
    ends: ClassVar[Mapping[Fate, tuple[str, int | None]]]
    """Status and error code by which a fate is told."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.by_number: dict[str, list[Resource]] = {}
        self.closing = asyncio.Event()
        self.http: aiohttp.ClientSession
        self.tasks: set[asyncio.Task[Any]] = set()

    # ---- differences between the kinds of resources

    def refused(self, form: Mapping[str, str]) -> tuple[int, int] | None:
        """Return HTTP status and error code if the request is refused, or None."""
        raise NotImplementedError

    def text(self, form: Mapping[str, str]) -> str:
        raise NotImplementedError

    def shown(self, resource: Resource) -> dict[str, Any]:
        raise NotImplementedError

    def report(self, resource: Resource, status: str, error_code: int | None) -> dict[str, str]:
        raise NotImplementedError

    # ---- the server

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[None]:
        application = web.Application()
        path = f"{PATH}/{self.collection}"
        application.add_routes(
            [
                web.post(f"{path}.json", self._create),
                web.get(f"{path}.json", self._list),
                web.get(path + "/{sid}.json", self._fetch),
            ]
        )
        async with TestServer(application, port=port) as server:
            self.url = f"http://127.0.0.1:{server.port}"
            try:
                async with aiohttp.ClientSession() as self.http:
                    yield
                    self.closing.set()
                    await asyncio.gather(*self.tasks, return_exceptions=True)
            finally:
                self.closing.set()

    def options(self) -> Mapping[str, Any]:
        return {"account": ACCOUNT, "auth_token": AUTH_TOKEN, "sender": SENDER, "base_url": self.url}

    async def _create(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        form = {name: str(value) for name, value in (await request.post()).items()}
        trouble = self._trouble()
        answered = ANSWERED.get(trouble) if trouble else None
        self.ledger.write("asked", to=form.get("To"), trouble=trouble, clock=self.now().isoformat())
        if refusal := self._stranger(request) or answered or self.refused(form):
            return _error(*refusal)
        resource = self._accept(form)
        return await self._reply(request, trouble, web.json_response(self.shown(resource), status=201))

    def _trouble(self) -> Trouble | None:
        if self.trouble:
            return self.trouble.pop(0)
        return Trouble.LOSE_REPLY if self.chance.random() < self.lose else None

    def _accept(self, form: Mapping[str, str]) -> Resource:
        now = self.now()
        sid = self.prefix + secrets.token_hex(16)
        resource = Resource(sid, form["To"], form, "queued", now, now + timedelta(seconds=self.lag))
        self.resources[sid] = resource
        self.by_number.setdefault(resource.to, []).append(resource)
        line = Accepted(sid, resource.to, self.text(form), resource.key)
        self.accepted.append(line)
        self.ledger.write("accepted", reference=sid, to=line.to, text=line.text, key=line.key)
        if self.deliver:
            task = asyncio.create_task(self.finish(sid, *self.ends[Fate.DELIVERED]))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return resource

    async def _reply(
        self, request: web.Request, trouble: Trouble | None, reply: web.StreamResponse
    ) -> web.StreamResponse:
        if trouble is Trouble.LOSE_REPLY and request.transport:
            self.ledger.write("reply lost")
            request.transport.abort()
        elif trouble is Trouble.LATE_REPLY:
            await self._wait(HELD)
        elif trouble is Trouble.GATEWAY_ERROR:
            return web.Response(status=502, text="<html>Bad Gateway</html>", content_type="text/html")
        await self._wait(self.delay)
        return reply

    async def _wait(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.closing.wait(), seconds)

    def _stranger(self, request: web.Request) -> tuple[int, int] | None:
        if request.headers.get("Authorization") != aiohttp.encode_basic_auth(ACCOUNT, AUTH_TOKEN):
            return 401, 20003
        return (404, 20404) if request.match_info["account"] != ACCOUNT else None

    async def _fetch(self, request: web.Request) -> web.Response:
        if refusal := self._stranger(request):
            return _error(*refusal)
        resource = self.resources.get(request.match_info["sid"])
        return web.json_response(self.shown(resource)) if resource else _error(404, 20404)

    async def _list(self, request: web.Request) -> web.Response:
        """List resources, newest first, filtered by number and day, page by page."""
        await self._wait(self.delay)
        if refusal := self._stranger(request):
            return _error(*refusal)
        query = request.query
        size = min(int(query.get("PageSize", 50)), self.page)
        found = [each for each in reversed(self._of(query)) if each.visible <= self.now()]
        if after := query.get("PageToken"):
            sids = [each.sid for each in found]
            found = found[sids.index(after.removeprefix("PA")) + 1 :]
        number = int(query.get("Page", 0))
        following = None
        if len(found) > size:
            more = {**query, "PageSize": str(size), "Page": str(number + 1), "PageToken": f"PA{found[size - 1].sid}"}
            following = f"{request.path}?{urlencode(more)}"
        return web.json_response(
            {
                "end": number * size + min(size, len(found)),
                "start": number * size,
                "page": number,
                "page_size": size,
                "first_page_uri": str(request.rel_url),
                "uri": str(request.rel_url),
                "next_page_uri": following,
                "previous_page_uri": None,
                self.collection.lower(): [self.shown(each) for each in found[:size]],
            }
        )

    def _of(self, query: Mapping[str, str]) -> list[Resource]:
        found = self.by_number.get(query["To"], []) if "To" in query else list(self.resources.values())
        for name, day in query.items():
            if match := re.fullmatch("(DateSent|StartTime)([<>]?)", name):
                found = [each for each in found if each.sent and _fits(each.sent, match[2], day[:10])]
        return found

    # ---- what Twilio does on its own

    def advance(self, sid: str, status: str, error_code: int | None = None) -> Resource:
        """Move a resource to another status, as only Twilio can."""
        resource = self.resources[sid]
        assert status in self.moves[resource.status], f"no message moves from {resource.status} to {status}"
        resource.status, resource.error_code = status, error_code
        resource.sent = resource.sent or self.now()
        self.ledger.write("status", reference=sid, status=status, error_code=error_code)
        return resource

    async def finish(self, sid: str, status: str, error_code: int | None = None) -> list[int]:
        """Move a resource to this status through all steps before it, with a report of each. Return the HTTP statuses
        of our answers."""
        answers = []
        for step in self._way(self.resources[sid].status, status):
            self.advance(sid, step, error_code if step == status else None)
            answers.append(await self.call_back(sid))
        return answers

    def _way(self, begin: str, end: str) -> list[str]:
        ways: list[list[str]] = [[begin]]
        while ways:
            way = ways.pop(0)
            if way[-1] == end:
                return way[1:]
            ways += [[*way, each] for each in self.moves[way[-1]]]
        raise ValueError(f"no message moves from {begin} to {end}")

    async def call_back(self, sid: str, status: str = "", error_code: int | None = None) -> int:
        """Report a status to the resource's callback address: the present status or any other, however often.

        A report that fails is repeated, as the fragment of the address says (`#rc=5`). Return the HTTP status of our
        last answer.
        """
        resource = self.resources[sid]
        call = self.status_call(resource, status or resource.status, error_code or resource.error_code)
        repeats = int(parse_qs(urldefrag(resource.callback).fragment).get("rc", ["0"])[0])
        answer = 0
        for attempt in range(1 + repeats):
            await self._wait(0.05 * attempt)
            answer = await self._post(call)
            self.ledger.write("called back", reference=sid, status=status or resource.status, answer=answer)
            if 200 <= answer < 300:
                break
        return answer

    async def _post(self, call: CallbackRequest) -> int:
        origin = self.callbacks or call.url.removesuffix(call.path)
        try:
            async with self.http.post(
                URL(origin + call.path, encoded=True), data=call.body, headers=dict(call.headers)
            ) as reply:
                return reply.status
        except aiohttp.ClientError:
            return 0

    def reported(self, message: Accepted, fate: Fate, place: ChannelContext) -> CallbackRequest | None:
        return self.status_call(self.resources[message.reference], *self.ends[fate])

    def status_call(self, resource: Resource, status: str, error_code: int | None) -> CallbackRequest:
        fields = {
            "AccountSid": ACCOUNT,
            "ApiVersion": "2010-04-01",
            "To": resource.to,
            "From": resource.form.get("From", SENDER),
            **self.report(resource, status, error_code),
        }
        return signed(urldefrag(resource.callback).url, fields)

    def forged(self, call: CallbackRequest) -> CallbackRequest:
        """Return the same call signed by a stranger who does not know the key."""
        signature = RequestValidator("another token").compute_signature(call.url, dict(_fields(call)))
        return replace(call, headers={**call.headers, "x-twilio-signature": signature})

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        return None


def signed(url: str, fields: Mapping[str, str]) -> CallbackRequest:
    """Return the call that Twilio makes to this address."""
    parts = urlsplit(url)
    return CallbackRequest(
        "POST",
        url,
        url.removeprefix(f"{parts.scheme}://{parts.netloc}"),
        {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": RequestValidator(AUTH_TOKEN).compute_signature(url, dict(fields)),
        },
        urlencode(fields).encode(),
    )


def date(moment: datetime | None) -> str | None:
    return format_datetime(moment.astimezone(UTC)) if moment else None


def _fields(call: CallbackRequest) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.body.decode(), keep_blank_values=True).items()}


def _fits(moment: datetime, sign: str, day: str) -> bool:
    own = moment.strftime("%Y-%m-%d")
    return own <= day if sign == "<" else own >= day if sign == ">" else own == day


def _error(status: int, code: int) -> web.Response:
    body = {"code": code, "message": f"Error {code} of the double", "status": status, "more_info": ""}
    headers = {"Retry-After": str(RETRY_AFTER)} if status == 429 else {}
    return web.json_response(body, status=status, headers=headers)
