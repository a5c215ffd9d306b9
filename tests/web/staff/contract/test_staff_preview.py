"""Before anything is issued, staff see the first real contract and its message as the signer will see them."""

from __future__ import annotations

import asyncio
import base64
import re
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

from hub.model.messaging.sms_length import measure_text
from hub.model.school.course import Enrolment
from hub.model.staff.scope import EVERYTHING
from tests.poster_visits import Family
from tests.running import GUARDIAN_ID, Running
from tests.web.staff_visit import ISSUE_FORM, ConsoleBrowser, Page, console_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

FORM = ISSUE_FORM | {"send": "now"}


@pytest.fixture
def running(hub_of_clerks: Running) -> Running:
    return hub_of_clerks


@pytest_asyncio.fixture(loop_scope="session")
async def console(running: Running) -> ConsoleBrowser:
    return await console_of(running, "clerk")


async def rows_of(running: Running) -> dict[str, int]:
    """How many rows there are of what issuing writes."""
    tables = ("contract", "signer", "delivery", "sign_link", "record_entry", "contract_number", "budget")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        counted = {table: await tx.connection.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables}
        counted["numbers"] = await tx.connection.scalar(text("SELECT coalesce(sum(last), 0) FROM contract_number"))
    files = running.hub.settings.data / "files"
    return counted | {"files": sum(each.is_file() for each in files.rglob("*"))}


def images_of(page: Page) -> list[bytes]:
    return [base64.b64decode(each) for each in re.findall(r'src="data:image/png;base64,([^"]+)"', page.text)]


def hidden(page: Page) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text))


async def test_one_is_looked_at_and_nothing_of_it_is_kept(running: Running, console: ConsoleBrowser) -> None:
    before = await rows_of(running)
    day = (running.clock() + timedelta(days=90)).date()
    page = await console.post("/staff/issue/preview", FORM | {"deadline": str(day)})
    assert page.status == 200 and page.headers["Cache-Control"] == "no-store"
    images = images_of(page)
    assert len(images) > 1 and all(each.startswith(b"\x89PNG") for each in images)
    (said,) = re.findall(r'<div class="said" lang="zh-CN">([^<]*)</div>', page.text)
    assert f"请您{day.month}月{day.day}日 23:59前签署合同" in said and f"{running.origin}/s/" in said
    size = measure_text(said.strip())
    told = f"text message · 中文 · {size.units} characters · {size.segments} segment"
    assert told in page.words and "What 陈建国 gets first" in page.words
    assert await rows_of(running) == before
    await console.post("/staff/issue/preview", FORM)
    assert await rows_of(running) == before


async def test_what_was_looked_at_is_issued_once(running: Running, console: ConsoleBrowser) -> None:
    kept = hidden(await console.post("/staff/issue/preview", FORM))
    assert {name: value for name, value in kept.items() if name != "once"} == {k: v for k, v in FORM.items() if v}
    first, second = await asyncio.gather(*(console.post("/staff/issue", kept) for _ in range(2)))
    third = await console.post("/staff/issue", kept)
    assert first.status == 303 and first.location.endswith("?said=issued")
    assert first.location == second.location == third.location
    again = await console.post("/staff/issue", hidden(await console.post("/staff/issue/preview", FORM)))
    assert again.status == 303 and again.location != first.location
    other = await console.post("/staff/issue", kept | {"student_name": "陈小双"})
    assert other.status == 422
    colleague = await console_of(running)  # a key of somebody else is another key
    assert (await colleague.post("/staff/issue", kept)).location not in (first.location, again.location)


async def test_without_a_look_a_second_click_is_the_same_act_too(running: Running, console: ConsoleBrowser) -> None:
    once = hidden(await console.get("/staff/issue"))["once"]
    assert once != hidden(await console.get("/staff/issue"))["once"]
    before = await rows_of(running)
    clicks = await asyncio.gather(*(console.post("/staff/issue", FORM | {"once": once}) for _ in range(2)))
    assert clicks[0].status == 303 and clicks[0].location == clicks[1].location
    assert (await rows_of(running))["contract"] == before["contract"] + 1


async def test_what_was_entered_can_be_changed_after_a_look(console: ConsoleBrowser) -> None:
    kept = hidden(await console.post("/staff/issue/preview", FORM | {"send": "policy"}))
    page = await console.post("/staff/issue/change", kept)
    assert page.status == 200 and 'value="陈小满"' in page.text and f'value="{GUARDIAN_ID}"' in page.text
    assert '<option value="policy" selected>' in page.text


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"phone": "12"}, 422),
        ({"guardian_name": "", "guardian_id_number": ""}, 422),
        ({"deadline": "soon"}, 422),
        ({"send": "never"}, 422),
        ({"course": "beijing/none"}, 404),
    ],
)
async def test_what_cannot_be_issued_is_not_shown(
    running: Running, console: ConsoleBrowser, change: dict[str, str], status: int
) -> None:
    before = await rows_of(running)
    page = await console.post("/staff/issue/preview", FORM | change)
    assert page.status in (422, status) and images_of(page) == [] and 'role="alert"' in page.text
    assert 'value="陈小满"' in page.text  # the form, as it was entered
    assert await rows_of(running) == before


async def test_two_who_sign_in_turn_each_get_their_own(console: ConsoleBrowser) -> None:
    more = {
        "guardian2_name": "李梅",
        "guardian2_relation": "母亲",
        "guardian2_id_type": "passport",
        "guardian2_id_number": "E12345678",
        "guardian2_phone": "19000000155",
        "turns": "in-order",
        "language": "en",
    }
    page = await console.post("/staff/issue/preview", FORM | more)
    said = re.findall(r'<div class="said" lang="en">([^<]*)</div>', page.text)
    assert len(said) == 2 and "please sign your course contract by" in said[0] and said[0] != said[1]
    assert "When the earlier signers have signed." in page.words and "text message · English" in page.words


async def enrolled(running: Running, name: str, course: str = "math-a") -> str:
    family = Family()
    child = {"name": name, "id_type": "cn-id", "id_number": family.child_id, "birth_date": None}
    parent = {"role": "guardian", "name": family.parent, "phone": family.phone, "id_number": family.parent_id}
    people = {"student": child, "signers": [parent | {"id_type": "cn-id", "relation": "父亲"}]}
    enrolment = Enrolment(uuid4(), "hefei", course, name, people)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.school.add_enrolment(enrolment, f"{name}-{course}", running.clock())
    return str(enrolment.id)


async def test_of_many_the_first_is_shown(running: Running, console: ConsoleBrowser) -> None:
    chosen = [("enrolment", await enrolled(running, name)) for name in ("赵一", "钱二")]
    before = await rows_of(running)
    page = await console.post("/staff/enrolments/preview", chosen)
    assert "2 contracts will be drawn" in page.words and "The first of them" in page.words
    assert len(images_of(page)) > 1 and 'class="said"' in page.text
    day = (running.clock() + timedelta(days=90)).date()
    moved = await console.post("/staff/enrolments/preview", [*chosen, ("deadline", str(day)), ("send", "policy")])
    assert f"{day.month}月{day.day}日 23:59" in moved.text and f'value="{day}"' in moved.text
    assert '<option value="policy" selected>' in moved.text
    wrong = await console.post("/staff/enrolments/preview", [*chosen, ("deadline", "2020-04-02")])
    assert wrong.status == 422 and images_of(wrong) == []
    assert await rows_of(running) == before


async def test_another_campus_sees_nobody(running: Running) -> None:
    chosen = await enrolled(running, "孙三")
    abroad = await console_of(running, "elsewhere")
    foreign = await abroad.post("/staff/enrolments/preview", {"enrolment": chosen})
    unknown = await abroad.post("/staff/enrolments/preview", {"enrolment": str(UUID(int=1))})
    assert foreign.status == unknown.status == 404 and "孙三" not in foreign.text
    page = await abroad.post("/staff/issue/preview", FORM)
    assert page.status in (404, 422) and images_of(page) == []


async def test_it_is_there_in_chinese(running: Running) -> None:
    console = await console_of(running, "clerk", language="zh")
    page = await console.post("/staff/issue/preview", FORM)
    assert "合同在签署人眼中的样子" in page.words and "陈建国 最先收到的消息" in page.words
    assert "目前尚未保存或发送任何内容" in page.words
