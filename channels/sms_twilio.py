"""SMS by Twilio (https://www.twilio.com/docs/messaging/api/message-resource).

Twilio has no idempotent sending, but it can be asked. A message is recognised by its text, which contains the signer's
ticket or code. Since two reminders may have the same text, the search begins at the time of the attempt.
Twilio allows no URLs in texts to mainland China (+86), and all our texts except codes contain one, so this channel does
not serve +86. In Twilio's console the URL for incoming messages has to be `…/callbacks/NAME/inbound`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Self

from pydantic import Field, model_validator

from channels import (
    CallbackAnswer,
    CallbackContent,
    CallbackRequest,
    CannotAsk,
    Channel,
    ChannelContext,
    Fate,
    Inbound,
    Message,
    Receipt,
    ReceiptReport,
    Rules,
    Shape,
    read_options,
)
from channels.twilio_calls import ERROR_CODE, FREE_TEXT, PHONE, SENDER, TwilioCallbacks
from channels.twilio_http import Collection, TwilioOptions, convert_failure, fetch, list_since, make_client

# How much our clock and Twilio's may differ.
SLACK = timedelta(minutes=1)
# Twilio accepts 1,600 characters, and recommends at most ten segments.
SEGMENTS = 10
EMPTY_ANSWER = CallbackAnswer(200, b'<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml")

_REFERENCE = re.compile("(SM|MM)[0-9a-f]{32}")
_ENDED = {
    **dict.fromkeys(("delivered", "read"), Fate.DELIVERED),
    **dict.fromkeys(("undelivered", "failed", "canceled"), Fate.UNDELIVERED),
}
_STATUS = re.compile(
    "accepted|scheduled|queued|sending|sent|delivered|partially_delivered|undelivered|failed|canceled|read"
)
_REPORT = {
    "MessageSid": _REFERENCE,
    "MessageStatus": _STATUS,
    "ErrorCode": ERROR_CODE,
    "To": PHONE,
    "From": SENDER,
    "SmsSid": _REFERENCE,
    "SmsStatus": _STATUS,
}
_INBOUND = {
    "MessageSid": _REFERENCE,
    "From": PHONE,
    "To": PHONE,
    FREE_TEXT: re.compile(r"[\s\S]{0,1600}"),
    "SmsMessageSid": _REFERENCE,
    "SmsSid": _REFERENCE,
    "SmsStatus": re.compile("received"),
}


class SmsOptions(TwilioOptions):
    """Options. `sender`: a number or name of the account; or `messaging_service`, which chooses one of its numbers."""

    sender: str | None = Field(default=None, pattern=f"^({SENDER.pattern})$")
    messaging_service: str | None = Field(default=None, pattern="^MG[0-9a-f]{32}$")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.sender is None) == (self.messaging_service is None):
            raise ValueError("either sender or messaging_service")
        return self


def connect(options: Mapping[str, Any], context: ChannelContext) -> Channel:
    return TwilioSms(read_options(SmsOptions, options, context), context)


class TwilioSms:
    rules = Rules(
        receipts=True,
        queryable=True,
        signed=True,
        shapes=(Shape.FULL, Shape.PATH, Shape.CODE),
        shapes_to={"+86": ()},
        most_segments=SEGMENTS,
    )

    def __init__(self, options: SmsOptions, context: ChannelContext) -> None:
        self._messages = make_client(options, context).messages
        self._collection = Collection("Messages", options, context)
        service = options.messaging_service
        self._from = {"MessagingServiceSid": service} if service else {"From": options.sender}
        self._callbacks = TwilioCallbacks(context, options.account, options.auth_token.get_secret_value())

    async def send(self, message: Message) -> Receipt:
        callback = self._callbacks.status_address(message.key)
        fields = {"To": message.to, "StatusCallback": callback, "Body": message.text, **self._from}
        return await self._collection.create(fields, _read_message)

    async def find(self, message: Message, reference: str = "") -> Receipt | None:
        """Look for the message by Twilio's id, otherwise by number, time and text."""
        known = _REFERENCE.fullmatch(reference)
        query = self._messages(reference).fetch_async() if known else self._search(message)
        return await fetch(query, _read_message)

    async def _search(self, message: Message) -> Any:
        """Search the messages to the number.

        The list's only filter by time, the date of sending, is not used, because queued messages have no such date. A
        trial account puts words before the text, so only the end is compared.
        """
        candidates = await list_since(self._messages, "messages", message.to, message.at - SLACK)
        for each in candidates:
            if each.body and each.body.strip().endswith(message.text.strip()):
                return each
        if not all(each.body for each in candidates):
            raise CannotAsk("a text of that time is not kept")
        return None

    def read(self, call: CallbackRequest) -> CallbackContent:
        if self._callbacks.is_inbound(call):
            fields = self._callbacks.fields(call, _INBOUND, needed=frozenset({"MessageSid", "From", "To", FREE_TEXT}))
            written = Inbound(fields["MessageSid"], fields["From"], fields[FREE_TEXT])
            return CallbackContent(inbound=(written,), answer=EMPTY_ANSWER)
        key = self._callbacks.key(call)
        fields = self._callbacks.fields(call, _REPORT, needed=frozenset({"MessageSid", "MessageStatus", "To"}))
        receipt = _receipt(fields["MessageSid"], fields["MessageStatus"], int(fields.get("ErrorCode") or 0))
        assert receipt
        return CallbackContent(reports=(ReceiptReport(receipt, key, fields["To"]),))


def _read_message(made: Any) -> Receipt | None:
    return _receipt(made.sid, str(made.status), made.error_code)


def _receipt(reference: str | None, status: str, code: int | None) -> Receipt | None:
    """Return the receipt for Twilio's description of a message; None if it is malformed."""
    if not (reference and _REFERENCE.fullmatch(reference) and _STATUS.fullmatch(status)):
        return None
    fate = _ENDED.get(status, Fate.ACCEPTED)
    failure = convert_failure(code) if fate is Fate.UNDELIVERED else None
    return Receipt(fate, reference, failure, f"{status}, code {code}" if code else status)
