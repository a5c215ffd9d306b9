"""Twilio's messages. As a program of its own:

python -m tests.channels.doubles.sms_twilio --port N --ledger FILE [--lose 0.1 --seed 1] [--callbacks ORIGIN]
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from channels import CallbackRequest, ChannelContext, Fate
from tests.channels.doubles import Accepted
from tests.channels.doubles.program import run
from tests.channels.doubles.twilio import ACCOUNT, SENDER, Resource, TwilioAccount, date, signed

STOP = {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
START = {"START", "YES", "UNSTOP"}


@dataclass
class Double(TwilioAccount):
    """Twilio's messages. `inbound` in `write`: the address that the account has configured for what people write."""

    collection: ClassVar[str] = "Messages"
    prefix: ClassVar[str] = "SM"
    moves: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "queued": ("sending", "failed", "canceled"),
        "sending": ("sent", "failed"),
        "sent": ("delivered", "undelivered"),
        "delivered": (),
        "undelivered": (),
        "failed": (),
        "canceled": (),
    }
    ends: ClassVar[Mapping[Fate, tuple[str, int | None]]] = {
        Fate.ACCEPTED: ("sent", None),
        Fate.DELIVERED: ("delivered", None),
        Fate.UNDELIVERED: ("undelivered", 30003),
    }

    def refused(self, form: Mapping[str, str]) -> tuple[int, int] | None:
        if not form.get("From") and not form.get("MessagingServiceSid"):
            return 400, 21603
        if not re.fullmatch(r"\+[1-9][0-9]{7,14}", form.get("To", "")):
            return 400, 21211
        if form["To"] in self.stopped:
            return 400, 21610
        if not form.get("Body"):
            return 400, 21602
        return (400, 21617) if len(form["Body"]) > 1600 else None

    def text(self, form: Mapping[str, str]) -> str:
        return form["Body"]

    def shown(self, resource: Resource) -> dict[str, Any]:
        form = resource.form
        uri = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{resource.sid}"
        return {
            "account_sid": ACCOUNT,
            "api_version": "2010-04-01",
            "body": form["Body"],
            "direction": "outbound-api",
            "date_created": date(resource.created),
            "date_updated": date(resource.created),
            "date_sent": date(resource.sent),
            "error_code": resource.error_code,
            "error_message": None,
            "from": form.get("From"),
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": resource.sid,
            "status": resource.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": resource.to,
            "uri": f"{uri}.json",
        }

    def report(self, resource: Resource, status: str, error_code: int | None) -> dict[str, str]:
        code = {"ErrorCode": str(error_code)} if error_code else {}
        return {
            "MessageSid": resource.sid,
            "MessageStatus": status,
            "SmsSid": resource.sid,
            "SmsStatus": status,
            **code,
        }

    def account_at_fault(self, message: Accepted, place: ChannelContext) -> CallbackRequest:
        """Return the call that reports that the account's number is not registered for a campaign."""
        return self.status_call(self.resources[message.reference], "undelivered", 30034)

    # ---- what people write

    def written(self, sender: str, text: str, place: ChannelContext) -> CallbackRequest | None:
        return self._inbound(sender, text, f"{place.callbacks}/inbound")

    async def write(self, sender: str, text: str, inbound: str) -> int:
        """Have a person write to the school's number, and call the hub about it. Return the HTTP status of the
        answer."""
        return await self._post(self._inbound(sender, text, inbound))

    def _inbound(self, sender: str, text: str, url: str) -> CallbackRequest:
        """Return the call about a text that a person wrote. After STOP the account refuses messages to this number
        (21610), until START."""
        if text.strip().upper() in STOP:
            self.stopped.add(sender)
        if text.strip().upper() in START:
            self.stopped.discard(sender)
        sid = "SM" + secrets.token_hex(16)
        self.ledger.write("written", reference=sid, sender=sender, text=text)
        fields = {
            "AccountSid": ACCOUNT,
            "ApiVersion": "2010-04-01",
            "Body": text,
            "From": sender,
            "FromCity": "",
            "FromCountry": "GB",
            "MessageSid": sid,
            "NumMedia": "0",
            "NumSegments": "1",
            "SmsMessageSid": sid,
            "SmsSid": sid,
            "SmsStatus": "received",
            "To": SENDER,
            "ToCity": "NEW YORK",
            "ToCountry": "US",
        }
        return signed(url, fields)


if __name__ == "__main__":
    run(Double)
