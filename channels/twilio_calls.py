"""Twilio's callbacks: their signature, and the checks that they mean what was signed.

The signature covers the URL exactly as it was given to Twilio (without its fragment), followed by all names and values
in the order of the names, with nothing between them. So a genuine signature also fits other divisions of the same text:
`MessageStatus=delivered&To=+15…` and `MessageStatus=deliveredTo+15…`. Therefore each known field must have a strict
form, none may occur twice, and no value may contain what could be a known field.

Source: Twilio "Webhooks security", "Track outbound message status", "Connection overrides".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from twilio.request_validator import RequestValidator

from channels import CallbackRequest, ChannelContext, NotGenuine

# Added to the URL: Twilio repeats a failed request up to five times, whatever the failure was.
REPEAT = "#rc=5&rp=all"
INBOUND = "/inbound"
PHONE = re.compile(r"\+?[1-9][0-9]{2,14}")
SENDER = re.compile(r"\+?[1-9][0-9]{2,14}|[A-Za-z0-9 &._-]{1,11}")
ERROR_CODE = re.compile("[0-9]{0,6}")

_MAX_FIELDS = 100
_MAX_BODY_BYTES = 64 * 1024
_NAME = re.compile("[A-Za-z]{1,40}[0-9]{0,2}")
_KEY = re.compile(r"[\x21-\x7e]{1,200}")
_COMMON = {"AccountSid": re.compile("AC[0-9a-f]{32}"), "ApiVersion": re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")}
_HIDDEN = re.compile(
    r"(From|To|Called|Caller)\+?[0-9]|(Message|Sms|Call|Account)Sid[A-Z]{2}|(Message|Sms|Call)Status[a-z]"
    r"|ErrorCode[0-9]|AnsweredBy[a-z]|SipResponseCode[0-9]|ApiVersion[0-9]"
)
# The only field that a person fills in. The fields after it in the order of names are strict, so that none of it can
# move into them.
FREE_TEXT = "Body"


class TwilioCallbacks:
    """The URLs that Twilio calls, and the content of its requests."""

    def __init__(self, context: ChannelContext, account: str, auth_token: str) -> None:
        self._address = context.callbacks
        self._account = account
        self._validator = RequestValidator(auth_token)

    def status_address(self, key: str) -> str:
        """Return the URL for reports about one message. It contains our key, so that a report is understood even if it
        arrives before the answer to our own request."""
        return f"{self._address}?key={quote(key, safe='')}{REPEAT}"

    def is_inbound(self, call: CallbackRequest) -> bool:
        return call.url == self._address + INBOUND

    def key(self, call: CallbackRequest) -> str:
        """Return our key from the URL of a report. Raises NotGenuine for any other URL."""
        address, _, query = call.url.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        if address != self._address or len(pairs) != 1 or pairs[0][0] != "key" or not _KEY.fullmatch(pairs[0][1]):
            raise NotGenuine("not an address that Twilio was given")
        return pairs[0][1]

    def fields(
        self, call: CallbackRequest, known: Mapping[str, re.Pattern[str]], needed: frozenset[str]
    ) -> dict[str, str]:
        """Return the known fields of a genuine request. `known`: the form of each field; `needed`: fields that must be
        there.

        Raises NotGenuine.
        """
        fields = _form(call)
        signature = call.headers.get("x-twilio-signature", "")
        if not signature or not self._validator.validate(call.url, fields, signature):
            raise NotGenuine("wrong signature")
        known = {**_COMMON, **known}
        found = {name: value for name, value in fields.items() if name in known}
        if not needed | {"AccountSid"} <= found.keys():
            raise NotGenuine("a field is missing")
        if not all(known[name].fullmatch(value) for name, value in found.items()):
            raise NotGenuine("a field has an unknown form")
        if any(_HIDDEN.search(value) for name, value in fields.items() if name != FREE_TEXT):
            raise NotGenuine("a field is inside another one")
        if found["AccountSid"] != self._account:
            raise NotGenuine("another account")
        return found


def _form(call: CallbackRequest) -> dict[str, str]:
    if call.method != "POST" or len(call.body) > _MAX_BODY_BYTES or not urlsplit(call.url).path:
        raise NotGenuine("not a call of Twilio's")
    try:
        pairs = parse_qsl(
            call.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise NotGenuine("not a form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs) or not all(_NAME.fullmatch(name) for name in fields):
        raise NotGenuine("a field occurs twice, or has no proper name")
    return fields
