"""Campuses and courses changed in the console, and sending that is paused there: looked at first, and in the record."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hub.model.staff.roles import StaffRole
from tests.lent_hubs import lent_hub
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser, Page, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[Running]:
    async with lent_hub(with_worker=False) as hub:
        await add_staff(hub, "hq-office", "hq", role=StaffRole.HEADQUARTERS)
        await add_staff(hub, "hq-auditor", "hq", role=StaffRole.AUDITOR)
        yield hub


@pytest_asyncio.fixture(loop_scope="module")
async def console(running: Running) -> ConsoleBrowser:
    return await console_of(running, "hq-office")


def fields(looked: Page) -> dict[str, str]:
    """Return what the button below a comparison sends."""
    return {
        name: html.unescape(v) for name, v in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', looked.text)
    }


async def last_kind(running: Running) -> str:
    return (await running.school_record())[-1].kind


async def test_a_change_is_looked_at_before_it_counts(running: Running, console: ConsoleBrowser) -> None:
    """One campus gets another name."""
    file = (await console.get("/staff/school/school.toml")).text
    assert 'name = "合肥校区"' in file
    unchanged = await console.post("/staff/school", {"text": file.replace("\n", "\r\n")})
    assert unchanged.status == 200 and "Nothing would change" in unchanged.words
    moved = file.replace('name = "合肥校区"', 'name = "合肥新校区"')
    seen = await console.post("/staff/school", {"text": moved})
    assert "campus Hefei campus hefei name: 合肥校区 → 合肥新校区" in seen.words and "Change all of this" in seen.words
    assert "Not in the file" not in seen.words
    alone = await console.post("/staff/school", {"text": moved[: moved.index("[[course]]")]})
    assert re.search(r"Not in the file, and left as they are: \d+ course .*course \S.* hefei/math-a", alone.words)
    assert "<li>course Mathematics A <code>hefei/math-a</code></li>" in alone.text
    assert (await console.get("/staff/school/school.toml")).text == file
    assert (await console.post("/staff/school/apply", fields(seen))).location == "/staff/school?said=school-changed"
    assert (await console.get("/staff/school/school.toml")).text == moved
    assert await last_kind(running) == "school-changed"


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_the_example_on_the_page_adds_a_campus_and_a_course(running: Running, language: str) -> None:
    console = await console_of(running, "hq-office", language=language)
    shown = re.search(r'<pre class="clauses">(.*?)</pre>', (await console.get("/staff/school")).text, re.DOTALL)
    assert shown
    file = (await console.get("/staff/school/school.toml")).text + html.unescape(shown[1])
    looked = await console.post("/staff/school", {"text": file})
    assert looked.status == 200, looked.words
    names = re.findall(r'^name = "(.+)"$', html.unescape(shown[1]), re.MULTILINE)
    entries = re.findall(r"<li><b>[^<]+</b>\s*<span>(.*?)</span></li>", looked.text, re.DOTALL)
    for entry, name, identity in zip(entries, names, ("east", "east/drawing"), strict=True):
        assert name in entry and identity in entry
    assert 'class="primary">' in looked.text and "/staff/school/apply" in looked.text


async def test_what_somebody_else_changed_meanwhile_is_shown_before_it_is_changed_back(console: ConsoleBrowser) -> None:
    file = (await console.get("/staff/school/school.toml")).text
    mine = await console.post("/staff/school", {"text": file.replace('address = "', 'address = "新', 1)})
    other = await console.post("/staff/school", {"text": file.replace('phone = "', 'phone = "+86', 1)})
    assert (await console.post("/staff/school/apply", fields(other))).status == 303
    now = (await console.get("/staff/school/school.toml")).text
    refused = await console.post("/staff/school/apply", fields(mine))
    assert refused.status == 409 and "Somebody else has changed" in refused.words and " phone: +86" in refused.words
    assert (await console.get("/staff/school/school.toml")).text == now
    assert (await console.post("/staff/school/apply", fields(refused))).status == 303
    assert (await console.post("/staff/school/apply", fields(refused))).status == 303  # pressed twice


async def test_all_faults_are_named_in_the_readers_language_and_nothing_changes(
    running: Running, console: ConsoleBrowser
) -> None:
    before = (await console.get("/staff/school/school.toml")).text
    wrong = before.replace('parent = "hq"', 'parent = "nowhere"', 1).replace("lessons = ", "lessons = -", 1)
    console.language = "zh"
    for path in ("/staff/school", "/staff/school/apply"):
        refused = await console.post(path, {"text": wrong})
        assert refused.status == 422 and "有 2 处错误，未作任何更改" in refused.words
        assert "没有校区 nowhere" in refused.words and "应为大于 0 的整数" in refused.words
    misread = before.replace("lessons = ", "lessons = -", 1).replace('name = "合肥校区"', 'name = "合肥老校区"')
    assert (await console.post("/staff/school/apply", {"text": misread})).status == 422
    broken = await console.post("/staff/school", {"text": "= no TOML"})
    assert broken.status == 422 and "文件 ：不是有效的 TOML 文件" in broken.words
    assert (await console.get("/staff/school/school.toml")).text == before


async def test_who_only_reads_does_not_set_the_school_up(running: Running) -> None:
    auditor = await console_of(running, "hq-auditor")
    assert [(await auditor.get(path)).status for path in ("/staff/school", "/staff/school/school.toml")] == [403, 403]
    for path in ("/staff/school", "/staff/school/apply", "/staff/sending/pause", "/staff/sending/resume"):
        assert (await auditor.post(path, {"text": ""})).status == 403, path


async def test_sending_is_paused_and_goes_on(running: Running, console: ConsoleBrowser) -> None:
    assert "Pause sending" in (await console.get("/staff/doctor")).words
    assert (await console.post("/staff/sending/pause")).location == "/staff/doctor?said=sending-paused"
    shown = (await console.get("/staff/doctor")).words
    assert "Paused since today" in shown and "PAUSED since" in shown and await last_kind(running) == "sending-paused"
    assert (await console.post("/staff/sending/resume")).location == "/staff/doctor?said=sending-resumed"
    shown = (await console.get("/staff/doctor")).words
    assert "Paused since" not in shown and "PAUSED" not in shown and await last_kind(running) == "sending-resumed"
