"""What holds for both providers that store the texts of the messages themselves, Aliyun and Tencent Cloud."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from channels import BadOptions, CallbackRequest, CannotAsk, Failure, Message, MessageRefused, NotGenuine, NotNow
from tests.channels.conformance import Setting, at_place, double_of
from tests.channels.doubles import sms_aliyun, sms_tencent

ALIYUN, TENCENT = "sms_aliyun", "sms_tencent"
BOTH = pytest.mark.parametrize("kind", [ALIYUN, TENCENT])
DOUBLES: dict[str, Any] = {ALIYUN: sms_aliyun, TENCENT: sms_tencent}
# An entry of a callback that reports an arrival.
REPORTS: dict[str, Mapping[str, Any]] = {
    ALIYUN: {"phone_number": "13800000101", "success": True, "err_code": "DELIVERED", "biz_id": "5000:1"},
    TENCENT: {"nationcode": "86", "mobile": "13800000101", "report_status": "SUCCESS", "errmsg": "", "sid": "5000:1"},
}


@pytest.fixture
async def provider(kind: str) -> AsyncIterator[Setting]:
    double = double_of(kind)
    async with double.serving(), at_place(kind, double) as setting:
        yield setting


def message(provider: Setting, **fields: Any) -> Message:
    variables = {"ticket": "7F3KQ0ZC8M2XA"}
    return provider.message(**{"to": "+8613800000101", "template": "invitation", "variables": variables, **fields})


def asked(provider: Setting) -> list[Any]:
    double: Any = provider.double
    found: list[Any] = double.asked
    return found


def single(template: str, *variables: str) -> dict[str, Any]:
    """Return options with one template only, which the provider knows by this number."""
    return {"templates": {"invitation.zh": {"id": template, **({"variables": list(variables)} if variables else {})}}}


@pytest.mark.parametrize(
    ("kind", "options", "fields", "reason"),
    [
        (ALIYUN, {}, {"template": "no-such"}, "no template no-such.zh"),
        (ALIYUN, single("SMS_1"), {"to": "+85251000101"}, "for numbers abroad"),
        (ALIYUN, {}, {"variables": {}}, "no value for ticket"),
        (ALIYUN, {}, {"variables": {"ticket": "x" * 36}}, "longer than 35"),
        (ALIYUN, {}, {"variables": {"ticket": "https://a.cn/s/1"}}, "contains a URL"),
        (TENCENT, {}, {"template": "no-such"}, "no template no-such.zh"),
        (TENCENT, single("1100"), {"to": "+85251000101"}, "for numbers abroad"),
        (TENCENT, {}, {"variables": {}}, "no value for ticket"),
        (TENCENT, {"variable_length": 6}, {}, "longer than 6"),
        (TENCENT, {"variable_length": 40}, {"variables": {"ticket": "https://a.cn/s/1"}}, "contains a URL"),
    ],
)
async def test_what_the_provider_would_refuse_is_not_sent(
    provider: Setting, options: Mapping[str, Any], fields: Mapping[str, Any], reason: str
) -> None:
    with pytest.raises(MessageRefused, match=reason) as refused:
        await provider.connect(**options).send(message(provider, **fields))
    assert refused.value.failure is Failure.CONTENT and not asked(provider)


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        (ALIYUN, single("SMS_1", "link"), "no URL in a variable"),
        (ALIYUN, {"templates": {"invitation": {"id": "SMS_1"}}}, "templates.invitation"),
        (ALIYUN, {"callback_secret": "short"}, "callback_secret"),
        (ALIYUN, {"endpoint": "dysmsapi.aliyuncs.com"}, "endpoint"),
        (ALIYUN, {"access_key_secret": ""}, "access_key_secret"),
        (ALIYUN, {"unknown": 1}, "unknown"),
        (TENCENT, single("1", "entry"), "no URL in a variable"),
        (TENCENT, {"app_id": "my app"}, "app_id"),
        (TENCENT, {"secret_key": ""}, "secret_key"),
        (TENCENT, {"variable_length": 0}, "variable_length"),
        (TENCENT, {"unknown": 1}, "unknown"),
    ],
)
async def test_wrong_options_are_named_without_their_values(
    provider: Setting, options: Mapping[str, Any], reason: str
) -> None:
    with pytest.raises(BadOptions, match=reason) as bad:
        provider.connect(**options)
    assert DOUBLES[provider.kind].SECRET not in str(bad.value)


@BOTH
async def test_nothing_has_left_when_nobody_listens(provider: Setting) -> None:
    channel = provider.connect(endpoint="http://127.0.0.1:9")
    with pytest.raises(NotNow, match="ClientConnectorError"):
        await channel.send(message(provider))
    with pytest.raises(CannotAsk):
        await channel.find(message(provider))


# ---- what comes to the secret address

ODD: list[tuple[str, Any]] = [
    (ALIYUN, 1),
    (ALIYUN, None),
    (ALIYUN, []),
    (ALIYUN, {"success": "true"}),
    (ALIYUN, {"biz_id": ""}),
    (ALIYUN, {"biz_id": "x" * 300}),
    (ALIYUN, {"phone_number": "13x"}),
    (ALIYUN, {"out_id": {"a": 1}}),
    (ALIYUN, {"content": "退订"}),
    (ALIYUN, {"content": "a\0", "sequence_id": 1}),
    (ALIYUN, {"content": "\ud800", "sequence_id": 1}),
    (TENCENT, 1),
    (TENCENT, {"report_status": "MAYBE"}),
    (TENCENT, {"sid": ""}),
    (TENCENT, {"mobile": "x"}),
    (TENCENT, {"nationcode": None}),
    (TENCENT, {"text": "退订"}),
    (TENCENT, {"text": "退订", "time": "soon"}),
    (TENCENT, {"text": "退订", "time": True}),
    (TENCENT, {"text": "\ud800", "time": 1}),
]


def called(provider: Setting, entries: Any) -> CallbackRequest:
    call: CallbackRequest = DOUBLES[provider.kind].called(provider.place, entries)
    return call


@pytest.mark.parametrize(("kind", "odd"), ODD)
async def test_an_odd_entry_costs_no_other_and_is_kept_as_it_came(provider: Setting, odd: Any) -> None:
    report = REPORTS[provider.kind]
    entry = {**report, **odd} if isinstance(odd, dict) else odd
    heard = provider.reporting.read(replace(called(provider, []), body=json.dumps([entry, report]).encode()))
    assert [each.receipt.reference for each in heard.reports] == ["5000:1"] and not heard.inbound
    (unread,) = heard.unread
    assert unread.reason and json.loads(unread.entry) == entry
    assert heard.answer.status == 200


@BOTH
@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"1", b"null", b"{}", b"[" * 100_000])
async def test_what_is_no_report_is_not_heard(provider: Setting, body: bytes) -> None:
    with pytest.raises(NotGenuine):
        provider.reporting.read(replace(called(provider, []), body=body))


@BOTH
async def test_only_the_secret_address_is_heard(provider: Setting) -> None:
    call = called(provider, [REPORTS[provider.kind]])
    assert provider.reporting.read(call).reports[0].receipt.reference == "5000:1"
    strangers = [
        provider.double.forged(call),
        replace(call, url=call.url + "x"),
        replace(call, url=call.url[:-1]),
        replace(call, url=provider.place.callbacks),
        replace(call, url=call.url + "\udcff"),
        replace(call, method="GET"),
    ]
    for stranger in strangers:
        with pytest.raises(NotGenuine):
            provider.reporting.read(stranger)
    channel: Any = provider.channel
    assert DOUBLES[provider.kind].CALLBACK_SECRET not in repr(channel._options)
