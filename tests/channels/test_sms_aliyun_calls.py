"""Aliyun's callbacks: receipts of both its sites, what people wrote, and malformed entries among them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from channels import ChannelContext, Failure, Fate, Receipt
from tests.channels.doubles.sms_aliyun import Double, called
from tests.channels.test_sms_aliyun import channel_at, message

CHANNEL = "sms_aliyun"


@pytest.mark.parametrize(("status", "fate"), [("1", Fate.DELIVERED), ("2", Fate.UNDELIVERED), ("6", Fate.UNDELIVERED)])
async def test_a_receipt_of_the_international_site_is_read(
    double: Double, place: ChannelContext, status: str, fate: Fate
) -> None:
    entry = {
        "To": "8521111000",
        "SendDate": "Thu, 25 Nov 2021 10:25:00 +0800",
        "Status": status,
        "TaskId": "67890",
        "ReceiveDate": "Thu, 25 Nov 2021 10:25:33 +0800",
        "ErrorCode": "PORT_NOT_REGISTERED",
        "SmsSize": "2",
        "ErrorDescription": "failed",
        "MessageId": "1234500001111",
    }
    (report,) = channel_at(double, place).read(called(place, [entry])).reports
    assert (report.receipt.fate, report.receipt.reference, report.key) == (fate, "1234500001111", "")
    assert report.to == "+8521111000"  # with its country code, whatever it looks like
    assert report.receipt.failure is (None if fate is Fate.DELIVERED else Failure.ACCOUNT)
    odd = [{**entry, "Status": "9"}, {**entry, "To": "x"}, {**entry, "MessageId": ""}]
    heard = channel_at(double, place).read(called(place, [*odd, entry]))
    assert (len(heard.unread), len(heard.reports)) == (3, 1)


async def test_what_the_international_site_sent_to_the_mainland_is_known_by_our_key(
    double: Double, place: ChannelContext
) -> None:
    entry = {"PhoneNumber": "13800000101", "SendStatus": "3", "BizId": "1^0", "ExternalId": "step-1", "ErrorCode": ""}
    (report,) = channel_at(double, place).read(called(place, [entry])).reports
    assert (report.receipt, report.key, report.to) == (Receipt(Fate.DELIVERED, "1^0"), "step-1", "+8613800000101")


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("MOBILE_NOT_ON_SERVICE", Failure.TRANSIENT),
        ("INVALID_NUMBER", Failure.ADDRESS),
        ("USER_REJECT", Failure.OPTED_OUT),
        ("CONTENT_KEYWORD", Failure.FILTERED),
        ("PORT_NOT_REGISTERED", Failure.ACCOUNT),
        ("SIGNATURE_BLACKLIST", Failure.ACCOUNT),
        ("isv.OUT_OF_SERVICE", Failure.ACCOUNT),
        ("SOMETHING_NEW", Failure.OTHER),
    ],
)
async def test_a_receipt_says_what_the_list_says(
    double: Double, place: ChannelContext, code: str, failure: Failure
) -> None:
    channel = channel_at(double, place)
    reference = (await channel.send(message())).reference
    entry = double.report(reference, Fate.UNDELIVERED, code)
    heard = channel.read(called(place, [entry, entry]))
    expected = Receipt(Fate.UNDELIVERED, reference, failure, code)
    assert [report.receipt for report in heard.reports] == [expected, expected]
    assert {(report.key, report.to) for report in heard.reports} == {("step-1", "+8613800000101")}
    assert await channel.find(message(), reference) == expected
    assert heard.answer.status == 200 and json.loads(heard.answer.body)["code"] == 0


async def test_what_a_person_wrote_is_heard(double: Double, place: ChannelContext) -> None:
    call = double.written("+8613800000101", "退订", place)
    assert call
    heard = channel_at(double, place).read(call)
    (inbound,) = heard.inbound
    assert (inbound.sender, inbound.text, bool(inbound.reference)) == ("+8613800000101", "退订", True)
    assert inbound.at and abs(datetime.now(UTC) - inbound.at) < timedelta(minutes=1)
    assert not heard.reports
