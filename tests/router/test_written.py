"""What people answer to a text message in their own words is read by staff, who can answer it."""

from __future__ import annotations

import pytest

from hub.lifecycle.signing.questions import QUESTIONS_A_DAY
from hub.lifecycle.staff.answer_question import AnswerRequest, send_answer
from hub.model.staff.scope import EVERYTHING
from tests.router.routed import PHONE, Routed, routed
from tests.web.staff_visit import console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
ASKED = "孩子换班了，这份还要签吗？"


async def write(hub: Routed, text: str, sender: str = PHONE) -> None:
    assert await hub.twilio.write(sender, text, f"{hub.place.callbacks}/inbound") == 200
    await hub.heard()


async def test_a_question_by_text_message_reaches_staff_and_is_answered() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        for text in ("好的", ASKED, ASKED, " "):
            await write(hub, text)
        await write(hub, ASKED, "+8619000000999")  # of nobody on file
        assert await hub.staff_tasks(contract) == ["wrote"]
        page = (await (await console_of(hub.running, language="zh")).get("/staff/tasks")).words
        assert "发来短信" in page and ASKED in page and "短信答复" in page, page
        assert "不再向该号码发送提醒" not in page
        async with hub.running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.staff_tasks.list_open_tasks()
        answer = AnswerRequest(task.id, "要签，新合同会另发")
        sent = await send_answer(hub.running.hub.services, EVERYTHING, answer, "staff:x")
    assert sent.to == PHONE


async def test_nobody_can_flood_the_tasks_by_text_message() -> None:
    async with routed() as hub:
        contract = await hub.invited()
        for number in range(QUESTIONS_A_DAY + 2):
            await write(hub, f"Question {number}")
        assert await hub.staff_tasks(contract) == ["wrote"] * QUESTIONS_A_DAY
