"""A parent of two children reads on each page which child it is about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hub.lifecycle.contract.end import void
from hub.lifecycle.contract.new_contract import NewSigner, NewStudent
from hub.model.contract.contract import Contract
from hub.model.contract.signer import Role
from hub.model.staff.scope import EVERYTHING
from hub.store.kernel.statement import SqlStatement
from tests.lifecycle.signer import Person, person, signed
from tests.poster_visits import Family, cn_id
from tests.running import Running
from tests.web.signer_visits import asked

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_each_page_names_the_child_where_a_parent_has_two(running: Running) -> None:
    older = Family()
    younger = replace(older, child="陈小雨", child_id=cn_id("20150901"))
    first, second = await issued(running, older), await issued(running, younger)
    parent = await person(running, first)
    await parent.enter()
    for number, contract, child in ((1, first, "陈小满"), (2, second, "陈小雨")):
        which = f"Contract {number} of 2 · {child} · Mathematics A"
        for path in ("signature", "decline", "question"):
            assert which in await page(running, f"/sign/{path}?id={contract.id}", parent), path
    await void(running.hub.services, EVERYTHING, second.id, "He is ill.", "staff:test")
    assert "Contract 2 of 2 · 陈小雨 · " in await page(running, f"/sign/done?id={second.id}", parent)


async def test_the_page_of_an_only_contract_names_the_child(running: Running) -> None:
    contract = await issued(running, Family())
    parent = await person(running, contract)
    await parent.enter()
    assert '<p class="soft">陈小满 · Mathematics A</p>' in await page(
        running, f"/sign/signature?id={contract.id}", parent
    )


async def test_a_link_of_a_signed_contract_says_that_the_other_childs_waits(running: Running) -> None:
    """One message has one link for both. Whoever stops after the first contract opens the link again."""
    family = Family()
    first, second = await issued(running, family), await issued(running, replace(family, child_id=cn_id("20150902")))
    await signed(running, first)
    past = await issued(running, replace(family, child_id=cn_id("20150903")))  # the worker has not come to it yet
    lapse = SqlStatement("UPDATE contract SET deadline = now() - interval '1 hour' WHERE id = :id")
    async with running.hub.database.transaction(EVERYTHING) as tx:
        await tx.connection.execute(lapse, {"id": past.id})
    for waits in (True, False):
        for contract in (first, past):
            _, body, _ = await asked(running, "GET", f"/s/{await running.ticket(contract)}")
            assert ("等您签署" in body) is waits
        if waits:
            await void(running.hub.services, EVERYTHING, second.id, "He is ill.", "staff:test")


async def test_with_one_contract_there_is_nothing_to_tell_apart(running: Running) -> None:
    contract = await issued(running, Family())
    parent = await person(running, contract)
    await parent.enter()
    assert "of 1" not in await page(running, f"/sign/decline?id={contract.id}", parent)


async def issued(running: Running, family: Family) -> Contract:
    guardian = NewSigner(Role.GUARDIAN, family.parent, family.phone, family.parent_id, relation="父亲")
    student = NewStudent(family.child, "cn-id", family.child_id)
    return await running.issue_minor(student=student, signers=(guardian,), send="none")


async def page(running: Running, path: str, who: Person) -> str:
    _, body, _ = await asked(running, "GET", f"{path}&lang=en", bearer=who.secret)
    return str(body)
