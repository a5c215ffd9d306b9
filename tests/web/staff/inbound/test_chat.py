"""Staff ask in a chat, through the platforms' own calls to a whole hub, and get no more than the counts of their
campuses."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from yarl import URL

from hub.model.staff.scope import EVERYTHING
from hub.store.board.board_filter import BoardFilter
from tests.chats.platforms import DingTalkPlatform, FeishuPlatform, Sent, WeComPlatform
from tests.chats.servers import AnswerServer, answer_server
from tests.database import tamper
from tests.running import GUARDIAN_PHONE, Running, running_hub, until
from tests.web.staff_visit import add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
WECOM, DING, FEISHU = WeComPlatform(), DingTalkPlatform(), FeishuPlatform()
NAMES = ("陈", "小满", "建国", GUARDIAN_PHONE[-4:])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[AnswerServer]:
    async with answer_server(FEISHU) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(server: AnswerServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    secret = tmp_path_factory.mktemp("secrets") / "dingtalk"
    secret.write_text(DING.app_secret + "\n")
    chats = {
        "office": {"kind": "wecom", **WECOM.options},
        "dingtalk": {"app_secret_file": str(secret), "webhooks": server.origin},
        "feishu": FEISHU.options | {"origin": server.origin},
    }
    async with running_hub(with_worker=False, configured={"chats": chats}) as hub:
        await add_staff(hub, "hefei-clerk", "hefei")
        for person, login in {"wang": "hefei-clerk", "boss": "demo"}.items():
            await mapped(hub, person, login)
        await hub.issue_minor()
        await hub.issue_minor()
        while await hub.worker.due_steps.sweep():
            pass
        yield hub


async def mapped(running: Running, person: str, login: str) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        account = await tx.accounts.find_by_login(login)
        assert account
        for chat in ("office", "dingtalk", "feishu"):
            await tx.chats.put(chat, person, account[0].id, tx.now)


def now() -> datetime:
    return datetime.now(UTC)


async def called(running: Running, chat: str, sent: Sent) -> tuple[int, bytes]:
    url = f"{running.origin}/callbacks/chat/{chat}{sent.query_string}"
    async with running.http.request(sent.method, url, data=sent.body, headers=sent.headers) as answer:
        return answer.status, await answer.read()


async def asked(running: Running, person: str, text: str) -> str:
    """Ask through WeCom. Return the answer, which is read from the response."""
    status, body = await called(running, "office", WECOM.message(person, text, now()))
    assert status == 200
    return WECOM.read_answer(body)["Content"] if body else ""


async def test_a_clerk_hears_how_their_campus_stands(running: Running) -> None:
    answer = await asked(running, "wang", "合肥还有谁没签")
    assert answer == (
        "合肥校区：待签 2 份。已送达 2，已打开 0，已过截止时间 0，卡住 0。\n"
        f"名单：{running.origin}/staff?campus=hefei&view=pending"
    )
    status = await asked(running, "wang", "status")
    assert status.startswith("All your campuses: 2 issued, 0 signed, 0 completed, 2 to be signed.")
    for text in (answer, status, await asked(running, "wang", "帮助")):
        assert not [name for name in NAMES if name in text.replace(running.origin, "")]


async def test_the_link_of_an_answer_shows_what_was_counted(running: Running) -> None:
    answer = await asked(running, "wang", "who is still unsigned at Hefei")
    (path,) = re.findall(re.escape(running.origin) + r"(/staff\S*)", answer)
    page = await (await console_of(running, "hefei-clerk")).get(path)
    assert page.status == 200 and page.text.count('class="row"') == 2


async def test_a_campus_of_others_and_one_that_is_nowhere_sound_the_same(running: Running) -> None:
    for there, nowhere in (("北京还有谁没签", "火星还有谁没签"), ("status Beijing", "status Atlantis")):
        answer = await asked(running, "wang", there)
        assert answer == await asked(running, "wang", nowhere) and "0" not in answer
    assert (await asked(running, "boss", "北京还有谁没签")).startswith("北京校区：待签 0 份")
    assert (await asked(running, "wang", "总部进度")) == (await asked(running, "wang", "火星进度"))


async def test_past_deadlines_are_counted() -> None:
    async with running_hub(with_worker=False, with_web=False) as hub:
        await hub.issue_minor()
        async with hub.hub.database.transaction(EVERYTHING) as tx:
            planning = tx.planning_now
            (row,) = await tx.board.list_rows(BoardFilter())
            for moment, overdue in ((planning, 0), (row.deadline, 0), (row.deadline + timedelta(days=1), 1)):
                assert (await tx.board.get_counts(moment))[1]["overdue"] == overdue


async def test_whoever_is_not_mapped_hears_nothing(running: Running) -> None:
    with capture_logs() as logs:
        for chat, sent in {
            "office": WECOM.message("stranger", "合肥还有谁没签", now()),
            "dingtalk": DING.message("stranger", "status", now()),
            "feishu": FEISHU.message("stranger", "status", now()),
        }.items():
            assert await called(running, chat, sent) == (200, b"")
    lines = [each for each in logs if each["event"] == "chat question from unknown person"]
    assert [each["chat"] for each in lines] == ["office", "dingtalk", "feishu"]
    assert all(re.fullmatch(r"[0-9a-f]{16}", each["person"]) for each in lines)
    assert len({each["person"] for each in lines}) == 3 and "stranger" not in json.dumps(logs, default=str)


@pytest.mark.parametrize("person", ["", "x" * 201, "a\u2028b"])
async def test_a_person_that_cannot_be_is_nobody(running: Running, person: str) -> None:
    assert await asked(running, person, "status") == ""


async def test_an_account_that_is_disabled_hears_nothing(running: Running) -> None:
    await add_staff(running, "leaver", "hefei")
    await mapped(running, "leaving", "leaver")
    assert await asked(running, "leaving", "status")
    await tamper(running.hub.database.dsn, "UPDATE staff SET disabled_at = now() WHERE login = 'leaver'")
    assert await asked(running, "leaving", "status") == ""


async def test_dingtalk_gets_its_answer_at_the_webhook(running: Running, server: AnswerServer) -> None:
    session = uuid4().hex
    sent = DING.message("wang", "合肥进度", now(), server.webhook(session), session)
    assert await called(running, "dingtalk", sent) == (200, b"")
    assert await called(running, "dingtalk", sent) == (200, b"")  # DingTalk repeats its call: our response was too late

    async def answered() -> list[str]:
        return [text for where, text in server.accepted if where == session]

    (text,) = await until(answered)
    assert text.startswith("合肥校区：已签发 2")


async def test_feishu_has_its_response_before_the_answer(running: Running, server: AnswerServer) -> None:
    server.held = asyncio.Event()
    sent = FEISHU.message("wang", "status", now(), "om_slow")
    async with asyncio.timeout(60):  # without a response, the call would wait for the answer
        assert await called(running, "feishu", sent) == (200, b"")
    assert not [where for where, _ in server.accepted if where == "om_slow"]
    server.held.set()
    server.held = None

    async def answered() -> list[str]:
        return [text for where, text in server.accepted if where == "om_slow"]

    assert len(await until(answered)) == 1


async def test_an_answer_that_was_not_taken_goes_when_the_platform_asks_again(
    running: Running, server: AnswerServer
) -> None:
    session = uuid4().hex
    sent = DING.message("wang", "status", now(), server.webhook(session), session)
    server.refuse = True
    with capture_logs() as logs:
        await called(running, "dingtalk", sent)

        async def noted() -> bool:
            return any(each["event"] == "chat answer not sent" for each in logs)

        await until(noted)
    await called(running, "dingtalk", sent)

    async def answered() -> list[str]:
        return [text for where, text in server.accepted if where == session]

    assert len(await until(answered)) == 1


async def test_the_platforms_check_of_our_address_is_answered(running: Running) -> None:
    assert await called(running, "office", WECOM.verification(now(), "echo-7")) == (200, b"echo-7")
    status, body = await called(running, "feishu", FEISHU.verification())
    assert status == 200 and json.loads(body) == {"challenge": "ajls384kdjx98XX"}


async def test_what_is_not_genuine_is_refused_and_says_nothing(running: Running) -> None:
    other = WeComPlatform()
    for chat, sent in {
        "office": other.message("wang", "status", now()),
        "dingtalk": DingTalkPlatform("another").message("wang", "status", now()),
        "feishu": FeishuPlatform(encrypt_key="another").message("wang", "status", now()),
        "nowhere": WECOM.message("wang", "status", now()),
    }.items():
        status, body = await called(running, chat, sent)
        assert status == 403 and json.loads(body)["code"] == "access-denied" and json.loads(body)["detail"] == ""
    large = Sent("POST", {}, DING.headers(now()), b" " * (1 << 17))
    assert (await called(running, "dingtalk", large))[0] == 403
    assert (await called(running, "dingtalk", Sent("GET")))[0] == 403
    url = URL(f"{running.origin}/callbacks/chat/office?msg_signature=%ff&timestamp=%ff&nonce=%ff", encoded=True)
    async with running.http.post(url, data=WECOM.message("wang", "status", now()).body) as answer:
        assert answer.status == 403
