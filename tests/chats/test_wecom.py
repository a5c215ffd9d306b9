"""WeCom's calls: its own published samples, calls built from its documentation, and forged ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chats import BadChatOptions, ChatContext, ChatQuestion, ChatRequest, ForgedQuestion, Reply
from chats.wecom import connect
from tests.chats.conftest import NOW
from tests.chats.platforms import Sent, WeComPlatform

# The values of the samples that come with WeCom's own libraries.
SAMPLE = {
    "corp_id": "wx5823bf96d3bd56c7",
    "token": "QDG6eK",
    "encoding_aes_key": "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C",
}
SAMPLE_ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="
SAMPLE_MESSAGE = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911L3vg3W/sYYvuJTs3TUUk"
    "SUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLxAUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekU"
    "NXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rU"
    "PA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/uh9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+"
    "qN+E7Q=="
)
WECOM = WeComPlatform()


def at(place: ChatContext, moment: datetime) -> ChatContext:
    return replace(place, clock=lambda: moment)


async def test_the_published_sample_of_the_address_check(place: ChatContext) -> None:
    then = datetime.fromtimestamp(1409659589, UTC)
    query = {
        "msg_signature": "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3",
        "timestamp": "1409659589",
        "nonce": "263014780",
        "echostr": SAMPLE_ECHO,
    }
    assert connect(SAMPLE, at(place, then)).read(ChatRequest("GET", query, {}, b"")) == Reply(
        body=b"1616140317555161061"
    )


async def test_the_published_sample_of_a_message(place: ChatContext) -> None:
    then = datetime.fromtimestamp(1409659813, UTC)
    query = {
        "msg_signature": "477715d11cdb4164915debcba66cb864d751f3e6",
        "timestamp": "1409659813",
        "nonce": "1372623149",
    }
    body = (
        "<xml>\n<ToUserName><![CDATA[wx5823bf96d3bd56c7]]></ToUserName>"
        f"<Encrypt><![CDATA[{SAMPLE_MESSAGE}]]></Encrypt>\n<AgentID><![CDATA[218]]></AgentID>\n</xml>"
    )
    asked = connect(SAMPLE, at(place, then)).read(ChatRequest("POST", query, {}, body.encode()))
    assert asked == ChatQuestion("mycreate", "hello", "4561255354251345929", {"from": "wx5823bf96d3bd56c7"})


async def test_a_question_is_read_and_its_answer_can_be_read_by_wecom(place: ChatContext) -> None:
    chat = connect(WECOM.options, place)
    assert chat.read(WECOM.verification(NOW, "echo-42").call) == Reply(body=b"echo-42")
    asked = chat.read(WECOM.message("li.si", "合肥还有谁没签 <&>", NOW, "77").call)
    assert asked == ChatQuestion("li.si", "合肥还有谁没签 <&>", "77", {"from": WECOM.corp_id})
    answer = chat.reply(asked, "合肥校区：待签 3 份 <a & b>\nhttps://sign.example.org/staff?a=1&b=2")
    assert answer.content_type == "application/xml"
    assert WECOM.read_answer(answer.body) == {
        "ToUserName": "li.si",
        "FromUserName": WECOM.corp_id,
        "CreateTime": str(int(NOW.timestamp())),
        "MsgType": "text",
        "Content": "合肥校区：待签 3 份 <a & b>\nhttps://sign.example.org/staff?a=1&b=2",
    }


async def test_what_is_no_text_wants_no_answer(place: ChatContext) -> None:
    assert connect(WECOM.options, place).read(WECOM.event(NOW).call) == Reply()


def forged() -> dict[str, Sent]:
    true = WECOM.message("li.si", "status", NOW)
    other_token, other_key = replace(WECOM, token="another"), WeComPlatform()
    other_body = WECOM.message("wang.wu", "status", NOW).body
    entities = '<!DOCTYPE xml [<!ENTITY a "aaaa">]><xml><MsgType>text</MsgType><Content>&a;</Content></xml>'
    return {
        "no signature": replace(true, query={}),
        "another token": other_token.message("li.si", "status", NOW),
        "another key": other_key.message("li.si", "status", NOW),
        "another body under the signature": replace(true, body=other_body),
        "another moment under the signature": replace(true, query=true.query | {"timestamp": "1795500001"}),
        "a signature in capitals": replace(
            true, query=true.query | {"msg_signature": true.query["msg_signature"].upper()}
        ),
        "long ago": WECOM.message("li.si", "status", NOW - timedelta(hours=1, seconds=1)),
        "in the future": WECOM.message("li.si", "status", NOW + timedelta(hours=1, seconds=2)),
        "meant for another company": WECOM.envelope("<xml></xml>", NOW, receiver="ww-another"),
        "without a receiver": WECOM.envelope("<xml></xml>", NOW, receiver=""),
        "no XML inside": WECOM.envelope("hello", NOW),
        "entities inside": WECOM.envelope(entities, NOW),
        "nothing encrypted": replace(true, body=b"<xml><Encrypt></Encrypt></xml>"),
        "an empty body": replace(true, body=b""),
        "binary": replace(true, body=bytes(range(256))),
        "a surrogate": replace(true, query=true.query | {"msg_signature": "\udcff", "nonce": "\udcff"}),
        "a GET without echostr": replace(true, method="GET"),
        "a GET of another": replace(other_key.verification(NOW)),
    }


FORGED = forged()


@pytest.mark.parametrize("kind", FORGED)
async def test_what_wecom_did_not_send_is_refused(place: ChatContext, kind: str) -> None:
    with pytest.raises(ForgedQuestion):
        connect(WECOM.options, place).read(FORGED[kind].call)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"encoding_aes_key": "short"}, "encoding_aes_key"), ({"corp_id": ""}, "corp_id"), ({"secret": "x"}, "secret")],
)
async def test_wrong_options_are_refused_without_their_values(
    place: ChatContext, changes: dict[str, str], said: str
) -> None:
    with pytest.raises(BadChatOptions, match=f"chats.desk: {said}") as refused:
        connect(WECOM.options | changes, place)
    assert "short" not in str(refused.value)
