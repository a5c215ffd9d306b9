"""Rules for every channel, whoever its provider is. A new file in `channels/` is included automatically."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from pydantic import SecretStr

import channels
from channels import (
    AccountTrouble,
    BadOptions,
    CallbackRequest,
    CannotAsk,
    ChannelError,
    ChannelOptions,
    Failure,
    Fate,
    MessageRefused,
    NotGenuine,
    NotNow,
    Receipt,
    ReplyLost,
    Reporting,
)
from tests.channels.conformance import (
    KINDS,
    SHORT_DEADLINE,
    Setting,
    able,
    at_place,
    double_of,
    doubled,
    is_form,
    keeps_secrets,
    merged,
    tampered,
)
from tests.channels.doubles import Trouble

OUTCOMES: dict[Trouble, tuple[type[ChannelError], Failure | None]] = {
    Trouble.BAD_NUMBER: (MessageRefused, Failure.ADDRESS),
    Trouble.OPTED_OUT: (MessageRefused, Failure.OPTED_OUT),
    Trouble.BUSY: (NotNow, None),
    Trouble.ACCOUNT: (AccountTrouble, None),
    Trouble.LOSE_REPLY: (ReplyLost, None),
    Trouble.LATE_REPLY: (ReplyLost, None),
    Trouble.GATEWAY_ERROR: (ReplyLost, None),
}
TAKEN = {Trouble.LOSE_REPLY, Trouble.LATE_REPLY, Trouble.GATEWAY_ERROR}
EACH = [(kind, trouble) for kind in KINDS for trouble in sorted(able(kind))]
UNANSWERED = [(kind, trouble) for kind, trouble in EACH if trouble in TAKEN]
LEAK = "do-not-show-this"


@pytest.fixture
async def setting(request: pytest.FixtureRequest) -> AsyncIterator[Setting]:
    kind = request.param
    double = double_of(kind)
    async with double.serving(), at_place(kind, double) as setting:
        yield setting


every_channel = pytest.mark.parametrize("setting", KINDS, indirect=True)


# ---- sending


@every_channel
async def test_it_hands_a_message_over_once(setting: Setting) -> None:
    message = setting.message()
    receipt = await setting.channel.send(message)
    assert receipt.fate in (Fate.ACCEPTED, Fate.DELIVERED)
    (taken,) = setting.double.accepted
    assert receipt.reference in ("", taken.reference)
    assert taken.to in ("", message.to)
    assert taken.key in ("", message.key)
    keeps_secrets(receipt.detail, message)


@pytest.mark.parametrize(("setting", "trouble"), EACH, indirect=["setting"])
async def test_each_trouble_is_called_by_its_name_and_nothing_goes_out_twice(
    setting: Setting, trouble: Trouble
) -> None:
    setting.double.trouble.append(trouble)
    channel = setting.connect(deadline=SHORT_DEADLINE) if trouble is Trouble.LATE_REPLY else setting.channel
    kind, failure = OUTCOMES[trouble]
    message = setting.message()
    with pytest.raises(ChannelError) as caught:
        await _within_its_deadline(channel.send(message))
    assert type(caught.value) is kind
    if isinstance(caught.value, MessageRefused):
        assert caught.value.failure is failure
    assert len(setting.double.accepted) == (1 if trouble in TAKEN else 0)
    keeps_secrets(str(caught.value), message)


async def _within_its_deadline(call: Awaitable[Receipt]) -> None:
    try:
        await asyncio.wait_for(call, channels.CALL_TIMEOUT * 0.9)  # near the usual deadline: this machine may be busy
    except TimeoutError:
        pytest.fail("it has to keep the deadline that its options name: Options.deadline")


@every_channel
async def test_what_cannot_be_reached_took_nothing(setting: Setting) -> None:
    if getattr(setting.double, "local", False):
        pytest.skip("no network leads to it")
    double = double_of(setting.kind)
    async with double.serving():
        options = dict(double.options())
    channel = import_module(f"channels.{setting.kind}").connect(options, setting.place)
    message = setting.message()
    with pytest.raises(NotNow) as caught:
        await channel.send(message)
    assert type(caught.value) is NotNow
    assert not double.accepted
    keeps_secrets(str(caught.value), message)
    with pytest.raises(CannotAsk):
        await channel.find(message)


# ---- asking about a message


@pytest.mark.parametrize(("setting", "trouble"), UNANSWERED, indirect=["setting"])
async def test_what_was_taken_without_an_answer_is_found(setting: Setting, trouble: Trouble) -> None:
    setting.double.trouble.append(trouble)
    message = setting.message()
    with pytest.raises(ReplyLost):
        await _within_its_deadline(setting.connect(deadline=SHORT_DEADLINE).send(message))
    if not setting.channel.rules.queryable:
        with pytest.raises(CannotAsk):
            await setting.channel.find(message)
        return
    receipt = await setting.channel.find(message)
    assert receipt and receipt.fate in (Fate.ACCEPTED, Fate.DELIVERED)
    assert receipt.reference in ("", setting.double.accepted[0].reference)
    keeps_secrets(receipt.detail, message)


@every_channel
async def test_a_message_with_a_reference_is_found_by_it(setting: Setting) -> None:
    message = setting.message()
    receipt = await setting.channel.send(message)
    if not setting.channel.rules.queryable:
        pytest.skip("its provider cannot be asked")
    found = await setting.channel.find(message, receipt.reference)
    assert found and found.reference in ("", receipt.reference)


@every_channel
async def test_only_who_can_be_asked_says_that_a_message_is_not_there(setting: Setting) -> None:
    message = setting.message()
    if setting.channel.rules.queryable:
        assert await setting.channel.find(message) is None
    else:
        with pytest.raises(CannotAsk):
            await setting.channel.find(message)
    assert not setting.double.accepted


# ---- what the provider reports on its own


@every_channel
async def test_its_rules_agree_with_what_it_can_do(setting: Setting) -> None:
    rules = setting.channel.rules
    calls = await _reports(setting)
    assert rules.receipts == (Fate.DELIVERED in calls)
    if isinstance(setting.channel, Reporting):
        assert calls or _written(setting), "it reads calls, but its double makes none"
    else:
        assert not rules.signed


@every_channel
async def test_a_report_says_which_message_and_what_became_of_it(setting: Setting) -> None:
    for fate, call in (await _reports(setting)).items():
        heard = setting.reporting.read(call)
        (report,) = heard.reports
        assert not heard.inbound
        assert report.receipt.fate is fate
        assert (report.receipt.failure is not None) == (fate is Fate.UNDELIVERED)
        taken = setting.double.accepted[-1]
        assert report.key in ("", setting.sent_key)
        assert report.key or report.receipt.reference == taken.reference
        assert report.to in ("", taken.to)
        keeps_secrets(report.receipt.detail, setting.message(key=setting.sent_key))


@every_channel
async def test_a_report_about_the_whole_account_says_so(setting: Setting) -> None:
    told = getattr(setting.double, "account_at_fault", None)
    if told is None:
        pytest.skip("its provider reports no such thing")
    await setting.channel.send(setting.message())
    (report,) = setting.reporting.read(told(setting.double.accepted[-1], setting.place)).reports
    assert report.receipt.failure is Failure.ACCOUNT
    assert report.receipt.detail, "staff read the reason"


@every_channel
async def test_an_odd_entry_among_several_costs_no_other(setting: Setting) -> None:
    for call in await _calls(setting):
        if not call.body.startswith(b"["):
            continue
        genuine = setting.reporting.read(call)
        odd: list[Any] = [1, None, {}, {"surprise": "x"}, [1]]
        several = json.dumps([*odd[:2], *json.loads(call.body), *odd[2:]]).encode()
        heard = setting.reporting.read(replace(call, body=several))
        assert (heard.reports, heard.inbound, heard.answer) == (genuine.reports, genuine.inbound, genuine.answer)
        assert [json.loads(each.entry) for each in heard.unread] == odd
        assert all(each.reason for each in heard.unread)


@every_channel
async def test_what_a_person_wrote_arrives_with_its_sender(setting: Setting) -> None:
    call = _written(setting)
    if call is None:
        pytest.skip("nobody writes to its provider")
    (written,) = setting.reporting.read(call).inbound
    assert (written.sender, written.text) == (setting.message().to, TEXT)
    assert written.reference
    assert setting.reporting.read(call).inbound[0].reference == written.reference
    another = setting.double.written(setting.message().to, f"{TEXT}!", setting.place)
    assert another and setting.reporting.read(another).inbound[0].reference != written.reference


@every_channel
async def test_only_the_providers_own_calls_count(setting: Setting) -> None:
    for call in await _calls(setting):
        assert setting.hear(call)
        with pytest.raises(NotGenuine):
            setting.reporting.read(setting.double.forged(call))
        for what, each in tampered(call).items():
            assert not setting.hear(each), what
        if setting.channel.rules.signed:
            assert not setting.hear(replace(call, url="https://evil.example" + call.path))


@every_channel
async def test_a_form_with_a_field_twice_or_in_another_one_says_nothing_new(setting: Setting) -> None:
    for call in [each for each in await _calls(setting) if is_form(each)]:
        genuine = setting.hear(call)
        assert not any(setting.hear(each) for each in doubled(call))
        assert all(setting.hear(each) in (None, genuine) for each in merged(call))


@every_channel
async def test_a_signature_may_be_anything(setting: Setting) -> None:
    if not setting.channel.rules.signed:
        pytest.skip("its provider signs nothing")
    for call in await _calls(setting):
        genuine = set(setting.double.forged(call).headers.items()) ^ set(call.headers.items())
        names = {name for name, _ in genuine}
        assert names, "a forged call differs in a header"
        for value in ("", "é" * 28, "A" * 28, "\x00", "=" * 4000):
            with pytest.raises(NotGenuine):
                setting.reporting.read(replace(call, headers={**call.headers, **dict.fromkeys(names, value)}))
        unsigned = {name: value for name, value in call.headers.items() if name not in names}
        with pytest.raises(NotGenuine):
            setting.reporting.read(replace(call, headers=unsigned))


TEXT = "退订 STOP 1"


async def _reports(setting: Setting) -> dict[Fate, CallbackRequest]:
    message = setting.message()
    await setting.channel.send(message)
    setting.sent_key = message.key
    calls = {fate: setting.double.reported(setting.double.accepted[-1], fate, setting.place) for fate in Fate}
    return {fate: call for fate, call in calls.items() if call}


def _written(setting: Setting) -> CallbackRequest | None:
    return setting.double.written(setting.message().to, TEXT, setting.place)


async def _calls(setting: Setting) -> list[CallbackRequest]:
    written = _written(setting)
    return [*(await _reports(setting)).values(), *([written] if written else [])]


# ---- configuration


@every_channel
async def test_wrong_options_are_named_and_never_shown(setting: Setting) -> None:
    for key in [*setting.double.options(), "deadline"]:
        with pytest.raises(BadOptions) as caught:
            setting.connect(**{key: [[LEAK]]})
        assert key in str(caught.value) and f"channels.{setting.place.name}" in str(caught.value)
        assert LEAK not in str(caught.value)
    with pytest.raises(BadOptions, match="surprise") as caught:
        setting.connect(surprise=LEAK)
    assert LEAK not in str(caught.value)


@every_channel
async def test_a_missing_option_is_named(setting: Setting) -> None:
    options = dict(setting.double.options())
    for key in options:
        rest = {name: value for name, value in options.items() if name != key}
        complaint = _complaint(setting, rest)
        assert key in complaint or not complaint


def _complaint(setting: Setting, options: Mapping[str, Any]) -> str:
    try:
        import_module(f"channels.{setting.kind}").connect(options, setting.place)
    except BadOptions as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_secret_is_typed_so(kind: str) -> None:
    module: Any = import_module(f"channels.{kind}")
    classes = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, ChannelOptions)]
    for name, field in [pair for each in classes for pair in each.model_fields.items()]:
        if any(word in name for word in ("token", "secret", "password")):
            assert SecretStr.__name__ in str(field.annotation), f"{kind}: {name}"


def test_a_channel_without_a_double_is_told_what_to_write() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"Write tests/channels/doubles/pigeon\.py with a class Double"):
        double_of("pigeon")


def test_the_channels_are_found_by_themselves() -> None:
    assert {"outbox", "sms_twilio"} <= set(KINDS)
    assert all(hasattr(import_module(f"channels.{kind}"), "connect") for kind in KINDS)
    assert ChannelOptions().deadline == channels.CALL_TIMEOUT
