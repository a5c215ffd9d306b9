"""Staff answer a question by a text message: seen before it goes, once, by day, and never to who wants none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from hub.errors import BudgetSpent
from hub.lifecycle.evidence.erase import erase_words
from hub.lifecycle.signing.questions import ask
from hub.lifecycle.staff.answer_question import AnswerRequest, send_answer
from hub.model.contract.contract import Contract
from hub.model.messaging.budget import BudgetLimits
from hub.model.messaging.delivery import Delivery, DeliveryState
from hub.model.messaging.sms_length import measure_text
from hub.model.staff.accounts import StaffTask
from hub.model.staff.scope import EVERYTHING
from tests.changed_services import change_services
from tests.lent_hubs import lent_hub
from tests.lifecycle.clockwork import MORNING, NIGHT, StandingClock
from tests.lifecycle.signer import deliver, person, tasks_of
from tests.poster_visits import Family
from tests.running import Running, minor_with_guardian
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWER = "Wednesday is fine, please go on and sign."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False, clock=StandingClock()) as hub:
        await add_staff(hub, "clerk", "hefei")
        await add_staff(hub, "elsewhere", "beijing")
        yield hub


@pytest_asyncio.fixture(loop_scope="module")
async def console(running: Running) -> AsyncIterator[ConsoleBrowser]:
    """A member of staff in the morning of a day of its own."""
    clock = running.clock
    assert isinstance(clock, StandingClock)
    day = MORNING + timedelta(days=(clock.moment - MORNING).days + 1)
    clock.go_to(day)
    yield await console_of(running, "clerk")


class Asker:
    """A guardian nobody else is, who has asked something."""

    def __init__(self, running: Running) -> None:
        self.running, self.family = running, Family()
        self.contract: Contract
        self.task: StaffTask

    async def asks(self, kind: str = "question", words: str = "Can it be on Wednesday?", language: str = "en") -> str:
        guardian = replace(
            minor_with_guardian().signers[0],
            phone=self.family.phone,
            id_number=self.family.parent_id,
            language=language,
        )
        self.contract = await self.running.issue_minor(signers=(guardian,), send="none")
        somebody = await person(self.running, self.contract)
        await somebody.land()
        await ask(self.running.hub.services, somebody.secret, kind, words)
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            (self.task,) = await tx.staff_tasks.list_open_tasks(self.contract.id)
        return f"/staff/tasks/{self.task.id}/answer"

    async def answers(self) -> list[Delivery]:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            return [each for each in await tx.deliveries.list_of_contract(self.contract.id) if each.purpose == "reply"]

    async def recorded(self) -> int:
        async with self.running.hub.database.transaction(EVERYTHING) as tx:
            entries = await tx.record.list_entries(self.contract.id)
        return len([each for each in entries if each.kind == "question-answered"])


async def test_an_answer_is_seen_sent_and_noted(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    path = await asker.asks()
    assert f'href="{path}"' in (await console.get("/staff/tasks")).text
    form = await console.get(path)
    assert "Can it be on Wednesday?" in form.words and asker.family.phone not in form.text
    seen = await console.post(f"{path}/preview", {"text": f"  {ANSWER}\n"})
    (said,) = re.findall(r'<div class="said" lang="en">([^<]*)</div>', seen.text)
    size = measure_text(said)
    assert said.endswith(f": {ANSWER}") and "Hefei" in said
    assert f"text message · English · {size.units} characters · {size.segments} segment · " in seen.words
    assert await asker.answers() == [] and await asker.recorded() == 0
    sent = await console.post(path, {"text": ANSWER})
    assert (sent.status, sent.location) == (303, "/staff/tasks?said=answered")
    await deliver(running)
    assert await running.message("reply", asker.family.phone) == said
    page = await console.get(sent.location)
    assert f"Answered by text message: “{ANSWER}” delivered today 10:00" in page.words
    told = (await console.get(f"/staff/contracts/{asker.contract.id}")).words
    assert f"question answered by text message: “{ANSWER}”" in told and "answer to a question: text message" in told
    assert (await tasks_of(running, asker.contract))[0].paused  # until it is settled


async def test_two_clicks_are_one_answer(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    path = await asker.asks()
    both = await asyncio.gather(*(console.post(path, {"text": ANSWER}) for _ in range(2)))
    assert [each.status for each in both] == [303, 303]
    assert len(await asker.answers()) == await asker.recorded() == 1
    assert (await console.post(path, {"text": "And bring your card."})).status == 303
    assert len(await asker.answers()) == await asker.recorded() == 2


async def test_at_night_it_waits_for_the_morning(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    path = await asker.asks()
    clock = running.clock
    assert isinstance(clock, StandingClock)
    clock.advance(NIGHT - MORNING)
    night = await console_of(running, "clerk")
    seen = await night.post(f"{path}/preview", {"text": ANSWER})
    assert re.search(r"It is quiet time there: it goes out tomorrow 09:00", seen.words)
    assert (await night.post(path, {"text": ANSWER})).location == "/staff/tasks?said=answer-waits"
    for page in ("/staff/tasks", "/staff", f"/staff/contracts/{asker.contract.id}"):
        assert "waits until tomorrow 09:00" in (await night.get(page)).words, page
    await deliver(running)
    await running.worker.periodic.run_round()
    (waiting,) = await asker.answers()
    assert waiting.state is DeliveryState.SENDING and waiting.not_before and waiting.called_at is None
    clock.go_to(waiting.not_before)
    await running.worker.periodic.run_round()
    (sent,) = await asker.answers()
    assert sent.state is DeliveryState.DELIVERED


async def test_who_wants_no_messages_gets_none(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    path = await asker.asks()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.opt_outs.add(asker.family.phone, "sms", tx.now, "inbound")
    for step in (f"{path}/preview", path):
        refused = await console.post(step, {"text": ANSWER})
        assert refused.status == 409 and "this number wants no messages any more" in refused.words
    assert await asker.answers() == [] and await asker.recorded() == 0


async def test_a_contract_says_that_a_number_wants_no_messages_until_it_wants_them_again(
    running: Running, console: ConsoleBrowser
) -> None:
    asker = Asker(running)
    await asker.asks()
    path, said = f"/staff/contracts/{asker.contract.id}", "Asked for no more messages. START by text message undoes it."
    assert said not in (await console.get(path)).words
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.opt_outs.add(asker.family.phone, "sms", tx.now, "inbound")
    assert said in (await console.get(path)).words, "whether or not its task is settled"
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.opt_outs.remove(asker.family.phone)
    assert said not in (await console.get(path)).words


async def test_a_number_that_opts_out_while_an_answer_waits_gets_none(
    running: Running, console: ConsoleBrowser
) -> None:
    asker = Asker(running)
    path = await asker.asks()
    clock = running.clock
    assert isinstance(clock, StandingClock)
    clock.advance(NIGHT - MORNING)
    await (await console_of(running, "clerk")).post(path, {"text": ANSWER})
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.opt_outs.add(asker.family.phone, "sms", tx.now, "inbound")
    (waiting,) = await asker.answers()
    assert waiting.not_before
    clock.go_to(waiting.not_before)
    await running.worker.periodic.run_round()
    (dropped,) = await asker.answers()
    assert (dropped.state, dropped.failure, dropped.called_at) == (DeliveryState.REFUSED, "opted out meanwhile", None)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "  \n ",
            "x" * 137,
            "See https://elsewhere.example/s",
            "see www.elsewhere",
            "pay at bad.top",
            "点击 t.cn/x",
        ),
        *("pay at bad.io/x", "见bit.ly/x", "付款ｂａｄ．ｔｏｐ", "见 交费.中国/x", "pay at 47.1.2.3/x"),
    ],
)
async def test_what_is_no_answer(running: Running, console: ConsoleBrowser, text: str) -> None:
    asker = Asker(running)
    path = await asker.asks()
    for step in (f"{path}/preview", path):
        refused = await console.post(step, {"text": text})
        assert refused.status == 422 and "text:" in refused.words.lower()
    assert await asker.answers() == [] and await asker.recorded() == 0


async def test_placeholders_stay_words(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    assert (await console.post(await asker.asks(), {"text": "Use {link} and {code}"})).status == 303
    await deliver(running)
    assert (await running.message("reply", asker.family.phone)).endswith("Use (link) and (code)")


async def test_so_many_a_day_and_no_more(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    path = await asker.asks()
    for number in range(5):
        assert (await console.post(path, {"text": f"Answer {number}"})).status == 303
    refused = await console.post(path, {"text": "Answer 5"})
    assert refused.status == 429 and "Possible again from tomorrow 10:00" in refused.words
    assert (await console.post(path, {"text": "Answer 4"})).status == 303  # which is on its way already
    assert len(await asker.answers()) == 5


async def test_it_counts_as_any_message_that_we_start(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    await asker.asks()
    tight = change_services(running.hub.services, "messaging", budgets=BudgetLimits.model_construct(per_number_hour=0))
    with pytest.raises(BudgetSpent):
        await send_answer(tight, EVERYTHING, AnswerRequest(asker.task.id, ANSWER), "staff:test")
    assert await asker.answers() == [] and await asker.recorded() == 0


async def test_another_campus_and_other_tasks_get_the_answer_of_an_unknown_one(
    running: Running, console: ConsoleBrowser
) -> None:
    asker = Asker(running)
    path = await asker.asks()
    abroad = await console_of(running, "elsewhere")
    unknown = path.replace(str(asker.task.id), str(uuid4()))
    other = StaffTask(uuid4(), "stuck", "", "hefei", running.clock(), asker.contract.id, asker.task.signer)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.staff_tasks.add_task(other)
    stuck = path.replace(str(asker.task.id), str(other.id))
    nowhere = [
        (abroad, path),
        (abroad, unknown),
        (console, unknown),
        (console, stuck),
        (console, "/staff/tasks/x/answer"),
    ]
    for visitor, wrong in nowhere:
        assert (await visitor.get(wrong)).status == 404
        for step in (f"{wrong}/preview", wrong):
            assert (await visitor.post(step, {"text": ANSWER})).status == 404
    assert (await console.post(f"/staff/tasks/{asker.task.id}/done")).status == 303
    assert (await console.post(path, {"text": ANSWER})).status == 404  # it is settled
    assert await asker.answers() == [] and await asker.recorded() == 0


async def test_an_erased_answer_is_gone_everywhere(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    await console.post(await asker.asks(), {"text": ANSWER})
    await deliver(running)
    running.clock.advance(timedelta(seconds=1))
    await console.post(f"/staff/tasks/{asker.task.id}/answer", {"text": "Not sent yet."})
    await _erase(running, asker.contract.id, 0)
    sent, waiting = await asker.answers()
    assert (sent.text, dict(sent.variables), sent.state) == ("–", {"reply": "–"}, DeliveryState.DELIVERED)
    assert waiting.state is DeliveryState.SENDING and "Not sent yet." in waiting.text
    await _erase(running, asker.contract.id, 1)
    _, gone = await asker.answers()
    assert (gone.text, gone.state) == ("–", DeliveryState.WITHDRAWN)
    cards = (await console.get("/staff/tasks")).text.split("<article")
    (card,) = [each for each in cards if asker.contract.number in each]
    assert "Answered by text message" in card and ANSWER not in card and "Not sent yet." not in card


async def _erase(running: Running, contract: UUID, number: int) -> None:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        entries = await tx.record.list_entries(contract)
    which = [each.sequence for each in entries if each.kind == "question-answered"][number]
    await erase_words(running.hub.services, EVERYTHING, contract, which, "test")


async def test_it_is_there_in_chinese(running: Running, console: ConsoleBrowser) -> None:
    asker = Asker(running)
    path = await asker.asks(language="zh")
    chinese = await console_of(running, "clerk", language="zh")
    assert "用短信答复" in (await chinese.get(path)).words
    seen = await chinese.post(f"{path}/preview", {"text": "可以改到周三。"})
    assert "答复您：可以改到周三。" in seen.words and "短信 · 中文" in seen.words
    assert "内容不超过 150 个字符" in (await chinese.post(path, {"text": "字" * 151})).words
    assert "内容不能含网址" in (await chinese.post(path, {"text": "www.x"})).words
    await chinese.post(path, {"text": "可以改到周三。"})
    assert "已用短信答复： “可以改到周三。”" in (await chinese.get("/staff/tasks")).words
