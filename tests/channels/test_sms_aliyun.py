"""SMS through Aliyun, against a double whose check of the signature is confirmed by the official SDK."""

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
from channels.json_post import ProviderAnswer
from channels.sms_aliyun import (
    HASHED,
    OUT_ID_LENGTH,
    Aliyun,
    SignedQuery,
    _failed,
    canonical_query,
    connect,
    out_id,
    signed,
)
from tests.channels.doubles import Trouble
from tests.channels.doubles.sms_aliyun import KEY, SECRET, Double, called

CHANNEL = "sms_aliyun"
TICKET = "7F3KQ0ZC8M2XA"


def channel_at(double: Double, place: ChannelContext, **options: Any) -> Aliyun:
    channel = connect({**double.options(), **options}, place)
    assert isinstance(channel, Aliyun)
    return channel


def message(key: str = "step-1", to: str = "+8613800000101", **fields: Any) -> Message:
    given: dict[str, Any] = {"variables": {"ticket": TICKET, "code": "204816"}, "at": datetime.now(UTC), **fields}
    return Message(key, to, "invitation", "zh", "text", given.pop("template", "invitation"), **given)


# ---- the signature, both ways


async def test_the_official_sdk_is_accepted_by_the_double(double: Double) -> None:
    from alibabacloud_dysmsapi20170525.client import Client
    from alibabacloud_dysmsapi20170525.models import SendSmsRequest
    from alibabacloud_tea_openapi.utils_models import Config

    def send(secret: str) -> Any:
        host = double.endpoint.removeprefix("http://")
        client = Client(Config(access_key_id=KEY, access_key_secret=secret, endpoint=host, protocol="http"))
        return client.send_sms(
            SendSmsRequest(
                phone_numbers="13800000101",
                sign_name="签达学校",
                template_code="SMS_1",
                out_id="from the SDK & +~*",
                template_param=json.dumps({"ticket": TICKET}),
            )
        )

    answer = await asyncio.to_thread(send, SECRET)
    assert answer.body.code == "OK"
    assert [(each.reference, each.key) for each in double.accepted] == [(answer.body.biz_id, "from the SDK & +~*")]
    with pytest.raises(Exception, match="SignatureDoesNotMatch"):
        await asyncio.to_thread(send, SECRET + "x")
    assert len(double.accepted) == 1


def test_our_signature_is_what_the_official_sdk_computes() -> None:
    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.request import DaraRequest

    query = {"PhoneNumbers": "13800000101", "SignName": "签达", "TemplateParam": '{"code": "1 +*~/"}', "OutId": "a:b+c"}
    headers = signed(
        KEY, SECRET, SignedQuery("dysmsapi.aliyuncs.com", "SendSms", query), datetime.now(UTC), "d41d8cd98f00b204"
    )
    request = DaraRequest()
    request.method, request.pathname, request.query = "POST", "/", query
    request.headers = {name: value for name, value in headers.items() if name != "authorization"}
    expected = Utils.get_authorization(request, "ACS3-HMAC-SHA256", headers["x-acs-content-sha256"], KEY, SECRET)
    assert headers["authorization"] == expected


async def test_the_double_takes_no_request_that_was_changed_or_repeated(double: Double, place: ChannelContext) -> None:
    query = {"PhoneNumber": "13800000101", "SendDate": "20261124", "PageSize": "50", "CurrentPage": "1"}
    host = double.endpoint.removeprefix("http://")
    headers = signed(KEY, SECRET, SignedQuery(host, "QuerySendDetails", query), datetime.now(UTC), "d41d8cd98f00b204")

    async def code(**changed: str) -> str:
        url = f"{double.endpoint}/?{canonical_query({**query, **changed})}"
        async with place.http.post(url, headers=headers) as response:
            return str((await response.json())["Code"])

    assert await code(PhoneNumber="13800000102") == "SignatureDoesNotMatch"
    assert await code() == "OK"
    assert await code() == "SignatureNonceUsed"


# ---- sending


@pytest.mark.parametrize(("to", "asked"), [("+8613800000101", "13800000101"), ("+85251000101", "85251000101")])
async def test_a_message_goes_out_with_the_providers_template_and_our_key(
    double: Double, place: ChannelContext, to: str, asked: str
) -> None:
    channel = channel_at(double, place)
    receipt = await channel.send(message(to=to))
    (accepted,) = double.accepted
    assert receipt == Receipt(Fate.ACCEPTED, accepted.reference)
    assert (accepted.to, accepted.key) == (to, "step-1") and TICKET in accepted.text
    assert double.asked[-1]["PhoneNumbers"] == asked
    assert double.asked[-1]["TemplateCode"] == ("SMS_1" if to.startswith("+86") else "SMS_10")


@pytest.mark.parametrize(
    ("status", "code", "kind", "failure"),
    [
        (200, "isv.MOBILE_NUMBER_ILLEGAL", MessageRefused, Failure.ADDRESS),
        (200, "isv.CUSTOMER_REFUSED", MessageRefused, Failure.OPTED_OUT),
        (200, "isv.SMS_TEMPLATE_ILLEGAL", MessageRefused, Failure.CONTENT),
        (200, "isv.SOMETHING_NEW", MessageRefused, Failure.OTHER),
        (200, "isv.BUSINESS_LIMIT_CONTROL", NotNow, None),
        (400, "Throttling.User", NotNow, None),
        (503, "Throttling", NotNow, None),
        (400, "MissingSomething", NotNow, None),
        (200, "isv.OUT_OF_SERVICE", AccountTrouble, None),
        (200, "isv.AMOUNT_NOT_ENOUGH", AccountTrouble, None),
        (404, "InvalidAccessKeyId.NotFound", AccountTrouble, None),
        (400, "InvalidTimeStamp.Expired", AccountTrouble, None),
        (403, "Forbidden.RAM", AccountTrouble, None),
        (200, "isp.SYSTEM_ERROR", ReplyLost, None),
        (400, "SignatureNonceUsed", ReplyLost, None),
        (500, "InternalError", ReplyLost, None),
        (200, "错误 13800000101", ReplyLost, None),
        (200, "13800000101", ReplyLost, None),
        (200, None, ReplyLost, None),
    ],
)
def test_every_code_has_its_meaning(
    status: int, code: str | None, kind: type[ChannelError], failure: Failure | None
) -> None:
    error = _failed(ProviderAnswer(status, {"Code": code, "Message": "13800000101"}, None))
    assert type(error) is kind and getattr(error, "failure", None) is failure
    assert "138" not in str(error)


async def test_a_wrong_key_is_trouble_with_the_account(double: Double, place: ChannelContext) -> None:
    with pytest.raises(AccountTrouble, match="SignatureDoesNotMatch"):
        await channel_at(double, place, access_key_secret="another").send(message())
    with pytest.raises(AccountTrouble, match="InvalidAccessKeyId"):
        await channel_at(double, place, access_key_id="another").send(message())
    with pytest.raises(AccountTrouble, match="InvalidTimeStamp"):
        await channel_at(double, replace(place, clock=lambda: datetime(2025, 1, 1, tzinfo=UTC))).send(message())
    assert not double.accepted


@pytest.mark.parametrize("trouble", [Trouble.LOSE_REPLY, Trouble.GATEWAY_ERROR])
async def test_a_lost_reply_is_found_by_our_key(double: Double, place: ChannelContext, trouble: Trouble) -> None:
    channel = channel_at(double, place)
    double.trouble.append(trouble)
    with pytest.raises(ReplyLost):
        await channel.send(message("step-lost"))
    assert await channel.find(message("step-lost")) == Receipt(Fate.ACCEPTED)
    assert await channel.find(message("step-other")) is None


# ---- asking about a message


async def test_every_page_of_the_day_is_read(double: Double, place: ChannelContext) -> None:
    noon = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)  # at midnight in China, two days would be asked for
    double.clock = lambda: noon
    channel = channel_at(double, replace(place, clock=double.clock))
    for number in range(52):
        await channel.send(message(f"step-{number}", at=noon))
    assert await channel.find(message("step-0", at=noon)) == Receipt(Fate.ACCEPTED)
    assert await channel.find(message("step-99", at=noon)) is None
    assert double.asked[-1]["CurrentPage"] == "2"


async def test_every_day_since_the_attempt_is_asked_for_in_chinas_time(double: Double, place: ChannelContext) -> None:
    evening = datetime(2026, 11, 24, 15, 50, tzinfo=UTC)  # 23:50 in China, and the call came after midnight
    double.clock = lambda: evening + timedelta(minutes=20)
    channel = channel_at(double, replace(place, clock=double.clock))
    await channel.send(message(at=evening))
    assert await channel.find(message(at=evening)) == Receipt(Fate.ACCEPTED)
    assert [asked["SendDate"] for asked in double.asked[1:]] == ["20261124", "20261125"]


async def test_absence_is_claimed_only_where_it_is_proved(double: Double, place: ChannelContext) -> None:
    channel = channel_at(double, place, listed_after=30)
    with pytest.raises(CannotAsk, match="not list it yet"):
        await channel.find(message())
    assert await channel.find(message(at=datetime.now(UTC) - timedelta(minutes=1))) is None
    long_ago, just_now = (datetime.now(UTC) - timedelta(seconds=seconds) for seconds in (300, 35))
    with pytest.raises(CannotAsk, match="not list it yet"):  # the provider may have accepted it ten seconds later
        await channel.find(message(at=long_ago, called_at=just_now))
    assert await channel.find(message(at=long_ago, called_at=just_now - timedelta(seconds=10))) is None
    with pytest.raises(CannotAsk, match="older"):
        await channel.find(message(at=datetime.now(UTC) - timedelta(days=31)))
    with pytest.raises(CannotAsk, match="SignatureDoesNotMatch"):
        await channel_at(double, place, access_key_secret="another").find(message())


async def test_of_two_with_one_key_the_better_fate_counts(double: Double, place: ChannelContext) -> None:
    channel = channel_at(double, place)
    for _ in range(2):
        await channel.send(message())
    double.report(double.accepted[0].reference, Fate.UNDELIVERED)
    assert await channel.find(message()) == Receipt(Fate.ACCEPTED)
    double.report(double.accepted[1].reference, Fate.DELIVERED)
    assert await channel.find(message(), "known") == Receipt(Fate.DELIVERED, "known")


async def test_a_long_key_goes_as_its_hash_and_is_found_again(double: Double, place: ChannelContext) -> None:
    channel = channel_at(double, place)
    key = "k" * (OUT_ID_LENGTH + 1)
    await channel.send(message(key))
    assert double.accepted[0].key == out_id(key) and out_id(key).startswith(HASHED)
    assert await channel.find(message(key)) == Receipt(Fate.ACCEPTED)
    heard = channel.read(called(place, [double.report(double.accepted[0].reference, Fate.DELIVERED)]))
    assert heard.reports[0].key == "" and heard.reports[0].receipt.reference == double.accepted[0].reference


async def test_its_rules(double: Double, place: ChannelContext) -> None:
    channel = connect(double.options(), place)
    rules = channel.rules
    assert isinstance(channel, FixedTexts) and channel.templates["code.zh"].variables == ("code",)
    assert rules.fixed_texts and rules.queryable and rules.receipts and not rules.signed
    assert (rules.variable_length, rules.prefix) == (35, "【签达学校】")


@pytest.mark.parametrize(
    ("taken", "shapes"),
    [
        (["ticket"], (Shape.PATH,)),
        (["pickup"], (Shape.CODE,)),
        (["pickup", "ticket"], (Shape.PATH, Shape.CODE)),
        (["code"], (Shape.PATH, Shape.CODE)),
    ],
)
async def test_its_texts_decide_the_shape(
    double: Double, place: ChannelContext, taken: list[str], shapes: tuple[Shape, ...]
) -> None:
    templates = {
        f"{purpose}.zh": {"id": "SMS_1", "variables": [name]}
        for purpose, name in zip(("invitation", "reminder"), taken, strict=False)
    }
    assert channel_at(double, place, templates=templates).rules.shapes == shapes
