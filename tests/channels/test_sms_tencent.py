"""SMS through Tencent Cloud, against a double whose check of the signature is confirmed by the official SDK."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels import (
    AccountTrouble,
    CannotAsk,
    ChannelContext,
    ChannelError,
    Failure,
    Fate,
    FixedTexts,
    Message,
    MessageRefused,
    NotNow,
    Receipt,
    ReplyLost,
    Shape,
)
from channels.sms_tencent import CONTENT_TYPE, Tencent, _failed, authorization, connect, session_context
from tests.channels.doubles import Trouble
from tests.channels.doubles.sms_tencent import APP_ID, KEY, SECRET, SIGN_NAME, Double, called

CHANNEL = "sms_tencent"
TICKET = "7F3KQ0ZC8M2XA"


def channel_at(double: Double, place: ChannelContext, **options: Any) -> Tencent:
    channel = connect({**double.options(), **options}, place)
    assert isinstance(channel, Tencent)
    return channel


def message(key: str = "step-1", to: str = "+8613800000101", **fields: Any) -> Message:
    given: dict[str, Any] = {"variables": {"ticket": TICKET, "code": "204816"}, "at": datetime.now(UTC), **fields}
    return Message(key, to, "invitation", "zh", "text", given.pop("template", "invitation"), **given)


def sdk(host: str, secret: str = SECRET) -> Any:
    from tencentcloud.common.credential import Credential
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile
    from tencentcloud.sms.v20210111.sms_client import SmsClient

    http = HttpProfile(protocol="http", endpoint=host)
    return SmsClient(Credential(KEY, secret), "ap-guangzhou", ClientProfile(httpProfile=http))


# ---- the signature, both ways


async def test_the_official_sdk_is_accepted_by_the_double(double: Double) -> None:
    from tencentcloud.sms.v20210111.models import SendSmsRequest

    def send(secret: str) -> Any:
        request = SendSmsRequest()
        request.from_json_string(
            json.dumps(
                {
                    "PhoneNumberSet": ["+8613800000101"],
                    "SmsSdkAppId": APP_ID,
                    "TemplateId": "1100",
                    "SignName": SIGN_NAME,
                    "TemplateParamSet": [TICKET],
                    "SessionContext": "from the SDK",
                }
            )
        )
        return sdk(double.endpoint.removeprefix("http://"), secret).SendSms(request)

    status = (await asyncio.to_thread(send, SECRET)).SendStatusSet[0]
    assert status.Code == "Ok"
    assert [(each.reference, each.key) for each in double.accepted] == [(status.SerialNo, "from the SDK")]
    with pytest.raises(Exception, match="SignatureFailure"):
        await asyncio.to_thread(send, SECRET + "x")
    assert len(double.accepted) == 1


def test_our_signature_is_what_the_official_sdk_computes() -> None:
    from tencentcloud.common.http.request import RequestInternal

    host, timestamp = "sms.tencentcloudapi.com", 1_795_000_000
    body = json.dumps({"SignName": SIGN_NAME}, ensure_ascii=False)
    headers = {"Content-Type": CONTENT_TYPE, "Host": host, "X-TC-Timestamp": str(timestamp)}
    request = RequestInternal(host, "POST", "/", headers, body)
    day = f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}"
    expected = sdk(host)._get_tc3_signature({}, request, day, "sms", SECRET)
    ours = authorization(KEY, SECRET, host, timestamp, body.encode())
    assert ours == (
        f"TC3-HMAC-SHA256 Credential={KEY}/{day}/sms/tc3_request, SignedHeaders=content-type;host, Signature={expected}"
    )


# ---- sending


@pytest.mark.parametrize(
    ("to", "template", "signed"), [("+8613800000101", "1100", SIGN_NAME), ("+85251000101", "2100", None)]
)
async def test_a_message_goes_out_with_the_providers_template_and_our_key(
    double: Double, place: ChannelContext, to: str, template: str, signed: str | None
) -> None:
    receipt = await channel_at(double, place, sender_id="Qianda").send(message(to=to))
    (accepted,) = double.accepted
    assert receipt == Receipt(Fate.ACCEPTED, accepted.reference)
    assert (accepted.to, accepted.key) == (to, "step-1") and TICKET in accepted.text
    asked = double.asked[-1]
    assert (asked["TemplateId"], asked.get("SignName"), "SenderId" in asked) == (template, signed, signed is None)


async def test_variables_go_by_their_places(double: Double, place: ChannelContext) -> None:
    templates = {"invitation.zh": {"id": "1100", "variables": ["code", "ticket", "code"]}}
    with pytest.raises(
        MessageRefused, match="TemplateParamSetNotMatchApprovedTemplate"
    ):  # the double's text has one variable
        await channel_at(double, place, templates=templates).send(message())
    assert double.asked[-1]["TemplateParamSet"] == ["204816", TICKET, "204816"]


@pytest.mark.parametrize(
    ("code", "kind", "failure"),
    [
        ("InvalidParameterValue.IncorrectPhoneNumber", MessageRefused, Failure.ADDRESS),
        ("FailedOperation.PhoneNumberInBlacklist", MessageRefused, Failure.OPTED_OUT),
        ("FailedOperation.TemplateUnapprovedOrNotExist", MessageRefused, Failure.CONTENT),
        ("LimitExceeded.AppCountryOrRegionInBlacklist", MessageRefused, Failure.OTHER),
        ("UnsupportedOperation.UnsupportedRegion", MessageRefused, Failure.OTHER),
        ("LimitExceeded.PhoneNumberThirtySecondLimit", NotNow, None),
        ("RequestLimitExceeded.UinLimitExceeded", NotNow, None),
        ("FailedOperation.InsufficientBalanceInSmsPackage", AccountTrouble, None),
        ("UnauthorizedOperation.ServiceSuspendDueToArrears", AccountTrouble, None),
        ("AuthFailure.SignatureExpire", AccountTrouble, None),
        ("LimitExceeded.AppDailyLimit", AccountTrouble, None),
        ("InternalError.Timeout", ReplyLost, None),
        ("错误 13800000101", ReplyLost, None),
        (None, ReplyLost, None),
    ],
)
def test_every_code_has_its_meaning(code: str | None, kind: type[ChannelError], failure: Failure | None) -> None:
    error = _failed(code)
    assert type(error) is kind and getattr(error, "failure", None) is failure
    assert "138" not in str(error)


async def test_a_wrong_key_is_trouble_with_the_account(double: Double, place: ChannelContext) -> None:
    with pytest.raises(AccountTrouble, match="SignatureFailure"):
        await channel_at(double, place, secret_key="another").send(message())
    with pytest.raises(AccountTrouble, match="SecretIdNotFound"):
        await channel_at(double, place, secret_id="another").send(message())
    with pytest.raises(AccountTrouble, match="SignatureExpire"):
        await channel_at(double, replace(place, clock=lambda: datetime(2025, 1, 1, tzinfo=UTC))).send(message())
    with pytest.raises(AccountTrouble, match="SmsSdkAppIdVerifyFail"):
        await channel_at(double, place, app_id="1400000000").send(message())
    assert not double.accepted


# ---- asking about a message


@pytest.mark.parametrize("trouble", [Trouble.LOSE_REPLY, Trouble.GATEWAY_ERROR])
async def test_absence_is_never_claimed(double: Double, place: ChannelContext, trouble: Trouble) -> None:
    channel = channel_at(double, place)
    assert not channel.rules.queryable
    with pytest.raises(CannotAsk):
        await channel.find(message())
    double.trouble.append(trouble)
    with pytest.raises(ReplyLost):
        await channel.send(message())
    with pytest.raises(CannotAsk):
        await channel.find(message())


async def test_a_carriers_report_is_found_by_tencents_own_id(double: Double, place: ChannelContext) -> None:
    channel = channel_at(double, place)
    first, second = [(await channel.send(message(f"step-{number}"))).reference for number in (1, 2)]
    with pytest.raises(CannotAsk):
        await channel.find(message("step-1"), first)
    double.report(second, Fate.DELIVERED)
    with pytest.raises(CannotAsk):  # a report of the same number and minute, but about another message
        await channel.find(message("step-1"), first)
    double.report(first, Fate.UNDELIVERED)
    expected = Receipt(Fate.UNDELIVERED, first, Failure.TRANSIENT, "UNDELIV")
    assert await channel.find(message("step-1"), first) == expected
    assert await channel.find(message("step-2"), second) == Receipt(Fate.DELIVERED, second)
    with pytest.raises(CannotAsk):
        await channel.find(message("step-1"))


async def test_a_lost_reply_is_found_by_our_key_where_tencent_hands_it_back(
    double: Double, place: ChannelContext
) -> None:
    double.hands_back_context = True
    channel = channel_at(double, place)
    double.trouble.append(Trouble.LOSE_REPLY)
    with pytest.raises(ReplyLost):
        await channel.send(message())
    double.report(double.accepted[0].reference, Fate.DELIVERED)
    assert await channel.find(message()) == Receipt(Fate.DELIVERED, double.accepted[0].reference)


async def test_it_asks_about_the_last_week_at_most(double: Double, place: ChannelContext) -> None:
    with pytest.raises(CannotAsk):
        await channel_at(double, place).find(message(at=datetime.now(UTC) - timedelta(days=30)))
    assert abs(double.asked[-1]["BeginTime"] - (datetime.now(UTC) - timedelta(days=7)).timestamp()) < 60


def test_the_session_context_fits() -> None:
    assert session_context("step-1") == "step-1"
    assert len(session_context("字" * 200).encode()) < 512


# ---- its callbacks


@pytest.mark.parametrize(
    ("code", "failure"), [("UNDELIV", Failure.TRANSIENT), ("-106", Failure.FILTERED), ("MK:0001", Failure.OTHER)]
)
async def test_a_receipt_says_what_became_of_it(
    double: Double, place: ChannelContext, code: str, failure: Failure
) -> None:
    channel = channel_at(double, place)
    reference = (await channel.send(message())).reference
    entry = double.report(reference, Fate.UNDELIVERED, code)
    heard = channel.read(called(place, [entry, entry]))
    expected = Receipt(Fate.UNDELIVERED, reference, failure, code)
    assert [report.receipt for report in heard.reports] == [expected, expected]
    assert {(report.key, report.to) for report in heard.reports} == {("", "+8613800000101")}
    assert await channel.find(message(), reference) == expected
    assert heard.answer.status == 200 and json.loads(heard.answer.body) == {"result": 0, "errmsg": "OK"}


@pytest.mark.parametrize("sender", ["+8613800000101", "+13105550101"])
async def test_what_a_person_wrote_is_heard_and_has_one_name(
    double: Double, place: ChannelContext, sender: str
) -> None:
    channel = channel_at(double, place)
    call, other = double.written(sender, "退订", place), double.written(sender, "进度", place)
    assert call and other
    (inbound,), (again,) = channel.read(call).inbound, channel.read(call).inbound
    assert (inbound.sender, inbound.text) == (sender, "退订") and inbound == again
    assert inbound.at and abs(datetime.now(UTC) - inbound.at) < timedelta(minutes=1)
    assert channel.read(other).inbound[0].reference != inbound.reference


async def test_its_rules_follow_what_the_account_may(double: Double, place: ChannelContext) -> None:
    channel = connect(double.options(), place)
    rules = channel.rules
    assert isinstance(channel, FixedTexts) and channel.templates["code.zh"].variables == ("code",)
    assert rules.fixed_texts and rules.receipts and not rules.signed
    assert (rules.variable_length, rules.shapes, rules.prefix) == (20, (Shape.PATH,), "【签达学校】")
    assert channel_at(double, place, variable_length=6).rules.variable_length == 6
