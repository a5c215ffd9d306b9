"""The list of enrolments at the desk: found, in pages, changed and deleted, until a contract is issued."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from hub.errors import NotFound
from hub.lifecycle.contract.issue import issue
from hub.lifecycle.evidence.school_acts import record_act
from hub.lifecycle.school.import_roster import new_contract
from hub.model.school.course import Enrolment
from hub.model.staff.scope import EVERYTHING, Scope
from hub.web.staff.school.enrolments import PAGE
from tests.connected_providers import carried_by
from tests.poster_visits import Family, cn_id
from tests.running import Running
from tests.web.staff_visit import ConsoleBrowser, Page, console_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def running(hub_of_clerks: Running) -> Running:
    return hub_of_clerks


@pytest_asyncio.fixture(loop_scope="session")
async def console(running: Running) -> ConsoleBrowser:
    return await console_of(running, "clerk")


async def enrolled(running: Running, name: str, family: Family | None = None, **changes: Any) -> Enrolment:
    family = family or Family()
    child = {"name": name, "id_type": "cn-id", "id_number": family.child_id, "birth_date": None}
    parent = {"role": "guardian", "name": family.parent, "phone": family.phone, "id_number": family.parent_id}
    people = {"student": child, "signers": [parent | {"id_type": "cn-id", "relation": "父亲", "language": "zh"}]}
    enrolment = replace(Enrolment(uuid4(), "hefei", "math-a", name, people), **changes)
    async with running.hub.database.transaction(EVERYTHING) as tx:
        person = tx.cipher.person("cn-id", family.child_id)
        assert await tx.school.add_enrolment(enrolment, person, running.clock())
    return enrolment


async def read(running: Running, enrolment: Enrolment) -> Enrolment:
    async with running.hub.database.transaction(EVERYTHING) as tx:
        return await tx.school.get_enrolment(enrolment.id)


def names(page: Page) -> list[str]:
    return re.findall(r'<a href="/staff/enrolments/[0-9a-f-]{36}"><b>([^<]*)</b>', page.text)


async def acts(running: Running, kind: str, enrolment: UUID) -> list[dict[str, Any]]:
    """Return the facts of the entries of this kind about an enrolment in the school's record."""
    entries = await running.school_record()
    return [dict(each.facts) for each in entries if each.kind == kind and each.facts.get("enrolment") == str(enrolment)]


async def test_one_is_found_by_name_whole_phone_and_number(running: Running, console: ConsoleBrowser) -> None:
    family = Family()
    await enrolled(running, "欧阳小满", family, external_id="2026-0117")
    await enrolled(running, "欧阳大满")
    national = family.phone.removeprefix("+86")
    for search in (national, family.phone, f"{national[:3]} {national[3:7]} {national[7:]}", "2026-0117", "欧阳小"):
        assert names(await console.get(f"/staff/enrolments?q={search.replace('+', '%2B')}")) == ["欧阳小满"], search
    assert names(await console.get("/staff/enrolments?q=欧阳")) == ["欧阳小满", "欧阳大满"]
    assert names(await console.get("/staff/enrolments?q=欧阳&order=newest")) == ["欧阳大满", "欧阳小满"]
    for search in (national[:-1], "小满", "2026", "%", "'", "9" * 200):
        page = await console.get(f"/staff/enrolments?q={search.replace('%', '%25')}")
        assert page.status == 200 and "欧阳小满" not in names(page), search
    abroad = await console_of(running, "elsewhere")
    for search in (national, "2026-0117", "欧阳"):
        assert names(await abroad.get(f"/staff/enrolments?q={search}")) == []


async def test_of_all_that_are_shown_none_is_of_another_campus(running: Running) -> None:
    await enrolled(running, "司徒小满")
    headquarters = await console_of(running)
    for campus, status in (("hefei", 200), ("beijing", 422)):
        page = await headquarters.post(f"/staff/enrolments/preview?campus={campus}&q=司徒小满", {"fitting": "1"})
        assert page.status == status, campus


async def test_pages_follow_each_other_without_gap_or_repetition(running: Running, console: ConsoleBrowser) -> None:
    expected = [f"上官{number}" for number in range(2 * PAGE + 2)]
    for name in expected:
        await enrolled(running, name)
    for order in ("", "newest"):
        address: str | None = f"/staff/enrolments?q=上官&order={order}"
        found: list[str] = []
        pages = 0
        while address:
            page = await console.get(address)
            found, pages = found + names(page), pages + 1
            following = re.search(r'href="(/staff/enrolments\?[^"]*after=\d+)"', page.text)
            address = following[1].replace("&amp;", "&") if following else None
            if pages == 1:
                await enrolled(running, f"上官后来{order}")  # who comes meanwhile moves nobody to another page
        assert pages >= 3 and [name for name in found if "后来" not in name] == expected[:: -1 if order else 1]
    for cursor in ("x", "-1", "1" * 30, "٣"):
        assert (await console.get(f"/staff/enrolments?after={cursor}")).status == 422
    assert (await console.get("/staff/enrolments?state=lost")).status == 422
    assert (await console.get("/staff/enrolments?import=x")).status == 422


async def test_states_and_courses_are_told_apart(running: Running, console: ConsoleBrowser) -> None:
    waiting = await enrolled(running, "司马一")
    issued = await enrolled(running, "司马二", course="english-b")
    contract = await issue(running.hub.services, EVERYTHING, new_contract(issued), "test")
    await console.post(f"/staff/enrolments/{waiting.id}", {"external_id": "77"})
    for state, expected in (
        ("", ["司马一"]),
        ("waiting", ["司马一"]),
        ("issued", ["司马二"]),
        ("changed", ["司马一"]),
        ("all", ["司马一", "司马二"]),
    ):
        assert names(await console.get(f"/staff/enrolments?q=司马&state={state}")) == expected, state
    page = await console.get("/staff/enrolments?q=司马&state=all&course=hefei/english-b")
    assert names(page) == ["司马二"] and contract.number in page.words and "to be signed" in page.words
    assert "changed today" in (await console.get("/staff/enrolments?state=changed&q=司马")).words
    nothing = await console.get("/staff/enrolments?q=司马二")
    assert names(nothing) == [] and "Search in all states" in nothing.words


async def test_an_enrolment_is_changed_and_the_change_recorded_without_values(
    running: Running, console: ConsoleBrowser
) -> None:
    family = Family()
    enrolment = await enrolled(running, "诸葛小满", family)
    page = await console.get(f"/staff/enrolments/{enrolment.id}")
    assert page.status == 200 and 'value="诸葛小满"' in page.text
    for secret in (family.child_id, family.parent_id, family.phone.removeprefix("+86")):
        assert secret not in page.text, "whole numbers are shown for a reason alone"
    new_id, new_phone = cn_id("20130501"), "19000000777"
    form = {
        "course": "english-b",
        "student_name": "诸葛大满",
        "student_id_type": "cn-id",
        "student_id_number": new_id,
        "signer0_name": "诸葛 建国",
        "signer0_relation": "祖父",
        "signer0_id_type": "cn-id",
        "signer0_id_number": "",
        "signer0_phone": new_phone,
        "signer0_email": "zhuge@school.example",
    }
    assert (await console.post(page_of(enrolment), form)).status == 303
    now = await read(running, enrolment)
    assert (now.course, now.student_name, now.people["student"]["id_number"]) == ("english-b", "诸葛大满", new_id)
    assert now.people["student"]["birth_date"] == "2013-05-01"
    signer = now.people["signers"][0]
    assert (signer["relation"], signer["phone"]) == ("祖父", f"+86{new_phone}")
    assert signer["id_number"] == family.parent_id, "an empty number stays"
    assert (signer["email"], signer["channels"]) == ("zhuge@school.example", ["sms", "email"])
    (facts,) = await acts(running, "enrolment-changed", enrolment.id)
    assert "student.id_number" in facts["fields"] and "signers[0].phone" in facts["fields"]
    assert not any(value in json.dumps(facts, ensure_ascii=False) for value in (new_id, new_phone, "诸葛", "zhuge"))
    assert names(await console.get(f"/staff/enrolments?q={new_phone}")) == ["诸葛大满"]
    assert names(await console.get(f"/staff/enrolments?q={family.phone.removeprefix('+86')}")) == []
    assert (await console.post(page_of(enrolment), form)).status == 303
    assert len(await acts(running, "enrolment-changed", enrolment.id)) == 1, "what changes nothing is no change"
    page = await console.get(page_of(enrolment))
    assert "On file: z***@school.example." in page.words and "zhuge" not in page.text
    assert (await console.post(page_of(enrolment), form | {"signer0_email": "nobody"})).status == 422


async def test_an_address_is_removed_and_whom_no_message_reaches_is_said(
    running: Running, console: ConsoleBrowser, monkeypatch: pytest.MonkeyPatch
) -> None:
    enrolment = await enrolled(running, "闻人小满")
    page = await console.get(page_of(enrolment))
    assert "Remove the e-mail address" not in page.words, "there is none"
    await console.post(page_of(enrolment), {"signer0_phone": "", "signer0_email": "wen@school.example"})
    page = await console.get(page_of(enrolment))
    assert "Remove the e-mail address on file" in page.words and "no message reaches" not in page.words
    both = {"signer0_phone": "", "signer0_email": "ren@school.example", "signer0_without_email": "yes"}
    refused = await console.post(page_of(enrolment), both)
    assert refused.status == 422 and "not both" in refused.words and 'value="yes" checked' in refused.text
    monkeypatch.setattr(running.hub.services.messaging.router, "providers", carried_by())
    assert "without an e-mail address, no message reaches this person" in (await console.get(page_of(enrolment))).words
    assert (await console.post(page_of(enrolment), both | {"signer0_email": ""})).status == 303
    signer = (await read(running, enrolment)).people["signers"][0]
    assert (signer["email"], signer["channels"]) == (None, ["sms"])
    assert (await acts(running, "enrolment-changed", enrolment.id))[-1]["fields"] == [
        "signers[0].channels",
        "signers[0].email",
    ]


def page_of(enrolment: Enrolment) -> str:
    return f"/staff/enrolments/{enrolment.id}"


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"student_name": ""}, 422),
        ({"student_id_number": "12"}, 422),
        ({"student_id_type": "moon"}, 422),
        ({"signer0_phone": "12"}, 422),
        ({"signer0_language": "xx", "signer0_phone": ""}, 422),
        ({"course": "alchemy"}, 422),
        ({"signer0_phone": "", "signer1_phone": "19000000777"}, 422),
        ({"student_id_number": "TAKEN"}, 409),
    ],
)
async def test_what_could_not_be_issued_is_not_saved(
    running: Running, console: ConsoleBrowser, form: dict[str, str], status: int
) -> None:
    other, enrolment = Family(), await enrolled(running, "公孙小满")
    await enrolled(running, "公孙大满", other)
    sent = {name: other.child_id if value == "TAKEN" else value for name, value in form.items()}
    page = await console.post(page_of(enrolment), sent)
    assert page.status == status and 'role="alert"' in page.text
    assert await read(running, enrolment) == enrolment and not await acts(running, "enrolment-changed", enrolment.id)


async def test_once_issued_it_is_neither_changed_nor_deleted(running: Running, console: ConsoleBrowser) -> None:
    enrolment = await enrolled(running, "慕容小满")
    contract = await issue(running.hub.services, EVERYTHING, new_contract(enrolment), "test")
    page = await console.get(page_of(enrolment))
    assert "reissue the contract" in page.words and f'href="/staff/contracts/{contract.id}"' in page.text
    for address in (page_of(enrolment), f"{page_of(enrolment)}/delete"):
        refused = await console.post(address, {"student_name": "别人"})
        assert refused.status == 409 and "reissue the contract" in refused.words
    assert (await read(running, enrolment)).student_name == "慕容小满"


async def test_one_that_is_not_issued_is_deleted_and_that_recorded(running: Running, console: ConsoleBrowser) -> None:
    family = Family()
    enrolment = await enrolled(running, "令狐小满", family)
    gone = await console.post(f"{page_of(enrolment)}/delete")
    assert gone.status == 303 and names(await console.get("/staff/enrolments?q=令狐&state=all")) == []
    assert len(await acts(running, "enrolment-deleted", enrolment.id)) == 1
    assert (await console.post(f"{page_of(enrolment)}/delete")).status == 404
    await enrolled(running, "令狐小满", family)  # it can come again


async def test_another_campus_gets_the_answer_of_an_unknown_one(running: Running) -> None:
    enrolment = await enrolled(running, "西门小满")
    abroad = await console_of(running, "elsewhere")
    for address in (page_of(enrolment), f"/staff/enrolments/{uuid4()}", "/staff/enrolments/none"):
        assert (await abroad.get(address)).status == 404
        assert (await abroad.post(address, {"student_name": "别人"})).status == 404
        assert (await abroad.post(f"{address}/delete")).status == 404
    assert (await read(running, enrolment)).student_name == "西门小满"
    stranger = await ConsoleBrowser(running).post(f"{page_of(enrolment)}/delete")
    assert stranger.status in (303, 401)
    foreign = await (await console_of(running, "clerk")).post(
        f"{page_of(enrolment)}/delete", origin="https://evil.example"
    )
    assert foreign.status == 403
    await read(running, enrolment)


async def test_the_schools_record_is_one_chain_for_all_campuses(running: Running, console: ConsoleBrowser) -> None:
    here, there = await enrolled(running, "第一"), await enrolled(running, "第二", campus="beijing", course="math-a")
    abroad = await console_of(running, "elsewhere")
    for one, at in ((here, console), (there, abroad), (here, console)):
        assert (await at.post(page_of(one), {"external_id": str(uuid4())})).status == 303
    async with running.hub.database.transaction(Scope(frozenset({"hefei"}))) as tx:
        await record_act(tx, "hefei", "enrolment-changed", "staff:x", {})
        with pytest.raises(NotFound):
            await tx.school.get_enrolment(there.id)
    entries = await running.school_record()
    assert [each.sequence for each in entries] == list(range(1, len(entries) + 1))


async def test_the_list_speaks_chinese(running: Running) -> None:
    console = await console_of(running, "clerk", language="zh")
    enrolment = await enrolled(running, "东方小满")
    for address in ("/staff/enrolments", "/staff/enrolments?q=无此人", page_of(enrolment)):
        words = re.sub(r"Qianda|English", "", (await console.get(address)).words)
        assert not re.search(r"[A-Za-z]{3,} [A-Za-z]{3,}", words), words
