"""Twilio's calls. As a program of its own: python -m tests.channels.doubles.voice --port N --ledger FILE"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from channels import Fate
from tests.channels.doubles import Trouble
from tests.channels.doubles.program import run
from tests.channels.doubles.twilio import ACCOUNT, Resource, TwilioAccount, date


@dataclass
class Double(TwilioAccount):
    """Twilio's calls. The text in the ledger is what was said, with each repetition."""

    able: frozenset[Trouble] = frozenset(Trouble) - {Trouble.OPTED_OUT}
    collection: ClassVar[str] = "Calls"
    prefix: ClassVar[str] = "CA"
    moves: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "queued": ("ringing", "failed", "canceled"),
        "ringing": ("in-progress", "busy", "no-answer", "failed"),
        "in-progress": ("completed",),
        "completed": (),
        "busy": (),
        "no-answer": (),
        "failed": (),
        "canceled": (),
    }
    ends: ClassVar[Mapping[Fate, tuple[str, int | None]]] = {
        Fate.ACCEPTED: ("ringing", None),
        Fate.DELIVERED: ("completed", None),
        Fate.UNDELIVERED: ("no-answer", None),
    }

    def refused(self, form: Mapping[str, str]) -> tuple[int, int] | None:
        if not form.get("From"):
            return 400, 21603
        if not re.fullmatch(r"\+[1-9][0-9]{7,14}", form.get("To", "")):
            return 400, 21211
        if not form.get("Twiml"):
            return 400, 21205
        try:
            said = self.text(form)
        except ElementTree.ParseError:
            return 400, 12100
        return (400, 12100) if not said or len(form["Twiml"]) > 4000 else None

    def text(self, form: Mapping[str, str]) -> str:
        words = ElementTree.fromstring(form["Twiml"]).iter("Say")
        return "\n".join(each.text or "" for each in words for _ in range(int(each.get("loop", 1))))

    def shown(self, resource: Resource) -> dict[str, Any]:
        uri = f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{resource.sid}"
        sender = resource.form["From"]
        return {
            "account_sid": ACCOUNT, "answered_by": None, "api_version": "2010-04-01", "caller_name": None,
            "date_created": date(resource.created), "date_updated": date(resource.created), "direction": "outbound-api",
            "duration": None, "end_time": None, "forwarded_from": None, "from": sender, "from_formatted": sender,
            "group_sid": None, "parent_call_sid": None, "phone_number_sid": None, "price": None, "price_unit": "USD",
            "queue_time": "0", "sid": resource.sid, "start_time": date(resource.sent), "status": resource.status,
            "subresource_uris": {"events": f"{uri}/Events.json"}, "to": resource.to, "to_formatted": resource.to,
            "trunk_sid": None, "uri": f"{uri}.json",
        }  # fmt: skip

    def report(self, resource: Resource, status: str, error_code: int | None) -> dict[str, str]:
        """Return the form of a status call. `error_code`: the answer of the telephone network (SIP)."""
        code = {"SipResponseCode": str(error_code)} if error_code else {}
        return {
            "CallSid": resource.sid,
            "CallStatus": status,
            "Called": resource.to,
            "Caller": resource.form["From"],
            "CallDuration": "9" if status == "completed" else "0",
            "Direction": "outbound-api",
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
            "ToCountry": "GB",
            **code,
        }


if __name__ == "__main__":
    run(Double)
