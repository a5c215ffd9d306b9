"""The doctor's page: one verdict, a line for each part, for headquarters alone; it asks no provider twice in a row."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
import pytest
from pkcs11.exceptions import PinIncorrect, PinLocked

from channels import Channel, ChannelContext, ReplyLost
from channels.email import connect
from channels.sms_twilio import connect as connect_sms
from hub.doctor import examine
from hub.doctor.providers import ask_provider
from hub.lifecycle.messaging.pause_sending import pause_sending, resume_sending
from hub.model.messaging.provider import ProviderSettings
from hub.model.staff.scope import EVERYTHING
from hub.router.providers import Provider
from hub.tokens.pkcs11 import _pin_trouble
from hub.web.pages.doctor_words import say_found, say_part
from hub.web.staff.staff.doctor import KEPT_FOR, DoctorAnswer, forget_answer
from tests.catalogues import catalogues
from tests.channels.doubles.email import Double
from tests.channels.doubles.sms_twilio import Double as Twilio
from tests.running import running_hub
from tests.web.staff_visit import add_staff, console_of


class Ledger:
    """A channel that asks a provider keeps no ledger of its own here."""

    async def accept(self, key: str) -> None:
        raise ReplyLost(key)

    async def accepted(self, key: str) -> bool:
        return False


def mail(options: dict[str, object], http: aiohttp.ClientSession) -> Provider:
    place = ChannelContext("email", "http://127.0.0.1/callbacks", http, Ledger(), lambda: datetime.now(UTC))
    channel: Channel = connect(options, place)
    return Provider(ProviderSettings("email", "email", "email"), channel)


async def test_a_mail_server_is_logged_in_to_and_nothing_is_sent() -> None:
    double = Double()
    async with double.serving(), aiohttp.ClientSession() as http:
        assert await ask_provider(mail(dict(double.options()), http)) == "the login works"
        with pytest.raises(ValueError, match="does not answer as it should: 535"):
            await ask_provider(mail(dict(double.options()) | {"password": "wrong"}, http))
    with pytest.raises(ValueError, match="does not answer as it should: no connection"):
        async with aiohttp.ClientSession() as http:
            await ask_provider(mail(dict(double.options()), http))
    assert double.accepted == []


async def test_a_provider_that_can_be_asked_is_asked_about_nothing() -> None:
    double = Twilio()
    async with double.serving(), aiohttp.ClientSession() as http:
        place = ChannelContext("sms", "http://127.0.0.1/callbacks", http, Ledger(), lambda: datetime.now(UTC))
        provider = ProviderSettings("sms", "sms_twilio", "sms")
        assert await ask_provider(Provider(provider, connect_sms(double.options(), place))) == "answers"
        wrong = dict(double.options()) | {"auth_token": "0" * 32}
        with pytest.raises(ValueError, match="does not answer as it should"):
            await ask_provider(Provider(provider, connect_sms(wrong, place)))
    assert double.accepted == []


def test_certificates_are_named_in_chinese() -> None:
    chinese = catalogues().translator("zh")
    ending = "ended, or end soon: issuers of the seal (2026-01-02), timestamp first (2026-01-03): renew them"
    assert say_found(ending, chinese) == (
        "已到期或即将到期：印章的上级证书（2026-01-02）、时间戳服务 first 的证书（2026-01-03），请更新"
    )
    assert say_found("root, tls, authority builtin; none ends soon", chinese) == (
        "根证书、TLS 证书、认证机构 builtin 的证书；近期都不到期"
    )


# What a token says that was given up, and what a Chinese page says.
AWAY = ("the token 'a' is away: DeviceRemoved()", "密钥设备 'a' 未连接：DeviceRemoved()")
SILENT = ("the token 'b' did not answer in 10.0 s", "密钥设备 'b' 在 10.0 秒内没有响应")
WRONG = (f"the token 'a' {_pin_trouble(PinIncorrect())}", "密钥设备 'a' 拒绝了 PIN，系统不会再试：请更正 PIN")
LOCKED = (
    f"the token 'a' {_pin_trouble(PinLocked())}",
    "无论 PIN 是什么，密钥设备 'a' 均拒绝登录（PinLocked），系统不会再试：请用厂商的工具解锁或设置 PIN",
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        AWAY,
        SILENT,
        WRONG,
        LOCKED,
        (f"{LOCKED[0]}; {SILENT[0]}", f"{LOCKED[1]}；{SILENT[1]}"),
        (
            f"2 of 3 tokens do not sign: one: {WRONG[0]}; two: {SILENT[0]}",
            f"3 个密钥设备中有 2 个不能签名：one：{WRONG[1]}；two：{SILENT[1]}",
        ),
    ],
)
def test_what_is_wrong_with_tokens_is_said_in_chinese(words: str, said: str) -> None:
    assert say_found(words, catalogues().translator("zh")) == said
    assert say_found(words, catalogues().translator("en")) == words


async def test_headquarters_sees_one_verdict_and_a_line_for_each_part() -> None:
    async with running_hub(with_worker=False) as running:
        console = await console_of(running)
        page = await console.get("/staff/doctor")
        assert page.status == 200 and "Ready to issue, but somebody has to deal with" in page.words, page.words
        assert "look workers: NONE has reported" in page.words and "OK workers" not in page.words
        await pause_sending(running.hub.services, "test")
        assert "NOTE sending: PAUSED since" in "\n".join(map(str, await examine(running.hub)))
        await resume_sending(running.hub.services, "test")
        assert "provider outbox-sms: answers" in page.words
        assert "channels: e-mail, text message, call" in page.words, page.words
        chinese = await (await console_of(running, language="zh")).get("/staff/doctor")
        assert (
            "可以签发，但" in chinese.words
            and "注意 后台进程" in chinese.words
            and "印章证书：有效期至" in chinese.words
        )
        assert "消息渠道：邮件、短信、电话" in chinese.words, chinese.words
        await add_staff(running, "hefei-desk", "hefei")
        assert (await (await console_of(running, "hefei-desk")).get("/staff/doctor")).status == 403

        answer = DoctorAnswer()
        findings, at = await answer.get_or_examine(running.hub)
        assert (await answer.get_or_examine(running.hub))[0] is findings
        assert any(str(each).startswith("NOTE workers: NONE has reported in the last 30 s") for each in findings)
        running.clock.advance(KEPT_FOR)
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.heartbeats.worker_lives(uuid4(), tx.now)
        again, later = await answer.get_or_examine(running.hub)
        assert again is not findings and later > at
        assert "ok   workers: 1 reported in the last 30 s" in map(str, again)
        assert running.app is not None
        forget_answer(running.app)
        page = await console.get("/staff/doctor")
        assert "Ready to issue." in page.words and "OK workers: 1 reported" in page.words, page.words
        assert "可以签发。" in (await (await console_of(running, language="zh")).get("/staff/doctor")).words
    assert say_part("provider email", str.format) == "provider email"
