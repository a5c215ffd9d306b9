"""Feishu's calls, the published sample of its encryption, and answers through its API."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from chats import BadChatOptions, ChatContext, ChatQuestion, ForgedQuestion, NotSent, Reply
from chats.feishu import Feishu, connect
from tests.chats.conftest import NOW
from tests.chats.platforms import FeishuPlatform, Sent
from tests.chats.servers import answer_server

FEISHU = FeishuPlatform()


async def test_the_published_sample_of_the_encryption(place: ChatContext) -> None:
    """From the documentation: this ciphertext under "test key" is "hello world"."""
    chat = connect(FEISHU.options | {"encrypt_key": "test key"}, place)
    assert chat._decrypted("P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk=") == b"hello world"


async def test_the_address_is_verified(place: ChatContext) -> None:
    answer = connect(FEISHU.options, place).read(FEISHU.verification().call)
    assert isinstance(answer, Reply) and json.loads(answer.body) == {"challenge": "ajls384kdjx98XX"}


async def test_a_question_is_read_without_its_mention(place: ChatContext) -> None:
    asked = connect(FEISHU.options, place).read(FEISHU.message("ou_li", "合肥还有谁没签", NOW, "om_77").call)
    assert asked == ChatQuestion("ou_li", "  合肥还有谁没签", "om_77")
    by_user_id = connect(FEISHU.options | {"person": "user_id"}, place).read(FEISHU.message("ou_li", "x", NOW).call)
    assert isinstance(by_user_id, ChatQuestion) and by_user_id.person == "e33ggbyz"


async def test_what_asks_nothing_wants_no_answer(place: ChatContext) -> None:
    chat = connect(FEISHU.options, place)
    assert chat.read(FEISHU.message("ou_li", "x", NOW, sort="image").call) == Reply()
    event: Any = FEISHU.event("ou_li", "x", NOW)
    event["event"]["sender"]["sender_type"] = "app"
    assert chat.read(FEISHU.signed(event, NOW).call) == Reply()
    event["header"]["event_type"] = "im.chat.updated_v1"
    assert chat.read(FEISHU.signed(event, NOW).call) == Reply()
    hidden: Any = FEISHU.event("ou_li", "x", NOW)
    hidden["event"]["sender"]["sender_id"] = {"union_id": "on_1"}
    assert chat.read(FEISHU.signed(hidden, NOW).call) == Reply()


async def test_answers_go_by_the_api_with_a_token_that_is_kept(place: ChatContext) -> None:
    async with answer_server(FEISHU) as server:
        now = [NOW]
        chat = connect(FEISHU.options | {"origin": server.origin}, replace(place, clock=lambda: now[0]))
        first, second, third = (ChatQuestion("ou_li", "status", f"om_{number}") for number in range(3))
        assert chat.reply(first, "x") is None  # type: ignore[func-returns-value]
        await asyncio.gather(chat.send(first, "还有三份"), chat.send(second, "还有四份"))
        assert sorted(server.accepted) == [("om_0", "还有三份"), ("om_1", "还有四份")] and server.tokens == 1
        now[0] += timedelta(seconds=server.life)
        await chat.send(third, "还有五份")
        assert server.tokens == 2 and len(server.accepted) == 3


async def test_the_same_message_is_answered_once(place: ChatContext) -> None:
    async with answer_server(FEISHU) as server:
        question = ChatQuestion("ou_li", "status", "om_twice")
        for _ in range(2):  # two processes of ours that do not know of each other
            await connect(FEISHU.options | {"origin": server.origin}, place).send(question, "还有三份")
        assert server.accepted == [("om_twice", "还有三份")]


async def test_a_token_that_is_not_taken_any_more_is_renewed_once(place: ChatContext) -> None:
    async with answer_server(FEISHU) as server:
        chat = connect(FEISHU.options | {"origin": server.origin}, place)
        await chat.send(ChatQuestion("ou_li", "status", "om_a"), "three")
        server.forget_tokens()
        await chat.send(ChatQuestion("ou_li", "status", "om_b"), "four")
        assert [where for where, _ in server.accepted] == ["om_a", "om_b"]


async def test_what_does_not_get_through_is_said(place: ChatContext) -> None:
    question = ChatQuestion("ou_li", "status", "om_c")
    async with answer_server(FEISHU) as server:
        chat = connect(FEISHU.options | {"origin": server.origin}, place)
        server.refuse = True
        with pytest.raises(NotSent, match="code 230002"):
            await chat.send(question, "three")
        wrong = connect(FEISHU.options | {"origin": server.origin, "app_secret": "s3cr3t"}, place)
        with pytest.raises(NotSent, match="no token: code 10014") as refused:
            await wrong.send(question, "three")
        assert "s3cr3t" not in str(refused.value)
    with pytest.raises(NotSent, match=r"Client|ServerDisconnected"):
        await connect(FEISHU.options | {"origin": server.origin}, place).send(question, "three")


def forged() -> dict[str, Sent]:
    true = FEISHU.message("ou_li", "status", NOW)
    plain = json.dumps(FEISHU.event("ou_li", "status", NOW)).encode()
    other_token: Any = FEISHU.event("ou_li", "status", NOW)
    other_token["header"]["token"] = "another"
    no_content: Any = FEISHU.event("ou_li", "status", NOW)
    no_content["event"]["message"]["content"] = None

    def at(moment: datetime) -> Sent:
        return FEISHU.message("ou_li", "status", moment)

    return {
        "not signed": replace(true, headers={}),
        "another encrypt key": replace(FEISHU, encrypt_key="another").message("ou_li", "status", NOW),
        "another body under the signature": replace(true, body=FEISHU.message("ou_wang", "status", NOW).body),
        "not encrypted": Sent("POST", {}, FEISHU.headers(plain, NOW), plain),
        "another verification token": FEISHU.signed(other_token, NOW),
        "a challenge with another token": FEISHU.verification("another"),
        "a challenge with another key": replace(FEISHU, encrypt_key="another").verification(),
        "long ago": at(NOW - timedelta(hours=1, seconds=1)),
        "in the future": at(NOW + timedelta(hours=1, seconds=2)),
        "a message id that is a path": FEISHU.message("ou_li", "status", NOW, "../../auth"),
        "without content": FEISHU.signed(no_content, NOW),
        "a list": FEISHU.signed([], NOW),
        "nothing": FEISHU.signed({}, NOW),
        "no JSON": replace(true, body=b"hello"),
        "no ciphertext": replace(true, headers={}, body=b'{"encrypt": "aGVsbG8="}'),
        "a surrogate": replace(true, headers=true.headers | {"X-Lark-Signature": "\udcff"}),
    }


FORGED = forged()


@pytest.mark.parametrize("kind", FORGED)
async def test_what_feishu_did_not_send_is_refused(place: ChatContext, kind: str) -> None:
    with pytest.raises(ForgedQuestion):
        connect(FEISHU.options, place).read(FORGED[kind].call)


async def test_a_key_is_needed(place: ChatContext) -> None:
    with pytest.raises(BadChatOptions, match="encrypt_key"):
        connect(FEISHU.options | {"encrypt_key": ""}, place)
    assert isinstance(connect(FEISHU.options, place), Feishu)
