"""Legal holds, by the pages of the console."""

from __future__ import annotations

from uuid import uuid4

import pytest

from hub.errors import Refused
from hub.lifecycle.contract.end import void
from hub.lifecycle.evidence.erase import erase_words
from hub.lifecycle.evidence.make_package import make_package
from hub.model.staff.roles import StaffRole
from hub.model.staff.scope import EVERYTHING
from tests.running import QUICK, Running
from tests.web.staff_visit import ConsoleBrowser, add_staff, console_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def console(running: Running, role: StaffRole, campus: str = "hq") -> ConsoleBrowser:
    login = f"staff-{uuid4().hex[:8]}"
    await add_staff(running, login, campus, QUICK, role)
    return await console_of(running, login)


async def test_a_contract_is_held_and_the_hold_is_lifted(running: Running) -> None:
    contract, legal = await running.issue_minor(), await console(running, StaffRole.LEGAL)
    link = f"/staff/holds?number={contract.number}"
    assert link in (await legal.get(f"/staff/contracts/{contract.id}")).text
    assert f'value="{contract.number}"' in (await legal.get(link)).text
    form = {"number": contract.number, "reason": "district court, case 7", "until": "2999-01-01"}
    assert (await legal.post("/staff/holds", form)).location == "/staff/holds?said=hold-placed"
    shown = (await legal.get("/staff/holds")).words
    assert contract.number in shown and "district court, case 7" in shown and "2999" in shown
    assert "district court, case 7" in (await legal.get(f"/staff/contracts/{contract.id}")).words
    services = running.hub.services
    await void(services, EVERYTHING, contract.id, "not needed", "staff:x")
    async with services.database.transaction(EVERYTHING) as tx:
        placed = next(each for each in await tx.record.list_entries(contract.id) if each.kind == "hold-placed")
    assert placed.actor.startswith("staff:")
    with pytest.raises(Refused):
        await erase_words(services, EVERYTHING, contract.id, placed.sequence, "staff:x")
    lifted = await legal.post(f"/staff/holds/{contract.id}/lift", {"why_lifted": "settled"})
    assert lifted.location == "/staff/holds?said=hold-lifted"
    assert contract.number not in (await legal.get("/staff/holds")).words
    await erase_words(services, EVERYTHING, contract.id, placed.sequence, "staff:x")
    async with services.database.transaction(EVERYTHING) as tx:
        (row,) = await tx.connection.fetch("SELECT reason FROM legal_hold WHERE contract = $1", contract.id)
    assert row["reason"] == "–"


async def test_a_hold_after_the_end_is_given_out_as_an_addendum(running: Running) -> None:
    contract, legal, services = (
        await running.issue_minor(),
        await console(running, StaffRole.LEGAL),
        running.hub.services,
    )
    page = f"/staff/contracts/{contract.id}"
    await void(services, EVERYTHING, contract.id, "not needed", "staff:x")
    await make_package(services, contract.id)
    assert "addendum.zip" not in (await legal.get(page)).text
    assert (await legal.get(f"{page}/addendum.zip")).status == 404
    form = {"number": contract.number, "reason": "court", "until": ""}
    await legal.post("/staff/holds", form)
    assert f"{page}/addendum.zip" in (await legal.get(page)).text
    given = [await legal.get(f"{page}/addendum.zip") for _ in range(2)]
    assert [each.status for each in given] == [200, 200] and given[0].text == given[1].text
    assert given[0].headers["Content-Disposition"] == f'attachment; filename="{contract.number}-addendum.zip"'


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"reason": " "}, 422, "a reason is needed"),
        ({"until": "2020-01-01"}, 422, "has to end in the future"),
        ({"until": "soon"}, 422, "a date like 2026-12-31"),
        ({"number": "QD-none"}, 404, ""),
    ],
)
async def test_a_hold_that_makes_no_sense_is_refused(
    running: Running, changed: dict[str, str], status: int, words: str
) -> None:
    contract, legal = await running.issue_minor(), await console(running, StaffRole.LEGAL)
    form = {"number": contract.number, "reason": "court", "until": ""} | changed
    refused = await legal.post("/staff/holds", form)
    assert refused.status == status and words in refused.words
    async with running.hub.database.transaction(EVERYTHING) as tx:
        assert contract.id not in {each.contract for each in await tx.holds.list_active(tx.now)}


async def test_another_campus_and_other_roles_hold_nothing(running: Running) -> None:
    contract = await running.issue_minor()
    form = {"number": contract.number, "reason": "court", "until": ""}
    foreign = await console(running, StaffRole.LEGAL, "beijing")
    assert (await foreign.post("/staff/holds", form)).status == 404
    clerk = await console(running, StaffRole.CLERK)
    assert (await clerk.post("/staff/holds", form)).status == 403
    assert "/staff/holds" not in (await clerk.get(f"/staff/contracts/{contract.id}")).text
    assert (await foreign.post(f"/staff/holds/{contract.id}/lift", {"why_lifted": "x"})).status == 404
