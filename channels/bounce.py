"""Bounces of e-mails: enhanced status codes (RFC 3463) and delivery reports (RFC 3464).

Only the structured fields of a report are used, never its text for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.parser import BytesHeaderParser

from channels import Failure, NotGenuine

# Our e-mails are small, and we request only their headers back.
MAX_MAIL_BYTES = 256 * 1024
# Maximum number of boundaries. Deeply nested parts take long to parse.
DEEPEST = 20
STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
# Errors in the sender's address.
OURS_TO_MEND = ("5.1.7", "5.1.8")


@dataclass(frozen=True)
class Bounce:
    """A report of a final failure. `headers`: of the returned e-mail, names in lower case. `to`: recipient of the
    report. `envelope_id`: ENVID of the e-mail (RFC 3461)."""

    status: str
    headers: Mapping[str, str]
    to: str
    envelope_id: str


def convert_status(status: str) -> Failure:
    """Return the failure for an enhanced status code."""
    kind, subject, detail = status.split(".")
    if kind == "4" or (subject, detail) == ("2", "2"):
        return Failure.TRANSIENT
    if status in OURS_TO_MEND:
        return Failure.OTHER
    if (subject, detail) in (("2", "3"), ("3", "4")):  # too long for the mailbox, too big for the system
        return Failure.CONTENT
    if (subject, detail) == ("4", "4"):  # no such host
        return Failure.ADDRESS
    return {
        "1": Failure.ADDRESS,
        "2": Failure.ADDRESS,
        "6": Failure.CONTENT,
        "7": Failure.FILTERED,
    }.get(subject, Failure.OTHER)


def read_status(reply: str) -> str:
    """Return the enhanced status code at the beginning of an SMTP reply (RFC 2034), or an empty string."""
    found = STATUS.match(reply)
    return found[0] if found else ""


def read_bounce(raw: bytes) -> Bounce | None:
    """Return the report in an e-mail; None if the failure is not final (delayed, relayed).

    Raises NotGenuine if the e-mail is not a delivery report.
    """
    if len(raw) > MAX_MAIL_BYTES or raw.lower().count(b"boundary") > DEEPEST:
        raise NotGenuine("too long or too deep for a delivery report")
    try:
        return _bounce(message_from_bytes(raw))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:  # anybody can send one
        raise NotGenuine("an unreadable mail") from error


def _bounce(mail: Message) -> Bounce | None:
    kind = str(mail.get_param("report-type")).lower()
    if mail.get_content_type() != "multipart/report" or kind != "delivery-status":
        raise NotGenuine("not a delivery report")
    parts = _parts(mail)
    report = next((part for part in parts if part.get_content_type() == "message/delivery-status"), None)
    about_mail, *recipients = (_parts(report) if report else []) or [Message()]
    status = _failed(recipients)
    if status is None:
        return None
    headers = next(_returned(parts), {})
    return Bounce(status, headers, str(mail.get("To", "")), str(about_mail.get("Original-Envelope-Id", "")).strip())


def _failed(recipients: list[Message]) -> str | None:
    """Return the status of the failed recipient; None if the e-mail reached any recipient."""
    actions = [str(each.get("Action", "")).strip().lower() for each in recipients]
    if not any(actions):
        raise NotGenuine("a delivery report without recipients")
    if set(actions) - {"failed", ""}:
        return None
    statuses = (STATUS.match(str(each.get("Status", "")).strip()) for each in recipients)
    status = next((found[0] for found in statuses if found and found[1] != "2"), None)
    if status is None:
        raise NotGenuine("a failure without status")
    return status


def _returned(parts: list[Message]) -> Iterator[Mapping[str, str]]:
    """Yield the headers of the returned e-mail, which may be complete or headers only."""
    for part in parts:
        kind = part.get_content_type()
        if kind == "message/rfc822" and (mails := _parts(part)):
            yield _by_name(mails[0])
        elif kind == "text/rfc822-headers" and isinstance(text := part.get_payload(decode=True), bytes):
            yield _by_name(BytesHeaderParser().parsebytes(text))


def _parts(mail: Message) -> list[Message]:
    payload = mail.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _by_name(mail: Message) -> dict[str, str]:
    return {name.lower(): str(value).strip() for name, value in mail.items()}
