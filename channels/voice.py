"""Telephone calls by Twilio that read a message aloud (https://www.twilio.com/docs/voice/api/call-resource).

The text is part of the request (TwiML), so Twilio fetches nothing from us. A text with a one-time code is read twice,
the code digit by digit. `delivered` means that the call was answered; with `machine_detection`, an answering machine
counts as not reached. Twilio can be asked about calls but does not report their text, so a call to the same number at
the same time is taken for ours. The search reaches back half a minute, since codes are at least a minute apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field
from twilio.twiml.voice_response import VoiceResponse

from channels import (
    CallbackContent,
    CallbackRequest,
    Channel,
    ChannelContext,
    Failure,
    Fate,
    Message,
    MessageRefused,
    Receipt,
    ReceiptReport,
    Rules,
    read_options,
)
from channels.twilio_calls import ERROR_CODE, PHONE, TwilioCallbacks
from channels.twilio_http import Collection, TwilioOptions, fetch, list_since, make_client

SLACK = timedelta(seconds=30)
# Seconds. Long enough to find the phone, and usually shorter than the delay of an answering machine.
RING = 30
MAX_CALL_SECONDS = 120
MAX_TWIML = 4000
VOICES = {"zh": "zh-CN", "en": "en-GB"}

_REFERENCE = re.compile("CA[0-9a-f]{32}")
_ENDED = {"completed": Fate.DELIVERED, **dict.fromkeys(("busy", "no-answer", "failed", "canceled"), Fate.UNDELIVERED)}
_FAILURES = {"busy": Failure.TRANSIENT, "no-answer": Failure.TRANSIENT}
# SIP responses (RFC 3261, section 21) that mean that the number does not exist.
_NO_SUCH_NUMBER = frozenset({404, 410, 484, 604})
_STATUS = re.compile("queued|initiated|ringing|in-progress|completed|busy|no-answer|failed|canceled")
_REPORT = {
    "CallSid": _REFERENCE,
    "CallStatus": _STATUS,
    "To": PHONE,
    "Called": PHONE,
    "From": PHONE,
    "Caller": PHONE,
    "AnsweredBy": re.compile("[a-z_]{1,30}"),
    "SipResponseCode": re.compile("[1-6][0-9]{2}"),
    "ErrorCode": ERROR_CODE,
}


class VoiceOptions(TwilioOptions):
    """Options. `sender`: the calling number. `machine_detection`: costs extra."""

    sender: str = Field(pattern=f"^({PHONE.pattern})$")
    machine_detection: bool = False


def connect(options: Mapping[str, Any], context: ChannelContext) -> Channel:
    return Voice(read_options(VoiceOptions, options, context), context)


class Voice:
    rules = Rules(receipts=True, queryable=True, signed=True)

    def __init__(self, options: VoiceOptions, context: ChannelContext) -> None:
        self._calls = make_client(options, context).calls
        self._collection = Collection("Calls", options, context)
        self._options = options
        self._callbacks = TwilioCallbacks(context, options.account, options.auth_token.get_secret_value())

    async def send(self, message: Message) -> Receipt:
        words = twiml(message)
        if len(words) > MAX_TWIML:
            raise MessageRefused(f"longer than {MAX_TWIML} characters of TwiML", Failure.CONTENT)
        detection = {"MachineDetection": "Enable"} if self._options.machine_detection else {}
        fields = {
            "To": message.to,
            "From": self._options.sender,
            "Twiml": words,
            "Timeout": RING,
            "TimeLimit": MAX_CALL_SECONDS,
            "StatusCallback": self._callbacks.status_address(message.key),
            "StatusCallbackMethod": "POST",
            **detection,
        }
        return await self._collection.create(fields, _read_call)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        """Look for the call by Twilio's id, otherwise by number and time."""
        known = _REFERENCE.fullmatch(reference)
        query = self._calls(reference).fetch_async() if known else self._search(message)
        return await fetch(query, _read_call)

    async def _search(self, message: Message) -> Any:
        return next(iter(await list_since(self._calls, "calls", message.to, message.at - SLACK)), None)

    def read(self, call: CallbackRequest) -> CallbackContent:
        key = self._callbacks.key(call)
        fields = self._callbacks.fields(call, _REPORT, needed=frozenset({"CallSid", "CallStatus", "To"}))
        sip = int(fields.get("SipResponseCode", 0))
        receipt = _receipt(fields["CallSid"], fields["CallStatus"], fields.get("AnsweredBy", ""), sip)
        assert receipt
        return CallbackContent(reports=(ReceiptReport(receipt, key, fields["To"]),))


def twiml(message: Message) -> str:
    """Return the TwiML that reads the text. A text with a code is read twice, the code digit by digit."""
    text, code = message.text, message.variables.get("code", "")
    spoken = code and code in text
    if spoken:
        text = text.replace(code, (", " if message.language == "en" else "，").join(code))
    response = VoiceResponse()
    response.pause(length=1)
    response.say(text, language=VOICES.get(message.language, VOICES["zh"]), loop=2 if spoken else 1)
    return str(response)


def _read_call(made: Any) -> Receipt | None:
    return _receipt(made.sid, str(made.status), made.answered_by or "")


def _receipt(reference: str | None, status: str, answered_by: str = "", sip: int = 0) -> Receipt | None:
    """Return the receipt for Twilio's description of a call; None if it is malformed."""
    if not (reference and _REFERENCE.fullmatch(reference) and _STATUS.fullmatch(status)):
        return None
    if status == "completed" and answered_by.startswith(("machine", "fax")):
        return Receipt(Fate.UNDELIVERED, reference, Failure.TRANSIENT, f"answered by {answered_by}")
    fate = _ENDED.get(status, Fate.ACCEPTED)
    if fate is not Fate.UNDELIVERED:
        return Receipt(fate, reference, detail=status)
    failure = Failure.ADDRESS if sip in _NO_SUCH_NUMBER else _FAILURES.get(status, Failure.OTHER)
    return Receipt(fate, reference, failure, f"{status}, SIP {sip}" if sip else status)
