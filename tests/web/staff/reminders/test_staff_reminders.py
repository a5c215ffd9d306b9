"""Policies and reminders to many at the desk: previews, what is refused and why, and the progress of a job."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import aiohttp
import pytest
import pytest_asyncio

from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.lifecycle.reminders.bulk_remind import MAX_AT_ONCE
from hub.model.contract.signer import Role
from hub.model.reminders.policy import ReminderPolicy
from hub.model.staff.accounts import StaffTask
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from hub.router.policy import get_policy_at
from hub.web.staff import policy_labels
from hub.web.staff.reminders import bulk
from tests.lent_hubs import lent_hub
from tests.poster_visits import Family
from tests.running import Running, until
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub() as hub:
        yield hub


async def policy(running: Running, campus: str, course: str | None = None) -> ReminderPolicy:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await get_policy_at(tx, running.hub.services.messaging.policy, campus, course)


async def test_every_key_of_a_policy_stands_on_the_page(console: ConsoleBrowser) -> None:
    keys = set(ReminderPolicy().to_dict())
    assert (
        {key for group in policy_labels.POLICY_GROUPS.values() for key in group}
        == keys
        == set(policy_labels.POLICY_KEYS)
    )
    page = await console.get("/staff/policies")
    assert page.status == 200 and set(re.findall(r'id="(\w+)" name="\1"', page.text)) == keys | {"calendar"}
    assert "As it is now" in page.words and re.search(r"\d\d:\d\d reminder \(4\) as the signer wished", page.words)


async def test_a_preview_shows_the_plan_and_saves_nothing(running: Running, console: ConsoleBrowser) -> None:
    form = {"at": "hefei/math-a", "reminders_after": "2d，9d", "reminders_through": "voice", "preview": "1"}
    page = await console.post("/staff/policies", form)
    assert page.status == 200 and "With these changes" in page.words
    assert re.search(r"\d\d:\d\d reminder \(1\) call ›", page.words)
    # The form leads to the plan. Of a value that is refused the head of the page speaks: there is no place to jump to.
    refused = await console.post("/staff/policies", form | {"reminders_after": "99d"})
    assert refused.status == 422 and ('id="plan"' in page.text, 'id="plan"' in refused.text) == (True, False)
    assert (await policy(running, "hefei", "math-a")).reminders_through == ()


async def test_one_contract_has_a_policy_of_its_own(running: Running, console: ConsoleBrowser) -> None:
    mine, other = await running.issue_minor(), await running.issue_minor()
    await running.asleep_after_invitation(mine, other)
    page = await console.get(f"/staff/contracts/{mine.id}")
    (address,) = re.findall(r'href="(/staff/policies\?at=[^"]+)"', page.text)
    assert address == f"/staff/policies?at=hefei/math-a/{mine.id}"
    page = await console.get(address)
    assert page.status == 200 and f"{mine.number} · 陈小满" in page.words
    assert "This contract, if nobody signs it: 陈建国" in page.words
    before = await _steps(running, mine.id), await _steps(running, other.id)
    form = {"at": f"hefei/math-a/{mine.id}", "reminders_after": "5d", "reminders_through": "voice"}
    preview = await console.post("/staff/policies", form | {"preview": "1"})
    assert preview.status == 200 and re.search(r"reminder \(1\) call ›", preview.words)
    shown = re.findall(r'<time datetime="([^"]+)"', preview.text.partition('id="plan"')[2])
    assert (await _steps(running, mine.id), await _steps(running, other.id)) == before
    saved = await console.post("/staff/policies", form | {"save": "1"})
    assert (saved.status, saved.location) == (303, f"{address}&said=policy-changed")
    ((_, due_at),) = await _steps(running, mine.id)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert due_at.isoformat() == shown[0] and timedelta(days=4) < due_at - tx.now < timedelta(days=7)
    assert await _steps(running, other.id) == before[1]
    assert "reminders changed for this contract" in (await console.get(f"/staff/contracts/{mine.id}")).words
    refused = await console.post("/staff/policies", form | {"reminders_after": "400d", "save": "1"})
    assert refused.status == 422 and 'value="400"' in refused.text
    await add_staff(running, "policy-stranger", "beijing", role=StaffRole.CAMPUS_MANAGER)
    stranger = await console_of(running, "policy-stranger")
    assert (await stranger.get(address)).status == 422
    assert (await stranger.post("/staff/policies", form | {"at": f"beijing//{mine.id}", "save": "1"})).status == 404
    assert (await console.get("/staff/policies?at=hefei/math-a/nothing")).status == 404
    assert (await console.post("/staff/policies", {"at": f"hefei/math-a/{mine.id}", "save": "1"})).status == 303
    assert await _steps(running, mine.id) == before[0]  # as decided above, again
    await console.post(f"/staff/contracts/{mine.id}/void", {"reason": "He is ill."})
    over = await console.post("/staff/policies", form | {"save": "1"})
    assert over.status == 409 and "no signature is due for this contract" in over.words


async def _steps(running: Running, contract: UUID) -> list[tuple[str, datetime]]:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        steps = [task.step for task in await tx.tasks.list_of_contract(contract)]
    return [(step.kind.value, step.due_at) for step in steps if step]


async def test_what_is_saved_holds_below_and_moves_what_is_asleep(running: Running, console: ConsoleBrowser) -> None:
    contract = await running.issue_minor()
    await running.invited(contract)
    page = await console.post("/staff/policies", {"at": "hefei/math-a", "reminders_after": "2、9", "save": "1"})
    assert (page.status, page.location) == (303, "/staff/policies?at=hefei/math-a&said=policy-changed")
    assert [each.days for each in (await policy(running, "hefei", "math-a")).reminders_after] == [2, 9]
    assert [each.days for each in (await policy(running, "hefei")).reminders_after] == [1, 3, 7]

    async def moved() -> bool:
        async with running.hub.database.transaction(EVERYTHING) as tx:
            (task,) = await tx.tasks.list_of_contract(contract.id)
            return bool(task.step and task.invited_at and (task.step.due_at - task.invited_at).days >= 2)

    assert await until(moved)
    page = await console.get("/staff/policies?at=hefei/math-a")
    assert 'value="2, 9"' in page.text and "reminded 2, 9 days after the invitation" in page.words
    await console.post("/staff/policies", {"at": "hefei/math-a", "reminders_after": "", "save": "1"})
    assert [each.days for each in (await policy(running, "hefei", "math-a")).reminders_after] == [1, 3, 7]


@pytest.mark.parametrize(
    ("entered", "why"),
    [
        (
            {"repeat_every": "0", "repeat_every_unit": "d"},
            "then again every: has to be at least a day, or the reminders would never end",
        ),
        ({"window_opens": "05:00"}, "Not before: would wake people: not before 06:00"),
        ({"last_call_through": "pigeon"}, "Last reminder: there is no channel 'pigeon'"),
        ({"messages_per_day": "many"}, "Messages to one person per day: has to be a whole number"),
        ({"escalate_to": "nobody-of-this-name"}, "Task goes to: no account with this login at this campus"),
        ({"escalate_after": "0"}, "Task for staff after every … unanswered reminders: has to be at least 1"),
        ({"reminders_after": "400"}, "Reminders after: the first has to come within 7 days of the invitation"),
        (
            {"last_call_before": "60", "last_call_before_unit": "d"},
            "Last reminder before: has to be at most 14 days: no reminder comes after",
        ),
        ({"escalate_after": "99999"}, "Task for staff after every … unanswered reminders: has to be at most 10"),
        ({"messages_per_day": "99999"}, "Messages to one person per day: has to be at most 10"),
        ({"window_closes": "23:30"}, "Not after: would wake people: not after 23:00"),
        ({"skip_holidays": "yes", "holidays_of": "XX"}, "Public holidays of: the public holidays of XX are not known"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_key_and_reason(
    running: Running, console: ConsoleBrowser, entered: dict[str, str], why: str
) -> None:
    before = await policy(running, "hefei")
    for act in ("preview", "save"):
        page = await console.post("/staff/policies", {"at": "hefei/", act: "1"} | entered)
        assert page.status == 422 and why in page.words
        assert all(f'value="{value}"' in page.text for value in entered.values())  # nothing has to be typed again
    assert await policy(running, "hefei") == before


async def test_a_policy_is_entered_and_read_in_words(running: Running, console: ConsoleBrowser) -> None:
    form = {"at": "hefei/math-a", "repeat_every": "5", "repeat_every_unit": "d", "manual_apart": "2"}
    form |= {"manual_apart_unit": "h", "last_call_through": "voice, sms", "messages_per_day": "1"}
    assert (await console.post("/staff/policies", form | {"save": "1"})).status == 303
    there = await policy(running, "hefei", "math-a")
    assert (there.repeat_every, there.manual_apart) == (timedelta(days=5), timedelta(hours=2))
    assert there.last_call_through == ("voice", "sms")
    page = await console.get("/staff/policies?at=hefei/math-a")
    sentences = (
        "then again every 5 days.",
        "2 hours after the last reminder by hand",
        "Last reminder: call, then text message.",
    )
    for words in sentences:
        assert words in page.words, page.words
    assert not re.search(r"\b\d+[dhm]\b", page.words)
    chinese = await (await console_of(running, language="zh")).get("/staff/policies?at=hefei/math-a")
    assert "之后每隔 5 天再提醒一次。" in chinese.words and "中国" in chinese.words
    entry = (await running.school_record())[-1]
    assert (entry.kind, entry.facts["course"]) == ("policy-changed", "math-a")
    assert entry.facts["keys"] == "last_call_through, manual_apart, messages_per_day, repeat_every"
    assert (await console.post("/staff/policies", {"at": "hefei/math-a", "save": "1"})).status == 303


async def test_headquarters_cannot_decide_what_a_campus_does_not_fit(running: Running, console: ConsoleBrowser) -> None:
    assert (
        await console.post("/staff/policies", {"at": "hefei/", "window_closes": "10:30", "save": "1"})
    ).status == 303
    page = await console.post("/staff/policies", {"at": "hq/", "window_opens": "10:00", "save": "1"})
    assert page.status == 422 and "an hour or more after window_opens" in page.words
    assert (await console.post("/staff/policies", {"at": "hefei/", "save": "1"})).status == 303


async def test_a_calendar_is_brought_in_as_a_whole_or_not_at_all(running: Running, console: ConsoleBrowser) -> None:
    async def upload(content: bytes) -> int:
        form = aiohttp.FormData({"at": "hefei/"})
        form.add_field("calendar", content, filename="calendar.csv")
        headers = {"Cookie": f"__Host-qianda-staff={console.cookie}; qianda-language=en", "Origin": running.origin}
        url = f"{running.origin}/staff/policies/calendar"
        async with running.http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
            return answer.status

    assert await upload("date,what,name\n2027-01-02,closed,考试\n\n2027-02-15,open,补课\n".encode("gb18030")) == 303
    assert await upload(b"2027-01-03,closed,x\n2027-13-01,closed,y\n") == 422
    assert await upload(b"2027-01-03,closed," + b"x" * 200_000) == 422
    page = await console.get("/staff/policies?at=hefei/")
    assert "2 January 2027 · closed · 考试" in page.words and "15 February 2027 · open · 补课" in page.words


async def test_a_campus_changes_its_own_alone(running: Running) -> None:
    await add_staff(running, "policy-manager", "beijing", role=StaffRole.CAMPUS_MANAGER)
    manager = await console_of(running, "policy-manager")
    for at in ("hq/", "hefei/", "hefei/math-a"):
        assert (await manager.get(f"/staff/policies?at={at}")).status == 422
        assert (await manager.post("/staff/policies", {"at": at, "messages_per_day": "1", "save": "1"})).status == 422
    assert (
        await manager.post("/staff/policies", {"at": "beijing/", "messages_per_day": "1", "save": "1"})
    ).status == 303
    assert (await policy(running, "beijing")).messages_per_day == 1
    assert (await policy(running, "hefei")).messages_per_day == 2


async def test_many_are_reminded_after_a_preview(running: Running, console: ConsoleBrowser) -> None:
    contracts = [await running.issue_minor() for _ in range(2)]
    await running.invited(*contracts)
    board = await console.get("/staff")
    assert board.text.count('name="contract"') >= 2 and "Remind selected" in board.words
    chosen = [("contract", str(each.id)) for each in contracts]
    page = await console.post("/staff/remind/preview", chosen)
    assert page.status == 200 and "2 selected: 0 will be sent now" in page.words
    assert "2 got a message a short while ago" in page.words
    assert "reminded now. Planned reminders still go out" in page.words and "Remind them" not in page.words
    act = re.search(r'name="act" value="([^"]+)"', page.text)
    assert act
    for _ in range(2):  # sent twice, it is one act
        page = await console.post("/staff/remind", [("act", act[1]), *chosen])
        assert (page.status, page.location) == (303, f"/staff/remind/{act[1]}")

    async def done() -> bool:
        return "Done: 2 are dealt with" in (await console.get(f"/staff/remind/{act[1]}?part=live")).words

    assert await until(done)
    assert "2 left out: a message a short while ago" in (await console.get(f"/staff/remind/{act[1]}")).words
    page = await console.post("/staff/remind/preview?course=math-a", {"fitting": "1"})
    assert page.status == 200 and re.search(r"\d selected", page.words)
    assert "none was selected" in (await console.post("/staff/remind/preview", {})).words
    await add_staff(running, "many-clerk", "beijing")
    clerk = await console_of(running, "many-clerk")
    assert (await clerk.get(f"/staff/remind/{act[1]}")).status == 404
    assert (await clerk.post("/staff/remind/preview", chosen)).status == 404


async def test_the_preview_of_as_many_as_are_allowed_is_a_form_that_is_taken(
    running: Running, console: ConsoleBrowser
) -> None:
    contract = await running.issue_minor(send="none")
    page = await console.post("/staff/remind/preview", {"contract": str(contract.id)})
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text)
    assert [name for name, _ in fields] == ["act", "contracts"]
    assert (await console.post("/staff/remind", fields)).status == 303
    many = " ".join(str(uuid4()) for _ in range(MAX_AT_ONCE))
    assert (await console.post("/staff/remind", [("act", str(uuid4())), ("contracts", many)])).status == 404


async def test_reminding_is_offered_with_the_number_of_those_who_get_a_message(
    running: Running, console: ConsoleBrowser
) -> None:
    family = Family()
    student = NewStudent(family.child, "cn-id", family.child_id)
    guardian = NewSigner(Role.GUARDIAN, family.parent, family.phone, family.parent_id, relation="父亲")
    contract = await running.issue_minor(student=student, signers=(guardian,), send="none")
    page = await console.post("/staff/remind/preview", {"contract": str(contract.id)})
    assert "Remind them (1)" in page.words and "Nobody would be reminded now" not in page.words


async def test_a_preview_of_only_some_says_so(
    running: Running, console: ConsoleBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = [await running.issue_minor(send="none") for _ in range(2)]
    monkeypatch.setattr(bulk, "MAX_AT_ONCE", 1)
    page = await console.post("/staff/remind/preview?course=math-a&age=", {"fitting": "1"})
    assert "At most 1 at a time, the oldest first. If more fit, choose a narrower filter" in page.words
    assert 'href="/staff?course=math-a' in page.text  # one goes back to the same filter
    monkeypatch.undo()
    page = await console.post("/staff/remind/preview", {"contract": str(first.id)})
    assert "at a time, the oldest first" not in page.words


async def test_all_that_fit_are_those_of_the_board(running: Running, console: ConsoleBrowser) -> None:
    here, there = await running.issue_minor(), await running.issue_minor(campus="beijing")
    board = await console.get("/staff?campus=hefei&age=")
    (address,) = re.findall(r'action="(/staff/remind/preview[^"]*)"', board.text)
    picked = (await console.post(html.unescape(address), {"fitting": "1"})).text
    assert str(here.id) in picked and str(there.id) not in picked
    everywhere = (await console.post("/staff/remind/preview", {"fitting": "1"})).text
    assert str(here.id) in everywhere and str(there.id) in everywhere
    old = await console.post("/staff/remind/preview?campus=hefei&age=7", {"fitting": "1"})
    assert "none was selected" in old.words
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.school.advance_clock(timedelta(days=8))
    old = await console.post("/staff/remind/preview?campus=hefei&age=7", {"fitting": "1"})
    assert str(here.id) in old.text and str(there.id) not in old.text
    await add_staff(running, "other-clerk", "beijing")
    stranger = await console_of(running, "other-clerk")
    assert (await stranger.post("/staff/remind/preview?campus=hefei", {"fitting": "1"})).status == 403


async def test_no_reminder_is_offered_for_a_number_that_has_to_stay_silent(
    running: Running, console: ConsoleBrowser
) -> None:
    contract = await running.issue_minor()
    async with running.hub.database.transaction(EVERYTHING) as tx:
        (task,) = await tx.tasks.list_of_contract(contract.id)
    act, page = f"/staff/contracts/{contract.id}/remind", f"/staff/contracts/{contract.id}"
    for paused in (False, True):
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await tx.tasks.pause(task.id, paused)
        for each in ("/staff", page):
            assert (f'action="{act}"' in (await console.get(each)).text) is not paused
    refused = await console.post(act, {})
    assert refused.status == 409 and "Reminders are paused until the question from this number" in refused.words
    assert "该号码提出的疑问处理完之前，提醒暂停。" in (await console.post(f"{act}?lang=zh", {})).words
    await console.get("/staff?lang=en")


async def test_a_staff_task_is_taken_handed_on_and_settled(running: Running, console: ConsoleBrowser) -> None:
    await add_staff(running, "task-clerk", "hefei")
    await add_staff(running, "task-stranger", "beijing")
    clerk, stranger = await console_of(running, "task-clerk"), await console_of(running, "task-stranger")
    asked = StaffTask(uuid4(), "question", "Which room is it?", "hefei", running.clock())
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.staff_tasks.add_task(asked)

    async def owned() -> bool:
        return "Assigned to" in (await clerk.get("/staff/tasks")).words

    assert await until(owned)  # the worker gave it to the manager
    page = await clerk.get("/staff/tasks")
    assert "to be settled by" in page.words and "All 1 Mine 0" in page.words
    assert (await clerk.post(f"/staff/tasks/{asked.id}/take")).location == "/staff/tasks?said=task-taken"
    page = await clerk.get("/staff/tasks?whose=mine")
    assert "Yours" in page.words and "Which room is it?" in page.words
    for path in ("take", "hand"):
        assert (await stranger.post(f"/staff/tasks/{asked.id}/{path}", {"login": "task-clerk"})).status == 404
    refused = await clerk.post(f"/staff/tasks/{asked.id}/hand", {"login": "task-stranger"})
    assert refused.status == 422 and "this account may not finish the task" in refused.words
    handed = await clerk.post(f"/staff/tasks/{asked.id}/hand", {"login": "demo"})
    assert handed.location == "/staff/tasks?said=task-handed"
    assert "Which room is it?" not in (await clerk.get("/staff/tasks?whose=mine")).words
    assert "Which room is it?" in (await console.get("/staff/tasks?whose=mine")).words
    await console.post(f"/staff/tasks/{asked.id}/done")
    assert (await clerk.post(f"/staff/tasks/{asked.id}/take")).status == 404


async def test_a_task_is_offered_to_those_alone_who_may_settle_it(running: Running, console: ConsoleBrowser) -> None:
    await add_staff(running, "offer-clerk", "hefei")
    await add_staff(running, "offer-colleague", "hefei")
    await add_staff(running, "offer-boss", "hq")
    await add_staff(running, "offer-stranger", "beijing")
    clerk = await console_of(running, "offer-clerk")
    tasks = {campus: StaffTask(uuid4(), "question", "Why?", campus, running.clock()) for campus in ("hefei", "hq")}
    async with running.hub.database.transaction(EVERYTHING) as tx:
        for task in tasks.values():
            await tx.staff_tasks.add_task(task)

    async def offered(visitor: ConsoleBrowser, campus: str) -> set[str]:
        text = (await visitor.get("/staff/tasks")).text
        _, _, form = text.partition(f'action="/staff/tasks/{tasks[campus].id}/hand"')
        return set(re.findall(r'<option value="([^"]+)"', form.partition("</form>")[0]))

    assert {"offer-colleague", "offer-boss", "demo"} <= await offered(clerk, "hefei")
    assert not {"offer-clerk", "offer-stranger"} & await offered(clerk, "hefei")
    assert await offered(console, "hq") == {"offer-boss"}
    found = await offered(console, "hefei")
    assert {"offer-clerk", "offer-colleague", "offer-boss"} <= found and "offer-stranger" not in found
    for login in found:  # nobody is offered who would be refused
        handed = await console.post(f"/staff/tasks/{tasks['hefei'].id}/hand", {"login": login})
        assert handed.location == "/staff/tasks?said=task-handed"
    for task in tasks.values():
        await console.post(f"/staff/tasks/{task.id}/done")


async def test_the_ledger_stands_on_the_contracts_page_and_in_the_api(
    running: Running, console: ConsoleBrowser
) -> None:
    contract = await running.issue_minor()

    async def told() -> list[str]:
        headers = {"Authorization": f"Bearer {running.api_key}"}
        url = f"{running.origin}/api/v1/contracts/{contract.id}/reminders"
        async with running.http.get(url, headers=headers) as answer:
            entries = (await answer.json())["entries"]
        kinds = [entry["kind"] for entry in entries]
        return kinds if "receipt" in kinds else []

    assert (await until(told))[:4] == ["planned", "sent", "planned", "receipt"]
    page = await console.get(f"/staff/contracts/{contract.id}")
    assert "The ledger of reminders" in page.words and "receipt delivered" in page.words
