"""An identity provider with an HTTP API that speaks JSON; a mapping describes the API.

    [identities.bureau]
    kind = "http_json"
    url = "https://id.example.org/v2"
    headers = { "X-Key" = "{secret}" }
    secret_file = "/run/secrets/bureau"
    method = "name, number of the ID card and mobile number"
    matched = { "data.result" = ["1"] }
    not_matched = { "data.result" = ["2", "3"] }
    reference = "data.orderNo"
    [identities.bureau.ask]
    path = "/three-factors"
    body = { "name" = "{name}", "idCard" = "{id_number}", "mobile" = "{mobile}" }
    success = { "code" = ["0"] }

Placeholders: name, id_type, id_number, phone (E.164), mobile (without +86). An answer in neither list counts as no
answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from hub.errors import IdentityUnavailable
from hub.identity import IdentityContext, IdentityProvider, IdentityVerdict, PersonOnFile
from hub.rest_mapping import (
    CallOptions,
    DecidedNo,
    JsonService,
    NotServed,
    ServiceOptions,
    find_value,
    one_of,
    read_options,
)

BLANKS: Final = ("name", "id_type", "id_number", "phone", "mobile")


class HttpJsonIdentityOptions(ServiceOptions):
    """Options. `documents`: the kinds that the provider knows. `reference`: the field with its own id for the check."""

    ask: CallOptions
    method: str = Field(min_length=1)
    matched: dict[str, list[str]] = Field(min_length=1)
    not_matched: dict[str, list[str]] = Field(min_length=1)
    reference: str
    documents: list[str] = Field(default_factory=lambda: ["cn-id"])


def connect(options: Mapping[str, Any], context: IdentityContext) -> IdentityProvider:
    """Return the provider. Raises ValueError that names the option."""
    read = read_options(HttpJsonIdentityOptions, options, f"identities.{context.name}")
    read.ask.check_blanks(BLANKS)
    return HttpJsonIdentity(read, context)


class HttpJsonIdentity:
    def __init__(self, options: HttpJsonIdentityOptions, context: IdentityContext) -> None:
        self.name = context.name
        self.method = options.method
        self._options = options
        self._service = JsonService(context.http, options)

    def serves(self, person: PersonOnFile) -> bool:
        return person.id_type in self._options.documents

    async def check(self, person: PersonOnFile) -> IdentityVerdict:
        blanks = {
            "name": person.name,
            "id_type": person.id_type,
            "id_number": person.id_number,
            "phone": person.phone,
            "mobile": person.phone.removeprefix("+86"),
        }
        try:
            answer = await self._service.call(self._options.ask, blanks)
        except (NotServed, DecidedNo) as error:
            # Only the fields of `not_matched` say that a person is not who they claim to be.
            raise IdentityUnavailable(f"{self.name}: {error}") from error
        reference = str(find_value(answer, self._options.reference))
        reference = reference if re.fullmatch(r"[A-Za-z0-9._-]{1,64}", reference, re.ASCII) else "none"
        for fields, verdict in ((self._options.not_matched, False), (self._options.matched, True)):
            if any(one_of(answer, path, values) for path, values in fields.items()):
                return IdentityVerdict(verdict, reference)
        raise IdentityUnavailable(f"{self.name}: the answer says neither yes nor no")
