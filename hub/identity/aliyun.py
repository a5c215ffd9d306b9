"""Aliyun's identity verification (cloudauth, version 2019-03-07).

It compares name and number of a Chinese ID card (Id2MetaVerify), or these and the mobile number
(Mobile3MetaSimpleVerify).

    [identities.aliyun]
    factors = 3
    access_key_id = "LTAI00000000"
    access_key_secret_file = "/run/secrets/aliyun-identity"

Sources: Aliyun's reference of both calls; request signature V3 (ACS3-HMAC-SHA256). The personal data are in the body,
so that no proxy logs them.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from hub.bounded_read import read_limited
from hub.errors import IdentityUnavailable
from hub.identity import IdentityContext, IdentityProvider, IdentityVerdict, PersonOnFile
from hub.rest_mapping import NotServed, read_options

VERSION: Final = "2019-03-07"
ACTIONS: Final = {2: "Id2MetaVerify", 3: "Mobile3MetaSimpleVerify"}
METHODS: Final = {2: "name and number of the ID card", 3: "name, number of the ID card and mobile number"}
FORM: Final = "application/x-www-form-urlencoded"
MAX_ANSWER_BYTES: Final = 64 * 1024
MAINLAND: Final = "+86"
_SAID: Final = {"1": True, "2": False, "3": False}  # the same, not the same, no record of such a person


class AliyunIdentityOptions(BaseModel):
    """Options. `factors`: 2 (name, document) or 3 (and the mobile number). `deadline`: seconds for a whole call."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str = Field("https://cloudauth.aliyuncs.com", pattern=r"^https?://[^/?#@]+$")
    access_key_id: str = Field(min_length=1)
    access_key_secret: SecretStr = Field(min_length=1)
    factors: Literal[2, 3] = 2
    deadline: float = Field(default=10, gt=0, le=60)


def connect(options: Mapping[str, Any], context: IdentityContext) -> IdentityProvider:
    """Return the provider. Raises ValueError that names the option."""
    return AliyunIdentity(read_options(AliyunIdentityOptions, options, f"identities.{context.name}"), context)


class AliyunIdentity:
    def __init__(self, options: AliyunIdentityOptions, context: IdentityContext) -> None:
        self.name = context.name
        self.method = METHODS[options.factors]
        self._options, self._context = options, context

    def serves(self, person: PersonOnFile) -> bool:
        mobile = self._options.factors == 2 or person.phone.startswith(MAINLAND)
        return person.id_type == "cn-id" and mobile

    async def check(self, person: PersonOnFile) -> IdentityVerdict:
        asked = {"ParamType": "normal", "UserName": person.name, "IdentifyNum": person.id_number}
        if self._options.factors == 3:
            asked["Mobile"] = person.phone.removeprefix(MAINLAND)
        answer = await self._ask(ACTIONS[self._options.factors], asked)
        result = answer.get("ResultObject")
        said = str(result.get("BizCode")) if isinstance(result, dict) else ""
        if str(answer.get("Code")) != "200" or said not in _SAID:
            raise IdentityUnavailable(f"{self.name}: {_code_word(answer.get('Code'))}")
        return IdentityVerdict(_SAID[said], _code_word(answer.get("RequestId")))

    async def _ask(self, action: str, asked: Mapping[str, str]) -> Mapping[str, Any]:
        body = "&".join(f"{quote(name, safe='~')}={quote(asked[name], safe='~')}" for name in sorted(asked)).encode()
        key, secret = self._options.access_key_id, self._options.access_key_secret.get_secret_value()
        host = urlsplit(self._options.endpoint).netloc
        headers = signed(key, secret, SignedForm(host, action, body), self._context.clock(), secrets.token_hex(16))
        try:
            async with (
                asyncio.timeout(self._options.deadline),
                self._context.http.post(
                    f"{self._options.endpoint}/", data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                answer = json.loads(await read_limited(response.content, MAX_ANSWER_BYTES, NotServed))
        except (aiohttp.ClientError, OSError, ValueError, RecursionError, NotServed) as error:
            raise IdentityUnavailable(f"{self.name}: no answer that can be read: {type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise IdentityUnavailable(f"{self.name}: no answer that can be read")
        return answer


@dataclass(frozen=True)
class SignedForm:
    """A request to Aliyun: an action of one of its hosts, with its form."""

    host: str
    action: str
    body: bytes


def signed(key: str, secret: str, asked: SignedForm, now: datetime, nonce: str) -> dict[str, str]:
    """Return the headers of a request with a form in its body, with its ACS3-HMAC-SHA256 signature."""
    body_hash = hashlib.sha256(asked.body).hexdigest()
    headers = {
        "accept": "application/json",
        "content-type": FORM,
        "host": asked.host,
        "x-acs-action": asked.action,
        "x-acs-content-sha256": body_hash,
        "x-acs-date": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "x-acs-signature-nonce": nonce,
        "x-acs-version": VERSION,
    }
    stated = sorted(headers)
    lines = "".join(f"{name}:{headers[name]}\n" for name in stated)
    request = f"POST\n/\n\n{lines}\n{';'.join(stated)}\n{body_hash}"
    to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(request.encode()).hexdigest()}"
    signature = hmac.new(secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
    authorization = f"ACS3-HMAC-SHA256 Credential={key},SignedHeaders={';'.join(stated)},Signature={signature}"
    return headers | {"authorization": authorization}


def _code_word(value: Any) -> str:
    """Return a code or an id, but never a sentence, which might name somebody."""
    return str(value) if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", str(value), re.ASCII) else "no code"
