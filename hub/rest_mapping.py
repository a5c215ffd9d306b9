"""Call services that speak JSON over HTTP. The configuration maps their fields.

    [authorities.NAME.enrol]
    path = "/certificates"
    body = { "applicant.name" = "{name}", "publicKey" = "{spki}", "days" = "{days:number}" }
    success = { "code" = ["0"] }
    refused = { "code" = ["2001"] }

A field is named by its path: `data.items.0.id`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from hub.bounded_read import read_limited

MAX_ANSWER_BYTES: Final = 1024 * 1024
_BLANK: Final = re.compile(r"\{([a-z_0-9]+)(:number)?\}")
_CODE_WORD: Final = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
# Statuses with which a service refuses a request. All others concern our access, or the service itself.
DECIDED: Final = frozenset({400, 404, 409, 422})
Options = TypeVar("Options", bound=BaseModel)


class NotServed(Exception):
    """The service cannot be reached, refuses our access, or gave an unreadable answer. The message has no personal
    data."""


class DecidedNo(Exception):
    """The service understood the request and refused it. The message is its code."""


class ServiceOptions(BaseModel):
    """Options of every service.

    `headers` may contain `{secret}`, which is replaced by `secret`; the secret is best kept in a file (`secret_file`).
    `deadline`: seconds for one whole call.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://[^?#@\s]+$")
    headers: dict[str, str] = Field(default_factory=dict)
    secret: SecretStr = SecretStr("")
    deadline: float = Field(default=10, gt=0, le=60)


class CallOptions(BaseModel):
    """One call. A text in `body` may contain placeholders like `{name}`; `{days:number}` alone becomes a number.

    `success`: fields that must have one of these values. `refused`: fields whose values mean a refusal; if it is empty,
    a status of `DECIDED` means one. `code`: the field whose value is shown in errors.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = ""
    method: Literal["GET", "POST", "PUT", "DELETE"] = "POST"
    form: Literal["json", "form"] = "json"
    body: dict[str, str | int | bool] = Field(default_factory=dict)
    success: dict[str, list[str]] = Field(default_factory=dict)
    refused: dict[str, list[str]] = Field(default_factory=dict)
    code: str = "code"

    def check_blanks(self, known: Collection[str]) -> None:
        """Raise ValueError for a placeholder that has no value."""
        texts = [self.path, *(value for value in self.body.values() if isinstance(value, str))]
        unknown = {blank[0] for text in texts for blank in _BLANK.findall(text)} - set(known)
        if unknown:
            raise ValueError(f"{{{sorted(unknown)[0]}}} is not known here; known are {', '.join(sorted(known))}")


class JsonService:
    def __init__(self, http: aiohttp.ClientSession, options: ServiceOptions) -> None:
        self._http, self._options = http, options

    async def call(self, call: CallOptions, blanks: Mapping[str, str]) -> Mapping[str, Any]:
        """Return the answer of a successful call. Raises NotServed, DecidedNo."""
        status, data = await self._ask(call, blanks)
        code = _CODE_WORD.fullmatch(str(find_value(data, call.code)))
        said = f"status {status}" + (f", {code[0]}" if code else "")
        if any(one_of(data, path, values) for path, values in call.refused.items()):
            raise DecidedNo(said)
        if not call.refused and status in DECIDED:
            raise DecidedNo(said)
        if status // 100 != 2 or not all(one_of(data, path, values) for path, values in call.success.items()):
            raise NotServed(said)
        return data

    async def _ask(self, call: CallOptions, blanks: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        body = {path: _filled(value, blanks) for path, value in call.body.items()}
        content: dict[str, Any] = {}
        if body:
            content = {"json": _nested(body)} if call.form == "json" else {"data": body}
        try:
            async with (
                asyncio.timeout(self._options.deadline),
                self._http.request(
                    call.method,
                    self._options.url + _filled_path(call.path, blanks),
                    headers=self._headers(),
                    allow_redirects=False,
                    **content,
                ) as response,
            ):
                text = await read_limited(response.content, MAX_ANSWER_BYTES, NotServed)
                return response.status, _object(text, response.status)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            # These messages may contain the address with personal data, so only the class name is passed on.
            raise NotServed(f"no answer: {type(error).__name__}") from None

    def _headers(self) -> dict[str, str]:
        secret = self._options.secret.get_secret_value()
        return {name: value.replace("{secret}", secret) for name, value in self._options.headers.items()}


def find_value(data: Any, path: str) -> Any:
    """Return the value of a field, or None."""
    for step in path.split("."):
        if isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, list) and step.isdecimal() and int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data


def read_options(kind: type[Options], options: Mapping[str, Any], entry: str) -> Options:
    """Parse the options of a configured entry. Raises ValueError that says what is wrong, without the values, which may
    be secrets."""
    try:
        return kind(**options)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise ValueError(f"{entry}.{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def one_of(data: Any, path: str, values: Collection[str]) -> bool:
    """Return whether the field has one of these values. Numbers and `true` are compared as they are written."""
    value = find_value(data, path)
    text = json.dumps(value) if isinstance(value, bool) or value is None else str(value)
    return text in values


def _filled(value: str | int | bool, blanks: Mapping[str, str]) -> str | int | bool:
    if not isinstance(value, str):
        return value
    if (alone := _BLANK.fullmatch(value)) and alone[2]:
        return int(blanks[alone[1]])
    return _BLANK.sub(lambda blank: blanks[blank[1]], value)


def _filled_path(path: str, blanks: Mapping[str, str]) -> str:
    """Return the path with percent-encoded values in place of its placeholders. People choose their names, and none may
    add a part to the address or remove one. Raises NotServed."""
    filled = _BLANK.sub(lambda blank: quote(blanks[blank[1]], safe=""), path)
    parts = zip(*(each.partition("?")[0].split("/") for each in (path, filled)), strict=True)
    if any(after in (".", "..") and after != before for before, after in parts):
        raise NotServed("a value cannot be a part of the address")
    return filled


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for path, value in fields.items():
        *above, last = path.split(".")
        place = body
        for step in above:
            place = place.setdefault(step, {})
        place[last] = value
    return body


def _object(text: bytes, status: int) -> Mapping[str, Any]:
    try:
        data = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        return data
    if status // 100 == 2:
        raise NotServed("the answer is no JSON object")
    return {}
