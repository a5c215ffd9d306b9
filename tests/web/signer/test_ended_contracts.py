"""What signers read about a contract that has ended: what counts still, and where a new one is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.lifecycle.contract.end import expire, void
from hub.lifecycle.contract.reissue import reissue
from hub.model.contract.contract import Contract
from hub.model.contract.signer import TaskState
from hub.model.staff.scope import EVERYTHING
from tests.lent_hubs import lent_hub
from tests.lifecycle.people import ADULT, adult, father
from tests.lifecycle.signer import Person, person, signed, tasks_of
from tests.running import Running, until
from tests.web.signer_visits import asked

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_EFFECT, NEW_LINK = "Your signature on it has no effect any more.", "<form data-relink"


async def test_whoever_had_signed_reads_that_it_has_no_effect() -> None:
    async with lent_hub() as running:
        withdrawn, expired = await half_signed(running), await half_signed(running)
        await void(running.hub.services, EVERYTHING, withdrawn[0].id, "a mistake", "staff:test")
        async with running.hub.database.transaction(EVERYTHING) as tx:
            await expire(running.hub.services, tx, await tx.contracts.lock_contract(expired[0].id))
        for contract, has_signed, waits in (withdrawn, expired):
            assert NO_EFFECT in await done(running, contract, has_signed)
            assert NO_EFFECT not in await done(running, contract, waits)
        assert "If you still want it" not in await done(running, expired[0], expired[1])
        assert "If you still want it" in await done(running, expired[0], expired[2])


async def test_who_comes_to_a_replaced_contract_is_led_to_the_new_one() -> None:
    async with lent_hub() as running:
        contract = await running.issue_minor()
        signer = await person(running, contract)
        await signer.enter()
        await void(running.hub.services, EVERYTHING, contract.id, "a mistake", "staff:test")
        assert NEW_LINK not in await done(running, contract, signer)
        await reissue(running.hub.services, EVERYTHING, contract.id, "staff:test")
        page = await done(running, contract, signer)
        assert NEW_LINK in page and "The school has issued a new contract in its place." in page


async def half_signed(running: Running) -> tuple[Contract, Person, Person]:
    """Return a contract of two signers, the one who has signed, and the one who has not."""
    running.clock.advance(timedelta(hours=1))  # the second code to a number
    contract = await running.issue_minor(student=ADULT, signers=(adult(), father(order=2)))
    first, second = await signed(running, contract), await person(running, contract, 1)

    async def embedded() -> bool:
        return (await tasks_of(running, contract))[1].state is TaskState.OPEN

    await until(embedded)
    await second.enter()
    return contract, first, second


async def done(running: Running, contract: Contract, who: Person) -> str:
    status, page, _ = await asked(running, "GET", f"/sign/done?id={contract.id}&lang=en", bearer=who.secret)
    assert status == 200
    return str(page)
