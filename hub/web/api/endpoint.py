"""Handle an API operation: authenticate, validate, and give one final answer per Idempotency-Key."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError

from hub.errors import (
    AccessDenied,
    BadInput,
    ContractNotFound,
    KeyNotValid,
    ManyKeyUploads,
    QiandaError,
    SealJobNotFound,
)
from hub.lifecycle.services import Services
from hub.model.staff.accounts import ApiKey
from hub.model.staff.key_scopes import KeyScope
from hub.model.staff.scope import Scope
from hub.store.kernel.opening import Opening
from hub.store.staff.api_keys import KEY_ALONE
from hub.store.staff.idempotency import ReservedKey
from hub.store.transaction import Transaction
from hub.web.file_checks import CHECKS
from hub.web.http.app_keys import HUB
from hub.web.http.ids import read_id
from hub.web.http.problems import problem_json, status_of
from hub.web.http.security import bearer
from hub.web.http.security_events import report_error
from hub.web.http.upload_counts import counted_upload

MULTIPART = "multipart/form-data"
MAX_BODY_BYTES = 256 * 1024
# A body up to this size is read before the key is looked up, so that the look-up needs no transaction of its own.
MAX_UNKNOWN_BODY_BYTES = 16 * 1024
# The most uploads of one key at a time in this process: each is up to 20 MB in memory, or 4 GB on the disk.
MAX_UPLOADS_OF_KEY = 8
UPLOAD_PAUSE = timedelta(seconds=10)
_NUMBER = re.compile(r"[0-9]{1,9}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
Answer = TypeVar("Answer", bound=BaseModel)


@dataclass
class ApiCall:
    """A request. The first transaction that it opens looks its key up, in the statement that begins the transaction.

    `needs`: the scope that the key must have. `status`: that of a successful answer. `asked`: the validated body, or
    the validated query of a GET. `once`: its reserved Idempotency-Key, if any. `attached`: files that came with it.
    `check`: a function that receives and checks the file, for an operation that takes one.
    """

    _services: Services
    _secret: str
    needs: KeyScope
    status: int
    path: Mapping[str, str]
    asked: BaseModel | None = None
    once: ReservedKey | None = None
    attached: object = None
    check: Callable[[], Awaitable[dict[str, Any]]] | None = None
    _caller: tuple[ApiKey, Scope] | None = None

    @contextlib.asynccontextmanager
    async def transaction(self, opening: Opening | None = None) -> AsyncIterator[Transaction]:
        """Open a transaction in the scope of the key. Raises KeyNotValid, AccessDenied if the key lacks its scope."""
        database = self._services.database
        if self._caller is not None:
            async with database.transaction(self.scope, opening) as tx:
                yield tx
            return
        async with database.transaction_by_key(self._secret, opening) as (tx, key):
            if self.needs not in key.scopes:
                raise AccessDenied(f"this key does not have the scope {self.needs}")
            self._caller = key, tx.scope
            yield tx

    async def check_key(self) -> None:
        """Look up the key, unless a transaction has done so. Raises as `transaction` does."""
        if self._caller is None:
            async with self.transaction(KEY_ALONE):
                pass

    async def check_key_again(self) -> None:
        """Look up a key again that was looked up before a long upload: it may have been revoked meanwhile."""
        if self._caller is not None:
            self._caller = None
            await self.check_key()

    @property
    def services(self) -> Services:
        """The services. Like key and scope, they are available only once the key was looked up."""
        self._get_caller()
        return self._services

    @property
    def key(self) -> ApiKey:
        return self._get_caller()[0]

    @property
    def scope(self) -> Scope:
        return self._get_caller()[1]

    def _get_caller(self) -> tuple[ApiKey, Scope]:
        if self._caller is None:
            raise RuntimeError("the key has not been looked up yet: begin with `transaction` or `check_key`")
        return self._caller

    async def keep(self, tx: Transaction, answer: Answer) -> Answer:
        """Store the answer for the Idempotency-Key in the action's transaction, so that both are committed together.
        Return it. Raises TooSoon if a repetition has taken the key over."""
        if self.once:
            await tx.idempotency.keep_answer(self.once, self.status, answer.model_dump_json())
        return answer

    @property
    def actor(self) -> str:
        return f"api:{self.key.id}"

    @property
    def contract(self) -> UUID:
        return read_id(self.path["id"], ContractNotFound)

    @property
    def number(self) -> int:
        """The number of the file of a seal job in the path."""
        if not _NUMBER.fullmatch(self.path["number"]):
            raise SealJobNotFound
        return int(self.path["number"])

    @property
    def signer(self) -> UUID:
        return read_id(self.path["signer"], BadInput("the contract has no such signer", field="signer"))


@dataclass(frozen=True)
class Received:
    """The contents of a request. `body`: the bytes by which repetitions are recognised; `attached`: files."""

    asked: BaseModel | None
    body: bytes
    attached: object = None


Act = Callable[[ApiCall], Awaitable[BaseModel | web.StreamResponse]]


@dataclass(frozen=True)
class Operation:
    """An operation. `name`: OpenAPI operationId. `needs`: the scope that a key must have. `gives`: model of the answer,
    or media type of a file."""

    method: str
    path: str
    name: str
    needs: KeyScope
    summary: str
    act: Act
    gives: type[BaseModel] | str
    takes: type[BaseModel] | None = None
    status: int = 200
    takes_files: ClassVar[bool] = False
    takes_pdf: ClassVar[bool] = False
    problems: tuple[int, ...] = field(default=())
    takes_file: bool = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request. Raises AccessDenied if its key lacks the scope."""
        try:
            if (secret := bearer(request)) is None:
                raise KeyNotValid
            call = ApiCall(request.app[HUB].services, secret, self.needs, self.status, request.match_info)
            if self.takes_file or self.takes_files or self.takes_pdf or not _is_small(request):
                await call.check_key()  # before a large body is read
            if not self._is_upload(request):
                return await self._handled(request, call)
            refusal = ManyKeyUploads(retry_after=UPLOAD_PAUSE)
            with counted_upload(request, call.key.id, MAX_UPLOADS_OF_KEY, refusal):
                return await self._handled(request, call)
        except KeyNotValid as error:
            report_error(request, error)
            refused = problem_json(request, status_of(error), error)
            refused.headers["WWW-Authenticate"] = "Bearer"
            return refused

    def _is_upload(self, request: web.Request) -> bool:
        """Tell whether the body brings files. JSON for a seal job says where they are."""
        return self.takes_pdf or (self.takes_files and request.content_type == MULTIPART)

    async def _handled(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        """Receive the request and answer it. No connection to the database waits while a body arrives."""
        try:
            if self.takes_file:  # read within the limits of checks; a check changes nothing: no Idempotency-Key
                call.check = partial(request.app[CHECKS].check, request)
                return await self._answer(call)
            async with self.received(request) as received:
                await call.check_key_again()
                call.asked, call.attached = received.asked, received.attached
                once = None if self.method == "GET" else request.headers.get("Idempotency-Key")
                if once is None:
                    return await self._answer(call)
                return await self._once(request, call, once, received.body)
        except KeyNotValid:
            raise
        except Exception:
            await call.check_key()  # who has no key is told so, and nothing about the request
            raise

    @contextlib.asynccontextmanager
    async def received(self, request: web.Request) -> AsyncIterator[Received]:
        """Read the request. Its contents are available inside the block."""
        body = await request.clone(client_max_size=MAX_BODY_BYTES).read()  # a longer body is not read completely
        yield Received(self._asked(request, body), body)

    def _asked(self, request: web.Request, body: bytes) -> BaseModel | None:
        if self.takes is None:
            return None
        try:
            if self.method == "GET":
                return self.takes.model_validate(dict(request.query))
            return self.takes.model_validate_json(body or b"{}")
        except ValidationError as error:
            raise bad_input(error) from None

    async def _answer(self, call: ApiCall) -> web.StreamResponse:
        given = await self.act(call)
        if isinstance(given, BaseModel):
            return web.json_response(text=given.model_dump_json(), status=self.status)
        return given

    async def _once(self, request: web.Request, call: ApiCall, key: str, body: bytes) -> web.Response:
        """Store the first final answer and repeat it for the same key. A temporary failure frees the key."""
        if not _KEY.fullmatch(key):
            raise BadInput("up to 255 visible ASCII characters", field="Idempotency-Key")
        asked = hashlib.sha256(f"{self.method} {request.path}\n".encode() + body).digest()
        async with call.transaction() as tx:
            kept = await tx.idempotency.find_answer(call.key.id, key, asked, tx.now)
            call.once = reserved = ReservedKey(call.key.id, key, tx.now)
        if kept is not None:
            return _kept_answer(*kept)
        try:
            answer = await self._final_answer(request, call)
            assert isinstance(answer, web.Response)
            async with call.transaction() as tx:
                await tx.idempotency.keep_answer(reserved, answer.status, str(answer.text))
        except BaseException:
            await asyncio.shield(_forget(call, reserved))
            raise
        return answer

    async def _final_answer(self, request: web.Request, call: ApiCall) -> web.StreamResponse:
        try:
            return await self._answer(call)
        except QiandaError as error:
            if error.retry or status_of(error) >= 500:
                raise
            return problem_json(request, status_of(error), error)


def _is_small(request: web.Request) -> bool:
    """Return whether the body is known to be small. One in chunks is not."""
    return not request.body_exists or (request.content_length or MAX_BODY_BYTES) <= MAX_UNKNOWN_BODY_BYTES


async def _forget(call: ApiCall, reserved: ReservedKey) -> None:
    async with call.transaction() as tx:
        await tx.idempotency.forget_request(reserved)


def _kept_answer(status: int, text: str) -> web.Response:
    kind = "application/json" if status < 400 else "application/problem+json"
    return web.Response(status=status, text=text, content_type=kind, headers={"Idempotent-Replayed": "true"})


def bad_input(error: ValidationError) -> BadInput:
    """Return the first error with the path of its field, without the value, which may be personal."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    words = {"extra_forbidden": "there is no such field", "missing": "this field is required"}
    return BadInput(words.get(first["type"], first["msg"]), field=path)
