"""What mail servers say of a mail that they cannot deliver: status codes (RFC 3463) and reports of them (RFC 3464).

Only what a report states in fields is believed, never its text for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from email.parser import BytesHeaderParser

from channels import Failure, NotGenuine

# Bytes. Our mails are small, and we ask for their headers only.
MAX_MAIL_BYTES = 256 * 1024
# Boundaries that a mail may name: parts within parts without end take long to read.
DEEPEST = 20
STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})")
# The sender's address is wrong.
OURS_TO_MEND = ("5.1.7", "5.1.8")


@dataclass(frozen=True)
class Bounce:
    """`headers` are those of the returned mail, with names in lower case; `to` is where the report was sent;
    `envelope_id` the ENVID of the mail (RFC 3461)."""

    status: str
    headers: Mapping[str, str]
    to: str
    envelope_id: str


def failure_of(status: str) -> Failure:
    """What an enhanced status code means for whoever has to reach a person."""
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


def status_in(reply: str) -> str:
    """The enhanced status code at the beginning of an SMTP reply (RFC 2034); nothing if it has none."""
    found = STATUS.match(reply)
    return found[0] if found else ""


def read_bounce(raw: bytes) -> Bounce | None:
    """The report in a mail; None if it is none of a final failure (delayed, relayed). Raises NotGenuine for any other
    mail."""
    if len(raw) > MAX_MAIL_BYTES or raw.lower().count(b"boundary") > DEEPEST:
        raise NotGenuine("too long or too deep for a delivery report")
    try:
        return _bounce(message_from_bytes(raw))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:  # mail is made by anybody
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
    """The status of the recipient to whom it failed. A list of which one member got it is no failure."""
    actions = [str(each.get("Action", "")).strip().lower() for each in recipients]
    if not any(actions):
        raise NotGenuine("a delivery report about nobody")
    if set(actions) - {"failed", ""}:
        return None
    statuses = (STATUS.match(str(each.get("Status", "")).strip()) for each in recipients)
    status = next((found[0] for found in statuses if found and found[1] != "2"), None)
    if status is None:
        raise NotGenuine("a failure without status")
    return status


def _returned(parts: list[Message]) -> Iterator[Mapping[str, str]]:
    """The headers of the mail that came back, whole or as headers only."""
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
