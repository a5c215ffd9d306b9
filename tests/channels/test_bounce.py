"""Delivery reports: which ones are believed, and which are not."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from channels import CallbackContent, CallbackRequest, ChannelContext, Failure, Fate, NotGenuine
from channels.bounce import convert_status
from channels.email import Email
from tests.channels.doubles.email import Double
from tests.channels.test_email import (
    KEY,
    MESSAGE,
    connected,
    place as place,  # noqa: PLC0414 (a fixture, for the tests here too)
)

REPORT = b"Content-Type: multipart/report; report-type=%s; boundary=x\n\n--x\n"
DELIVERED = b"\nFinal-Recipient: rfc822; other@example.org\nAction: delivered\nStatus: 2.0.0\n"


@dataclass
class Sent:
    double: Double
    place: ChannelContext
    channel: Email
    reference: str

    def report(
        self, action: str = "failed", status: str = "5.1.1", to: str = "bounces@school.example"
    ) -> CallbackRequest:
        return self.double.returned(self.double.accepted[0], self.place, action, status, to)

    def hear(self, body: bytes) -> CallbackContent:
        return self.channel.read(self.double.call(body, self.place))


@pytest.fixture
async def sent(place: ChannelContext) -> AsyncIterator[Sent]:
    double = Double()
    async with double.serving():
        channel = connected(double.options(), place)
        receipt = await channel.send(MESSAGE)
        yield Sent(double, place, channel, receipt.reference)


async def test_a_report_names_the_mail_by_its_headers(sent: Sent) -> None:
    (report,) = sent.channel.read(sent.report()).reports
    assert (report.key, report.receipt.reference) == (KEY, sent.reference)
    assert (report.receipt.fate, report.receipt.failure) == (Fate.UNDELIVERED, Failure.ADDRESS)
    assert report.receipt.detail == "5.1.1"


async def test_a_mail_may_come_back_whole(sent: Sent) -> None:
    body = sent.report().body.replace(b"text/rfc822-headers", b"message/rfc822")
    (report,) = sent.hear(body).reports
    assert (report.key, report.receipt.reference) == (KEY, sent.reference)


@pytest.mark.parametrize("action", ["delayed", "delivered", "relayed", "expanded"])
async def test_only_a_failure_is_a_report(sent: Sent, action: str) -> None:
    assert sent.channel.read(sent.report(action, "4.4.1")) == CallbackContent()


async def test_a_list_of_which_somebody_got_it_has_not_failed(sent: Sent) -> None:
    body = sent.report().body
    end = body.index(b"\n--=_edge\nContent-Description: Undelivered")
    assert sent.hear(body[:end] + DELIVERED + body[end:]) == CallbackContent()


async def test_without_headers_the_envelope_names_it(sent: Sent) -> None:
    mark = sent.reference[1:].partition("@")[0].encode()
    stripped = sent.report().body.replace(b"Message-ID: <" + mark, b"X-Was: <" + mark)
    with pytest.raises(NotGenuine):
        sent.hear(stripped)
    by_id = stripped.replace(b"X-Queue-ID: 4TzqX", b"Original-Envelope-Id: " + mark)
    by_address = stripped.replace(b"To: bounces@", b"To: bounces+" + mark + b"@", 1)
    for body in (by_id, by_address):
        (report,) = sent.hear(body).reports
        assert report.receipt.reference == sent.reference


async def test_a_key_that_does_not_fit_its_mail_is_not_believed(sent: Sent) -> None:
    other = await sent.channel.send(MESSAGE.__class__(**{**vars(MESSAGE), "key": "another"}))
    body = sent.report().body.replace(sent.reference.encode(), other.reference.encode())
    (report,) = sent.hear(body).reports
    assert (report.key, report.receipt.reference) == ("", other.reference)


async def test_what_people_read_counts_for_nothing(sent: Sent) -> None:
    body = sent.report().body.replace(b"0" * 32 + b"@school.example", sent.reference[1:-1].encode(), 1)
    foreign = body.replace(b"\nMessage-ID: " + sent.reference.encode(), b"\nMessage-ID: <1@elsewhere.example>")
    with pytest.raises(NotGenuine):
        sent.hear(foreign)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"Subject: out of office\n\nI am away.",
        REPORT % b"disposition-notification" + b"\n--x--\n",
        REPORT % b"delivery-status" + b"\ntext\n--x--\n",
        REPORT % b"delivery-status" + b"Content-Type: message/delivery-status\n\nAction: failed\n\n--x--\n",
        b"a" * 300_000,
    ],
)
async def test_other_mails_are_not_genuine(sent: Sent, body: bytes) -> None:
    with pytest.raises(NotGenuine):
        sent.hear(body)


async def test_nobody_is_heard_without_the_secret(sent: Sent) -> None:
    call = sent.report()
    with pytest.raises(NotGenuine):
        sent.channel.read(sent.double.forged(call))
    with pytest.raises(NotGenuine):
        sent.channel.read(CallbackRequest("GET", call.url, call.path, {}, call.body))
    deaf = connected({**sent.double.options(), "callback_secret": None}, sent.place)
    with pytest.raises(NotGenuine):
        deaf.read(call)


async def test_a_mail_in_pieces_is_heard_or_refused(sent: Sent) -> None:
    """Whatever a mail looks like, it is read as a report, as no report, or as not genuine."""
    chance, whole = random.Random(3464), sent.report().body
    for _ in range(400):
        body = bytearray(whole)
        for _ in range(chance.randrange(1, 6)):
            start = chance.randrange(len(body))
            body[start : start + chance.randrange(40)] = chance.randbytes(chance.randrange(8))
        try:
            heard = sent.hear(bytes(body))
        except NotGenuine:
            continue
        assert all(each.receipt.fate is Fate.UNDELIVERED for each in heard.reports)


async def test_parts_within_parts_are_refused(sent: Sent) -> None:
    head = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
    with pytest.raises(NotGenuine):
        sent.hear(head)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        ("5.1.1", Failure.ADDRESS),
        ("5.1.2", Failure.ADDRESS),
        ("5.1.10", Failure.ADDRESS),
        ("5.1.8", Failure.OTHER),
        ("5.2.1", Failure.ADDRESS),
        ("5.2.2", Failure.TRANSIENT),
        ("5.2.3", Failure.CONTENT),
        ("5.3.4", Failure.CONTENT),
        ("5.4.4", Failure.ADDRESS),
        ("5.4.6", Failure.OTHER),
        ("5.6.0", Failure.CONTENT),
        ("5.7.1", Failure.FILTERED),
        ("5.0.0", Failure.OTHER),
        ("4.4.1", Failure.TRANSIENT),
        ("4.2.2", Failure.TRANSIENT),
    ],
)
def test_a_status_says_what_to_do(status: str, failure: Failure) -> None:
    assert convert_status(status) is failure
