"""DingTalk's calls, and answers to a message's own webhook or in the response."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from chats import ChatContext, ChatQuestion, ForgedQuestion, NotSent, Reply
from chats.dingtalk import connect
from tests.chats.conftest import NOW
from tests.chats.platforms import DingTalkPlatform, Sent
from tests.chats.servers import answer_server

DING = DingTalkPlatform()
OPTIONS = {"app_secret": DING.app_secret}


async def test_a_question_is_read(place: ChatContext) -> None:
    sent = DING.message("user123", "合肥进度", NOW, "https://oapi.dingtalk.com/robot/sendBySession?session=x", "m1")
    asked = connect(OPTIONS, place).read(sent.call)
    back = {"webhook": "https://oapi.dingtalk.com/robot/sendBySession?session=x"}
    assert asked == ChatQuestion("user123", " 合肥进度 ", "m1", back)


async def test_the_answer_goes_to_the_webhook_of_the_message(place: ChatContext) -> None:
    async with answer_server() as server:
        chat = connect(OPTIONS | {"webhooks": server.origin}, place)
        asked = chat.read(DING.message("user123", "status", NOW, server.webhook("s7")).call)
        assert isinstance(asked, ChatQuestion) and chat.reply(asked, "three") is None
        await chat.send(asked, "还有三份")
        assert server.accepted == [("s7", "还有三份")]
        server.refuse = True
        with pytest.raises(NotSent, match="errcode 310000"):
            await chat.send(asked, "four")
    with pytest.raises(NotSent, match=r"Client|ServerDisconnected"):  # nobody listens there any more
        await chat.send(asked, "five")


async def test_or_into_the_response(place: ChatContext) -> None:
    sent = DING.message("user123", "status", NOW, "https://oapi.dingtalk.com/x")
    chat = connect(OPTIONS | {"answer": "body"}, place)
    asked = chat.read(sent.call)
    assert isinstance(asked, ChatQuestion)
    answer = chat.reply(asked, "还有三份")
    assert answer is not None and json.loads(answer.body) == {"msgtype": "text", "text": {"content": "还有三份"}}
    without = connect(OPTIONS, place)
    plain = without.read(DING.message("user123", "status", NOW).call)
    assert isinstance(plain, ChatQuestion) and without.reply(plain, "three") is not None


@pytest.mark.parametrize(
    "webhook",
    [
        "http://oapi.dingtalk.com/robot/sendBySession?session=x",
        "https://oapi.dingtalk.com.example.org/x",
        "https://oapi.dingtalk.com@example.org/x",
        "https://oapi.dingtalk.com:444/x",
        "http://127.0.0.1:5432/",
        "file:///etc/passwd",
        "//oapi.dingtalk.com/x",
        "http://[::1",
        "",
    ],
)
async def test_an_answer_goes_to_no_other_address(place: ChatContext, webhook: str) -> None:
    with pytest.raises(NotSent, match="leads elsewhere"):
        await connect(OPTIONS, place).send(ChatQuestion("user123", "status", "m1", {"webhook": webhook}), "three")


def changed(sent: Sent, **fields: object) -> Sent:
    return replace(sent, body=json.dumps(json.loads(sent.body) | fields).encode())


async def test_what_asks_nothing_wants_no_answer(place: ChatContext) -> None:
    chat, sent = connect(OPTIONS | {"corp_id": DING.corp_id}, place), DING.message("user123", "status", NOW)
    assert isinstance(chat.read(sent.call), ChatQuestion)
    for fields in ({"msgtype": "picture"}, {"senderStaffId": None}, {"senderCorpId": "another"}, {"text": "status"}):
        assert chat.read(changed(sent, **fields).call) == Reply()


def forged() -> dict[str, Sent]:
    true = DING.message("user123", "status", NOW)
    return {
        "no headers": replace(true, headers={}),
        "another secret": DingTalkPlatform("another").message("user123", "status", NOW),
        "another moment under the signature": replace(true, headers=true.headers | {"timestamp": "1795500000001"}),
        "in seconds": replace(true, headers=true.headers | {"timestamp": str(int(NOW.timestamp()))}),
        "more than an hour ago": DING.message("user123", "status", NOW - timedelta(hours=1, seconds=1)),
        "more than an hour ahead": DING.message("user123", "status", NOW + timedelta(hours=1, seconds=1)),
        "no JSON": replace(true, body=b"hello"),
        "a list": replace(true, body=b"[]"),
        "too deep": replace(true, body=b"[" * 60_000),
        "without a message id": changed(true, msgId=None),
        "without a content": changed(true, text={}),
        "a surrogate": replace(true, headers=true.headers | {"sign": "\udcff"}),
    }


FORGED = forged()


@pytest.mark.parametrize("kind", FORGED)
async def test_what_dingtalk_did_not_send_is_refused(place: ChatContext, kind: str) -> None:
    with pytest.raises(ForgedQuestion):
        connect(OPTIONS, place).read(FORGED[kind].call)


async def test_an_hour_is_still_genuine(place: ChatContext) -> None:
    sent = DING.message("user123", "status", NOW - timedelta(minutes=59))
    assert isinstance(connect(OPTIONS, place).read(sent.call), ChatQuestion)


async def test_an_answer_that_arrives_in_pieces_is_read_whole(place: ChatContext) -> None:
    async with answer_server() as server:
        chat = connect(OPTIONS | {"webhooks": server.origin}, place)
        server.words = "ok" * 50_000  # more than one read of a connection gives
        await chat.send(ChatQuestion("user123", "status", "m1", {"webhook": server.webhook()}), "three")
        assert len(server.accepted) == 1
